# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Typed undo steps: what is done (Run, KillGroup), guards that say when (FileHolds, OutputHas), checks of the state afterwards (Gone, Same),
readings of the effect (Part).

Only kinds that most attacks use are here, for each attack ships this file. Every word that reaches the script passes through quote().
"""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, all_hold, comment, indent, word, words

# --- guards: when does a step apply? -------------------------------------------------------------


class SameBoot(Typed):
    """The host has not rebooted since the attack began; a reboot discards the changed kernel state."""

    def condition(self):
        return "same_boot"


class FileHolds(Typed):
    """A small file (of /sys, /proc) has exactly this text; it tells an interface from a later one of the same name."""

    fields = ("path", "text")

    def __init__(self, path, text):
        super().__init__(path=path, text=text.rstrip("\n"))

    def condition(self):
        return f"holds {word(self.path)} {quote(self.text)}"


class Exists(Typed):
    fields = ("path",)

    def __init__(self, path):
        super().__init__(path=path)

    def condition(self):
        return f"[ -e {word(self.path)} ]"


class OutputHas(Typed):
    """A command prints a line with this fixed text."""

    fields = ("argv", "text")

    def __init__(self, argv, text):
        super().__init__(argv=list(argv), text=text)

    def condition(self):
        return f"prints {quote(self.text)} {words(self.argv)}"


class Fails(Typed):
    """A command's rc is not 0."""

    fields = ("argv",)

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"fails {words(self.argv)}"


class Succeeds(Typed):
    """A command's rc is 0."""

    fields = ("argv",)

    def __init__(self, argv):
        super().__init__(argv=list(argv))

    def condition(self):
        return f"! fails {words(self.argv)}"


class Alive(Typed):
    """The process (pid and start time) still runs, in the same boot."""

    fields = ("pid", "start")

    def __init__(self, pid, start):
        super().__init__(pid=pid, start=start)

    def condition(self):
        return f"lives {quote(str(self.pid))} {quote(str(self.start))}"


# --- steps: what is done ---------------------------------------------------------------------------


class Run(Typed):
    """Run a program when all guards hold; its failure makes the revert fail (and be retried). seconds: its time limit, 60 by default."""

    fields = ("title", "argv", "guards", "seconds")

    def __init__(self, title, argv, guards=(), seconds=None):
        super().__init__(title=title, argv=list(argv), guards=list(guards), seconds=seconds)

    def render(self):
        act = "{} {}".format("try_for %d" % self.seconds if self.seconds else "try", words(self.argv))
        return [comment(self.title), f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act]


class When(Typed):
    """Steps that only make sense while all guards hold."""

    fields = ("guards", "steps")

    def __init__(self, guards, steps):
        super().__init__(guards=list(guards), steps=list(steps))

    def render(self):
        inner = [line for step in self.steps for line in step.render()]
        return [f"if {all_hold(self.guards)}; then"] + indent(inner) + ["fi"]


class KillGroup(Typed):
    """Kill a worker: the process group whose leader has this pid and start time."""

    fields = ("title", "pid", "start")

    def __init__(self, title, pid, start):
        super().__init__(title=title, pid=pid, start=start)

    def render(self):
        return [comment(self.title), f"kill_group {quote(str(self.pid))} {quote(str(self.start))}"]


# --- checks: what must be true afterwards -----------------------------------------------------------


class Gone(Typed):
    """The attack's mark must be gone (all guards together describe the mark). still: for a state, what else than "there"."""

    fields = ("title", "guards")

    def __init__(self, title, guards, still="there"):
        super().__init__(title=f"{still}: {title}", guards=list(guards))

    def render(self):
        return [f"if {all_hold(self.guards)}; then left {quote(self.title)}; fi"]


class Same(Typed):
    """A command must print what it printed before the attack: lines sorted, without the named counters; compared only while the guards hold."""

    fields = ("title", "argv", "file", "guards", "counters")

    def __init__(self, title, argv, file, guards=(), counters=()):
        super().__init__(title=title, argv=list(argv), file=file, guards=list(guards), counters=list(counters))

    def render(self):
        act = "same {} {} {} {}".format(quote(self.file), quote(self.title), quote(" ".join(self.counters)), words(self.argv))
        return [f"if {all_hold(self.guards)}; then {act}; fi" if self.guards else act]


# --- readings: is the effect still in place when it is undone? They change nothing -------------------


class Part(Typed):
    """One part of the effect: in place while the guards hold. Without processes where the attack takes memory or processes away."""

    fields = ("title", "guards")

    def __init__(self, title, guards):
        super().__init__(title=title, guards=list(guards))

    def render(self):
        title = "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in self.title)  # goes into JSON as it is
        return [f"{all_hold(self.guards)}", f"part $? {quote(title)}"]


class Undo:
    """The undo of one attack: steps in order, checks, the prior state as texts, and the readings of its effect."""

    def __init__(self, steps=(), checks=(), before=None, readings=()):
        self.steps = list(steps)
        self.checks = list(checks)
        self.readings = list(readings)
        self.before = dict(before or {})  # file name under before/ -> text

    def to_dict(self):
        return {
            "steps": [step.to_dict() for step in self.steps],
            "checks": [check.to_dict() for check in self.checks],
            "readings": [reading.to_dict() for reading in self.readings],
            "before": self.before,
        }

    def same(self, title, argv, text, guards=(), counters=()):
        """Add a check that argv prints the given text again (as Host.output() gives it, with the same counters)."""
        name = "%02d" % len(self.before)
        self.before[name] = text
        self.checks.append(Same(title, argv, name, guards, counters))
