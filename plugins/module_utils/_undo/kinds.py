# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The registry of undo kinds: every step, guard and check that a record may hold, by its name in the record.

A new kind is one class and one line here; tests/unit/plugins/module_utils/_undo/test_kinds.py refuses a class without its line.
"""

from ansible_collections.faultline.chaos.plugins.module_utils._undo import cgroups, files, kernel_files, limits, lines, steps
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import NESTED

_ALL = (
    steps.SameBoot,
    steps.FileHolds,
    steps.Exists,
    steps.OutputHas,
    steps.OnlyOurFilters,
    steps.Alive,
    steps.Fails,
    steps.Succeeds,
    steps.LinksTo,
    steps.Stopped,
    steps.NetworkNamespace,
    steps.NotRunning,
    steps.Run,
    steps.When,
    steps.KillGroup,
    steps.Continue,
    steps.SetClock,
    steps.Gone,
    steps.Same,
    steps.ComesBack,
    files.IsInode,
    files.Settled,
    files.IoController,
    files.RemoveOwn,
    files.FileBack,
    files.InPlace,
    kernel_files.HasLine,
    kernel_files.ValueIs,
    kernel_files.StillOurs,
    kernel_files.Put,
    limits.HasHeirs,
    limits.HeirsBack,
    lines.Misses,
    lines.Lacks,
    lines.Until,
    lines.Feed,
    lines.Insist,
    cgroups.EmptyCgroup,
    cgroups.RemoveCgroup,
)
KINDS = dict((kind.__name__, kind) for kind in _ALL)


def from_dict(found):
    """The step, guard or check that to_dict() made."""
    values = dict(found)
    kind = KINDS[values.pop("type")]
    for name in NESTED:
        if name in values:
            values[name] = [from_dict(item) for item in values[name]]
    return kind(**values)


def undo_from_dict(found):
    """The Undo that Undo.to_dict() made."""
    return steps.Undo([from_dict(step) for step in found["steps"]], [from_dict(check) for check in found["checks"]], found["before"])
