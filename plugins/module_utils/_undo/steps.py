# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Typed undo steps, and the revert.sh that they are rendered to.

An attack describes its undo as data: steps (Run, KillGroup), guards that say when a step applies (FileHolds,
OutputHas, ...), and checks of the state afterwards (Gone, Same). The same data is kept in record.json, so that the
script can be rendered again. Every word that reaches the script passes through quote(): the one place of quoting.
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import MACHINERY
from ansible_collections.faultline.chaos.plugins.module_utils._undo.state_functions import CLOCK, FREEZE

_KINDS = {}
_NESTED = ("guards", "steps")  # fields that hold typed things themselves


def words(argv):
    """An argv as quoted words of a shell command. Errors: AttackError for what no program can be run with."""
    told = [str(word) for word in argv]
    if not told or not told[0] or told[0].startswith("-") or "=" in told[0] or any("\0" in word for word in told):
        raise AttackError(f"undo: {told!r} cannot be run: it needs the name of a program first, and no zero bytes")
    return " ".join(quote(word) for word in told)


def comment(title):
    """A title as a comment; names of processes and devices may hold line breaks."""
    return "# " + "".join(letter if letter.isprintable() else "?" for letter in title)


class _Typed:
    """Something with named fields that goes to JSON and back."""

    fields = ()
    functions = ""  # shell functions that only this kind needs; they are added to the scripts that use it

    def __init__(self, **values):
        unknown = set(values) - set(self.fields)
        if unknown:
            raise AttackError("undo: unknown fields {} in {}".format(", ".join(sorted(unknown)), type(self).__name__))
        for name in self.fields:
            setattr(self, name, values.get(name))

    def to_dict(self):
        found = {"type": type(self).__name__}
        for name in self.fields:
            value = getattr(self, name)
            found[name] = [item.to_dict() for item in value] if name in _NESTED else value
        return found


def typed(cls):
    _KINDS[cls.__name__] = cls
    return cls


def from_dict(found):
    """The step, guard or check that to_dict() made."""
    values = dict(found)
    cls = _KINDS[values.pop("type")]
    for name in _NESTED:
        if name in values:
            values[name] = [from_dict(item) for item in values[name]]
    return cls(**values)


# --- guards: when does a step apply? -------------------------------------------------------------


@typed
class SameBoot(_Typed):
    """The kernel is still the one that was changed; after a reboot its state is gone by itself."""

    def condition(self):
        return "same_boot"


@typed
class FileHolds(_Typed):
    """A small file (of /sys, /proc) has exactly this text: the same interface, not a namesake."""

    fields = ("path", "text")

    def __init__(self, path, text):
        super().__init__(path=path, text=text.rstrip("\n"))

    def condition(self):
        return f"holds {quote(self.path)} {quote(self.text)}"


@typed
class Exists(_Typed):
    fields = ("path",)

    def __init__(self, path):
        super().__init__(path=path)

    def condition(self):
        return f"[ -e {quote(self.path)} ]"


@typed
class OutputHas(_Typed):
    """A command prints a line with this fixed text."""

    fields = ("argv", "text")

    def __init__(self, argv, text):
        super().__init__(argv=list(argv), text=text)

    def condition(self):
        return f"prints {quote(self.text)} {words(self.argv)}"


@typed
class OnlyOurFilters(_Typed):
    """Every tc filter that a command lists has one of our preferences (TC_PREF_FIRST to TC_PREF_LAST): none is somebody else's."""

    fields = ("argv",)

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"only_our_filters {words(self.argv)}"


@typed
class Alive(_Typed):
    """The very process (pid and start time) still runs, in the same boot."""

    fields = ("pid", "start")

    def __init__(self, pid, start):
        super().__init__(pid=pid, start=start)

    def condition(self):
        return f"same_boot && alive {quote(str(self.pid))} {quote(str(self.start))}"


@typed
class Fails(_Typed):
    """A command's rc is not 0."""

    fields = ("argv",)

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"fails {words(self.argv)}"


@typed
class Succeeds(_Typed):
    """A command's rc is 0."""

    fields = ("argv",)

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"! fails {words(self.argv)}"


@typed
class LinksTo(_Typed):
    """A path is a symbolic link with exactly this target."""

    fields = ("path", "target")

    def __init__(self, path, target):
        super().__init__(path=path, target=target)

    def condition(self):
        return f'[ "$(readlink {quote(self.path)})" = {quote(self.target)} ]'


