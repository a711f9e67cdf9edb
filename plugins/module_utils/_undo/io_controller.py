# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The undo guard for the io controller of control groups."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed

_IO_OURS = r"""
io_ours() { # io_ours DIRECTORY: its groups have the io controller, and none of them uses it or hands it on
    case " $(cat "$1/cgroup.subtree_control" 2>/dev/null) " in *" io "*) ;; *) return 1 ;; esac
    for group in "$1"/*/; do
        case " $(cat "${group}cgroup.subtree_control" 2>/dev/null) " in *" io "*) return 1 ;; esac
        [ -z "$(cat "${group}io.max" "${group}io.latency" 2>/dev/null)" ] || return 1
        case $(cat "${group}io.weight" 2>/dev/null) in '' | 'default 100') ;; *) return 1 ;; esac
    done
}
"""


class IoController(Typed):
    """The control groups in a directory have the io controller, and none of them uses it."""

    fields = ("path",)
    functions = _IO_OURS

    def __init__(self, path):
        super().__init__(path=path)

    def condition(self):
        return f"io_ours {quote(self.path)}"
