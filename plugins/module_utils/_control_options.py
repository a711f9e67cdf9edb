# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The options by which a control module (revert, lease and those for clusters) chooses attacks. Pure."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption


def check_choice(params: dict, names: tuple) -> None:
    """Check that exactly one of the options that choose attacks is set. Errors: AttackError for none or several, and for an empty one."""
    for name in names:
        if isinstance(params[name], str) and not params[name].strip():
            raise BadOption(name, params[name], "give the name of an attack or a run")
    given = [name for name in names if params[name]]
    if not given:
        raise AttackError("one of {} is needed: say what to act on".format(", ".join(names)))
    if len(given) > 1:
        raise BadOption(given[-1], params[given[-1]], "give one of {} and {}".format(", ".join(names[:-1]), names[-1]))
