# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""For limits of I/O: the undo guard for the io controller of control groups, and the reading of who is limited."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, word

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

_MEMBERS = r"""
members() { # members DIRECTORY: the processes in a group and below are what it has $met
    ask find "$1" -name cgroup.procs -exec cat {} + || { looking=1; [ -n "$said" ] || return; } # those of a threaded group are told by the group above
    set -- $said
    met=$#
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


class Members(Typed):
    """How many processes are in a control group and below; one without any limits nobody."""

    fields = ("path", "guards")
    functions = _MEMBERS

    def __init__(self, path, guards):
        super().__init__(path=path, guards=list(guards))

    def render(self):
        return [f"if {all_hold(self.guards)}; then members {word(self.path)}; fi", "looking=1"]
