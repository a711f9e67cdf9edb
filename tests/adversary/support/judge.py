# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge: two equal hosts get the same interference, one of them also the attack and its undo. What the product calls clean must look alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.adversary.support import look
from tests.adversary.support.attacks import Attack
from tests.adversary.support.host import Host
from tests.adversary.support.interference import AFTER, STUCK, Interference

DURATION = "900s"  # longer than any case, so that no dead-man comes in between
ATTACK_ID = "case"
PATIENCE = 3.0  # seconds in which what ends by itself may end: processes, carriers of wires
# Outcomes. VOID: the interference did nothing, or its moment never came; the attack must be undone all the same.
CLEAN, NAMED, FALSE_CLEAN, UNNAMED, VOID = "clean", "stuck", "false clean", "not named", "clean, nothing happened"
OUTCOMES = (CLEAN, NAMED, FALSE_CLEAN, UNNAMED, VOID)


@dataclass
class Verdict:
    """How a case ended. told: what the product said. differs: the lines in which the two hosts differ, by the own look."""

    outcome: str
    told: str = ""
    differs: str = ""
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        return self.outcome in (FALSE_CLEAN, UNNAMED)

    def __str__(self) -> str:
        return f"{self.outcome}\nthe product says: {self.told or 'clean'}\nthe attacked host (+) and the other one (-):\n{self.differs or '  no difference'}"


def differences(attacked: Mapping[str, list[str]], other: Mapping[str, list[str]]) -> str:
    """The lines that only one of two looks has."""
    out = []
    for section in sorted(attacked):
        if section == "clock":
            if abs(float(attacked[section][0]) - float(other[section][0])) > 0.5:
                out.append(f"[clock] {attacked[section][0]} s and {other[section][0]} s off")
            continue
        if section == "space":
            pairs = zip(attacked[section], other[section], strict=True)
            far = [(a, b) for a, b in pairs if abs(int(a.rsplit(" ", 1)[1]) - int(b.rsplit(" ", 1)[1])) > look.SPACE]
            out += [f"[space] +{a} -{b}" for a, b in far]
            continue
        ours, theirs = list(attacked[section]), list(other[section])
        for line in attacked[section]:
            if line in theirs:
                theirs.remove(line)
                ours.remove(line)
        out += [f"[{section}] +{line}" for line in ours] + [f"[{section}] -{line}" for line in theirs]
    return "\n".join(out)


def told_of(revert: Mapping[str, Any], audit: Mapping[str, Any]) -> str:
    """Everything that the product names; empty when it says that all is clean."""
    found = []
    if revert.get("failed") or revert.get("clean") is not True:
        found.append(str(revert.get("msg") or revert.get("stuck") or ""))
    if revert.get("drifted"):
        found.append(f"drifted: {revert['drifted']}")
    if audit.get("failed") or audit.get("clean") is not True:
        found.append(str(audit.get("msg") or ""))
        found += [f"{each['id']} {each.get('status')}: {each.get('reason', '')}" for each in audit.get("attacks", [])]
        found += [str(each) for each in audit.get("residue", [])]
    if not found:
        return ""
    return "; ".join(each for each in found if each) or "?"


@dataclass
class Judge:
    """attacked gets attack and interference, other only the interference. Both were made the same way."""

    attacked: Host
    other: Host

    def both(self, script: str) -> None:
        """Something that happens to both, and must succeed."""
        for host in (self.attacked, self.other):
            host.sh(script)

    def interfere(self, script: str) -> bool:
        """The interference: on the attacked host, and where it acted there, on the other one. Whether it acted."""
        acted = self.attacked.sh(script, check=False).ok
        if acted:
            self.other.sh(script, check=False)
        return acted

    def revert(self) -> dict:
        return self.attacked.module("revert", {"all": True})

    def differs(self, seconds: float = PATIENCE) -> str:
        """How the two hosts differ, once what ends by itself has ended."""
        until = time.monotonic() + seconds
        while True:
            found = differences(self.attacked.look(), self.other.look())
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.3)

    def verdict(self, revert: Mapping[str, Any], acted: bool = True) -> Verdict:
        """What the product says now, against what there is."""
        audit = self.attacked.module("attack_info")
        told = told_of(revert, audit)
        results = {"revert": dict(revert), "audit": audit}
        if told == "?":
            return Verdict(UNNAMED, told, "", results)
        if told and ATTACK_ID not in revert.get("reverted", ()):
            return Verdict(NAMED, told, "", results)
        differs = self.differs()
        if told and differs and revert.get("clean"):  # the record is closed for good; that the audit sees something is not enough
            return Verdict(FALSE_CLEAN, f"reverted; the audit: {told}", differs, results)
        if told:
            return Verdict(NAMED, told, "", results)
        if differs:
            return Verdict(FALSE_CLEAN, "", differs, results)
        return Verdict(CLEAN if acted else VOID, "", "", results)

    # -- a generated case ----------------------------------------------------------------------------

    def case(self, attack: Attack, interference: Interference, moment: str) -> Verdict:
        script = interference.text(attack, ATTACK_ID)
        if attack.prepare:
            self.both(attack.prepare)
        inject, revert, acted = self._during(attack, moment, script)
        if interference.after and acted:
            if not interference.fills and not told_of(revert, {"clean": True}):
                verdict = self.verdict(revert, acted)
                if verdict.bad:
                    return verdict
            after = interference.text(attack, ATTACK_ID).replace(interference.script, interference.after)
            for host in (self.attacked, self.other):
                host.sh(after, check=False)
            if told_of(revert, {"clean": True}):
                revert = self.revert()  # as the dead-man would
        verdict = self.verdict(revert, acted)
        verdict.results["inject"] = inject
        return verdict

    def _during(self, attack: Attack, moment: str, script: str) -> tuple[dict, dict, bool]:
        """The attack, its undo, and the interference at its moment: results of inject and revert, and whether it acted."""
        args = {**attack.options, "id": ATTACK_ID, "duration": DURATION}
        host = self.attacked
        if moment == AFTER:
            inject = self._active(attack, args)
            acted = self.interfere(script)
            return inject, self.revert(), acted
        if moment == STUCK:
            inject = self._active(attack, args)
            host.wrap()
            with host.broken(attack.stuck):
                first = self.revert()
            acted = bool(told_of(first, {"clean": True})) and self.interfere(script)
            return inject, self.revert(), acted
        if moment.startswith("undo:"):
            inject = self._active(attack, args)
            host.wrap()
            host.act_at(int(moment.partition(":")[2]), script)
            revert = self.revert()
            acted = bool(host.acted())
            if acted:
                self.other.sh(script, check=False)
            return inject, revert, acted
        return self._while_injected(attack, args, moment, script)

    def _active(self, attack: Attack, args: Mapping[str, Any]) -> dict:
        inject = self.attacked.module(attack.module, args)
        assert inject.get("status") == "active", inject
        return inject

    def _while_injected(self, attack: Attack, args: Mapping[str, Any], moment: str, script: str) -> tuple[dict, dict, bool]:
        point = moment.removeprefix("dies:")
        job = self.attacked.start(attack.module, args, crash=f"stop@{point}")
        stopped = job.stopped()
        acted = stopped and self.interfere(script)
        if stopped:
            job.go() if point == moment else job.kill()
        return job.end(), self.revert(), acted
