# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards, steps and checks for the processes that an attack stopped or killed, and for what starts them."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment

_FREEZE = r"""
stopped() { # stopped PID START: that very process is stopped, or will be as soon as the kernel lets it (SIGSTOP is pending)
    same_boot && alive "$1" "$2" || return 1
    while read -r key value _; do
        case $key$value in State:T | ShdPnd:*[4567cdef]????) return 0 ;; esac
    done 2>/dev/null <"/proc/$1/status"
    return 1
}
go_on() { # go_on PID: kill is a builtin, so that no package is needed for it
    kill -s CONT "$1" 2>/dev/null || ! [ -e "/proc/$1" ] || problem "process $1 cannot be continued"
}
"""

_RUNNING = r"""
running() { # running NAME: a process of that name, as in /proc/PID/comm
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <"$comm" && [ "$name" = "$1" ] && return 0
    done
    return 1
}
"""

_COMES_BACK = r"""
comes_back() { # comes_back NAME TITLE: what was started again needs a moment
    tries=0
    until running "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || { problem "$2"; return; }
        sleep 0.5 2>/dev/null || sleep 1
    done
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


class NotRunning(Typed):
    """No process of this name (as in /proc/PID/comm) runs."""

    fields = ("name",)
    functions = _RUNNING

    def __init__(self, name):
        super().__init__(name=name)

    def condition(self):
        return f"! running {quote(self.name)}"


class Continue(Typed):
    """Send SIGCONT to the process (pid and start time) that the attack stopped."""

    fields = ("title", "pid", "start")
    functions = _FREEZE

    def __init__(self, title, pid, start):
        super().__init__(title=title, pid=pid, start=start)

    def render(self):
        return [comment(self.title), f"if {Stopped(self.pid, self.start).condition()}; then go_on {quote(str(self.pid))}; fi"]


class ComesBack(Typed):
    """A process of this name must run again within 10 s."""

    fields = ("title", "name")
    functions = _RUNNING + _COMES_BACK

    def __init__(self, title, name):
        super().__init__(title=title, name=name)

    def render(self):
        return [f"comes_back {quote(self.name)} {quote(self.title)}"]