@typed
class Stopped(_Typed):
    """The very process is stopped (SIGSTOP), or is about to be."""

    fields = ("pid", "start")
    functions = FREEZE

    def __init__(self, pid, start):
        super().__init__(pid=pid, start=start)

    def condition(self):
        return f"stopped {quote(str(self.pid))} {quote(str(self.start))}"


@typed
class NetworkNamespace(_Typed):
    """A network namespace (device and inode of its file) still exists; it is then open as a file, for nsenter --net=OPEN."""

    OPEN = "/proc/self/fd/8"
    fields = ("number", "door")  # door: the file that led to it, looked at first
    functions = r"""
network_namespace() { # network_namespace NUMBER DOOR: no process and no name leads to it any more -> what we did in it is gone as well
    same_boot || return 1
    tries=0
    while [ "$tries" -lt 3 ]; do
        for door in "$2" $(stat -L -c '%d:%i %n' /proc/[0-9]*/ns/net /run/netns/* /run/docker/netns/* 2>/dev/null | sed -n "s/^$1 //p"); do
            command exec 8<"$door" || continue
            [ "$(stat -L -c %d:%i /proc/self/fd/8)" = "$1" ] && return 0
        done 2>/dev/null
        [ "$door" != "$2" ] || break
        tries=$((tries + 1)) # the process behind a door has just ended: look again
    done
    exec 8<&-
    return 1
}
"""

    def __init__(self, number, door):
        super().__init__(number=number, door=door)

    def condition(self):
        return f"network_namespace {quote(self.number)} {quote(self.door)}"


@typed
class NotRunning(_Typed):
    """No process of this name (as in /proc/PID/comm) runs."""

    fields = ("name",)

    def __init__(self, name):
        super().__init__(name=name)

    def condition(self):
        return f"! running {quote(self.name)}"


def _all(guards):
    return " && ".join(guard.condition() for guard in guards)


# --- steps: what is done ---------------------------------------------------------------------------


@typed
class Run(_Typed):
    """Run a program when all guards hold; its failure makes the revert fail (and be retried). seconds: what it may take, 60 unless said."""

    fields = ("title", "argv", "guards", "seconds")

    def __init__(self, title, argv, guards=(), seconds=None):
        super().__init__(title=title, argv=list(argv), guards=list(guards), seconds=seconds)

    def render(self):
        act = "{} {}".format("try_for %d" % self.seconds if self.seconds else "try", words(self.argv))
        return [comment(self.title), f"if {_all(self.guards)}; then {act}; fi" if self.guards else act]


@typed
class When(_Typed):
    """Steps that only make sense while all guards hold."""

    fields = ("guards", "steps")

    def __init__(self, guards, steps):
        super().__init__(guards=list(guards), steps=list(steps))

    def render(self):
        inner = [line for step in self.steps for line in step.render()]
        return [f"if {_all(self.guards)}; then"] + _indent(inner) + ["fi"]


@typed
class KillGroup(_Typed):
    """End a worker of ours: the process group of a leader known by pid and start time."""

    fields = ("title", "pid", "start")

    def __init__(self, title, pid, start):
        super().__init__(title=title, pid=pid, start=start)

    def render(self):
        return [comment(self.title), f"kill_group {quote(str(self.pid))} {quote(str(self.start))}"]


@typed
class Continue(_Typed):
    """SIGCONT for the very process that we stopped."""

    fields = ("title", "pid", "start")
    functions = FREEZE

    def __init__(self, title, pid, start):
        super().__init__(title=title, pid=pid, start=start)

    def render(self):
        return [comment(self.title), f"if {Stopped(self.pid, self.start).condition()}; then go_on {quote(str(self.pid))}; fi"]


@typed
class SetClock(_Typed):
    """The clock is again where it would be without us: BOOTTIME plus offset_ns, in the same boot.

    slow_ns: what a look at the clock by the shell takes on this host, as measured when the attack was planned.
    """

    fields = ("title", "offset_ns", "slow_ns")
    functions = CLOCK

    def __init__(self, title, offset_ns, slow_ns):
        super().__init__(title=title, offset_ns=int(offset_ns), slow_ns=int(slow_ns))

    def render(self):
        return [comment(self.title), "if same_boot; then set_clock %d %d; fi" % (self.offset_ns, self.slow_ns)]


