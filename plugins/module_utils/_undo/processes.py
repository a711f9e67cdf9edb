# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards and steps for the processes that an attack stopped, and for the links that keep a service down."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

_FREEZE = r"""
stopped() { # stopped PID START: that very process is stopped, or will be as soon as the kernel lets it (SIGSTOP is pending)
    lives "$1" "$2" || return 1
    for status in "/proc/$1/status" "/proc/$1"/task/[0-9]*/status; do
        look=
        while read -r key value _; do
            case $key$value in
            State:T | ShdPnd:*[4567cdef]????) return 0 ;;
            State:*) look=$value ;;
            esac
        done 2>/dev/null <"$status"
        case $look in
        Z | X) ;; # the first thread ended, the others may be stopped
        '') ! lives "$1" "$2" || problem "the state of process $1 cannot be read"; return 1 ;;
        *) return 1 ;;
        esac
    done
    return 1
}
go_on() { # go_on PID START: in any state, for a debugger hides a stop, and one may be under way in another thread; kill is a builtin
    lives "$1" "$2" || return 0
    kill -s CONT "$1" 2>/dev/null || ! lives "$1" "$2" || problem "process $1 cannot be continued"
}
"""


class LinksTo(Typed):
    """A path is a symbolic link with exactly this target."""

    fields = ("path", "target")

    def __init__(self, path, target):
        super().__init__(path=path, target=target)

    def condition(self):
        return f'[ "$(readlink {quote(self.path)})" = {quote(self.target)} ]'


class Stopped(Typed):
    """The process (pid and start time) is stopped, or its SIGSTOP is pending."""

    fields = ("pid", "start")
    functions = _FREEZE

    def __init__(self, pid, start):
        super().__init__(pid=pid, start=start)

    def condition(self):
        return f"stopped {quote(str(self.pid))} {quote(str(self.start))}"


class Continue(Typed):
    """Send SIGCONT to the process (pid and start time) that the attack stopped."""

    fields = ("title", "pid", "start")
    functions = _FREEZE

    def __init__(self, title, pid, start):
        super().__init__(title=title, pid=pid, start=start)

    def render(self):
        return [comment(self.title), f"go_on {quote(str(self.pid))} {quote(str(self.start))}"]
