# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Renders revert.sh, the script that undoes one attack."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import MACHINERY
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import KillGroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import NESTED, indent


def _functions(things):
    """The shell functions that these steps, guards and checks need, without duplicates."""
    found = []
    for thing in things:
        inner = [item for name in NESTED for item in getattr(thing, name, [])]
        own = [thing.functions] if isinstance(thing.functions, str) else list(thing.functions)
        for text in own + _functions(inner):
            if text and text not in found:
                found.append(text)
    return found


def _slow(steps):
    """Seconds that steps may take beyond the usual 60 per step: a process that waits for this undo waits that much longer."""
    return sum(max(0, (getattr(step, "seconds", None) or 0) - 60) + _slow(getattr(step, "steps", ())) for step in steps)


def render(record, undo, state_dir):
    """The text of revert.sh. record: as in the journal, without the undo."""
    attack_id = record["id"]
    body = [line for step in undo.steps for line in step.render()] or [": # nothing to undo"]
    checks = [line for check in undo.checks for line in check.render()] or [": # nothing to compare"]
    looks = [line for reading in undo.readings for line in reading.render()] or [": # nothing to read again"]
    head = [
        "#!/bin/sh",
        "# Undo of the faultline.chaos attack {} (id {}), written {}, before anything was changed.".format(record["module"], attack_id, record["started"]),
        f"# Safe at any time, and more than once:  sh {state_dir}/{attack_id}/revert.sh",
        "",
        f"id={quote(attack_id)}",
        f"state={quote(state_dir)}",
        "boot={} init={} written={}".format(quote(record["boot_id"]), int(record.get("init") or 0), quote(record["started"])),
        "injector={}".format(quote("{} {}".format(*tuple(record["injector"])))),  # pid and start time; ended if it hangs
        "workers={}".format(quote(" ".join(f"{step.pid} {step.start}" for step in undo.steps if isinstance(step, KillGroup)))),
        # began and limit: the valid range of a deadline, in centiseconds since boot; slow: seconds.
        "began=%d limit=%d slow=%d" % (record["began_cs"], record["limit_cs"], _slow(undo.steps)),
        "",
        "# What undoes the attack, in order.",
        "undo() {",
    ]
    parts = head + indent(body) + ["}", "", "# What must be true afterwards.", "check() {"] + indent(checks)
    parts += ["}", "", "# Whether the effect is in place, read again before it is undone.", "look() {"] + indent(looks) + ["}", ""]
    return "\n".join(parts) + "".join(_functions(undo.steps + undo.checks + undo.readings)) + MACHINERY
