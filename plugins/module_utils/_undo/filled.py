# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of files that fill a file system."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed

_FILLED = r"""
filled() { # filled DIRECTORY ASKED: $asked and $measured are MiB; of inodes (ASKED 0) only whether the directory is there
    [ -d "$1/data" ]
    part $? "the files in $1"
    [ "$2" != 0 ] && looking=1 && ask stat -c %b "$1"/data/fill.* || { looking=1; return; }
    blocks=0
    for each in $said; do number "$each"; blocks=$((blocks + n)); done
    asked=$2 measured=$((blocks / 2048))
}
"""


class Filled(Typed):
    """How many MiB of those that were asked for are in the files of an attack (see OwnDirectory in _host/filesystem.py)."""

    fields = ("path", "asked_mib")
    functions = _FILLED

    def __init__(self, path, asked_mib):
        super().__init__(path=path, asked_mib=int(asked_mib))

    def render(self):
        return ["filled %s %d" % (quote(self.path), self.asked_mib)]