# --- checks: what must be true afterwards -----------------------------------------------------------


@typed
class Gone(_Typed):
    """Our mark must not be there any more (all guards together describe the mark)."""

    fields = ("title", "guards")

    def __init__(self, title, guards):
        super().__init__(title=title, guards=list(guards))

    def render(self):
        return [f"if {_all(self.guards)}; then left {quote(self.title)}; fi"]


@typed
class Same(_Typed):
    """A command must print what it printed before the attack: lines sorted, without the counters named; only judged while the guards hold."""

    fields = ("title", "argv", "file", "guards", "counters")

    def __init__(self, title, argv, file, guards=(), counters=()):
        super().__init__(title=title, argv=list(argv), file=file, guards=list(guards), counters=list(counters))

    def render(self):
        act = "same {} {} {} {}".format(quote(self.file), quote(self.title), quote(" ".join(self.counters)), words(self.argv))
        return [f"if {_all(self.guards)}; then {act}; fi" if self.guards else act]


@typed
class ComesBack(_Typed):
    """A process of this name must run again within 10 s."""

    fields = ("title", "name")

    def __init__(self, title, name):
        super().__init__(title=title, name=name)

    def render(self):
        return [f"comes_back {quote(self.name)} {quote(self.title)}"]


class Undo:
    """All that one attack needs to be undone: steps in order, checks, and the texts of the state before."""

    def __init__(self, steps=(), checks=(), before=None):
        self.steps = list(steps)
        self.checks = list(checks)
        self.before = dict(before or {})  # file name under before/ -> text

    def to_dict(self):
        return {
            "steps": [step.to_dict() for step in self.steps],
            "checks": [check.to_dict() for check in self.checks],
            "before": self.before,
        }

    @classmethod
    def from_dict(cls, found):
        return cls(
            [from_dict(step) for step in found["steps"]],
            [from_dict(check) for check in found["checks"]],
            found["before"],
        )

    def same(self, title, argv, text, guards=(), counters=()):
        """Add a check that argv prints the given text again (as Host.output() gives it, with the same counters)."""
        name = "%02d" % len(self.before)
        self.before[name] = text
        self.checks.append(Same(title, argv, name, guards, counters))


def _functions(things):
    """The shell functions that some steps, guards and checks bring along, each text once."""
    found = []
    for thing in things:
        inner = [item for name in _NESTED for item in getattr(thing, name, [])]
        for text in [thing.functions] + _functions(inner):
            if text and text not in found:
                found.append(text)
    return found


def _slow(steps):
    """Seconds that steps may take beyond the usual 60 of each: who waits for this undo waits longer."""
    return sum(max(0, (getattr(step, "seconds", None) or 0) - 60) + _slow(getattr(step, "steps", ())) for step in steps)


def render_record(record, state_dir):
    """The text of revert.sh from a record: the same record gives the same text."""
    undo = Undo.from_dict(record["undo"])
    attack_id = record["id"]
    body = [line for step in undo.steps for line in step.render()] or [": # nothing to undo"]
    checks = [line for check in undo.checks for line in check.render()] or [": # nothing to compare"]
    head = [
        "#!/bin/sh",
        "# Undo of the faultline.chaos attack {} (id {}), written {}, before anything was changed.".format(record["module"], attack_id, record["started"]),
        f"# Safe at any time, and more than once:  sh {state_dir}/{attack_id}/revert.sh",
        "",
        f"id={quote(attack_id)}",
        f"state={quote(state_dir)}",
        "boot={}".format(quote(record["boot_id"])),
        "injector={}".format(quote("{} {}".format(*tuple(record["injector"])))),  # pid and start time; ended if it hangs
        "workers={}".format(quote(" ".join(f"{step.pid} {step.start}" for step in undo.steps if isinstance(step, KillGroup)))),
        # Of every deadline, in centiseconds since boot; slow is in seconds.
        "began=%d limit=%d slow=%d" % (record["began_cs"], record["limit_cs"], _slow(undo.steps)),
        "",
        "# What undoes the attack, in order.",
        "undo() {",
    ]
    middle = ["}", "", "# What must be true afterwards.", "check() {"]
    return "\n".join(head + _indent(body) + middle + _indent(checks) + ["}", ""]) + "".join(_functions(undo.steps + undo.checks)) + MACHINERY


def _indent(lines):
    return ["    " + line for line in lines]
