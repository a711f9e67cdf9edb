# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that every attack on a cluster has to pass: check, real, check again, real again, measure, revert check, revert, revert again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.cluster.support.cluster import Cluster, as_task
from tests.cluster.support.fingerprint import compare, fingerprint


def steps(
    cluster: Cluster,
    namespace: str,
    module: str,
    options: dict,
    measure: Callable[[], Any] | None = None,
    nodes: bool = False,
    objects: tuple[str, ...] = (),
    settle: float = 15,
    restores: bool = True,
) -> dict[str, Any]:
    """Run the steps and assert what holds for all attacks. Returns the results by step, and what measure() returned.

    measure: called while the attack is active. nodes, objects: what the attack changes outside of the namespace (see fingerprint).
    settle: seconds for controllers to restore the previous state. restores: False for an attack without anything to restore, such as
    a deleted pod; then "reverted" and "absent" are both accepted.
    """
    target = {k: v for k, v in options.items() if k not in ("duration", "lease")}
    before = fingerprint(cluster, namespace, nodes=nodes, objects=objects)
    found = _run(cluster, [as_task("check", module, options, check=True)])
    acted = compare(before, fingerprint(cluster, namespace, nodes=nodes, objects=objects))
    assert not acted, "check mode changed something:\n" + "\n".join(acted)
    found |= _run(cluster, [as_task("real", module, options), as_task("check again", module, options, check=True), as_task("real again", module, options)])
    found["measured"] = measure() if measure else None
    absent = {**target, "state": "absent"}
    found |= _run(cluster, [as_task("revert check", module, absent, check=True), as_task("revert", module, absent), as_task("revert again", module, absent)])
    _assert_results(found, restores)
    left = wait_same(cluster, before, settle, namespace, nodes=nodes, objects=objects)
    assert not left, "left after the revert:\n" + "\n".join(left)
    return found


def wait_same(cluster: Cluster, before: dict, timeout: float, *namespaces: str, **which: Any) -> list[str]:
    """Wait until nothing differs from a fingerprint; returns the differences that remain after the timeout."""
    until = time.monotonic() + timeout
    while (left := compare(before, fingerprint(cluster, *namespaces, **which))) and time.monotonic() < until:
        time.sleep(0.3)
    return left


def _run(cluster: Cluster, tasks: list[dict]) -> dict[str, dict]:
    play, events = cluster.playbook(tasks)
    found = {e["task"]: e["result"] for e in events}
    assert play.rc == 0, f"{events[-1] if events else 'nothing ran'}\n{play}"
    return found


def _assert_results(found: dict[str, Any], restores: bool) -> None:
    assert found["check"]["changed"] and found["check"]["status"] == "planned", found["check"]
    assert found["check"]["diff"]["after"] != found["check"]["diff"]["before"], found["check"]["diff"]
    assert found["real"]["changed"], found["real"]
    for again in ("check again", "real again"):
        assert not found[again]["changed"] and found[again]["id"] == found["real"]["id"], found[again]
    if restores:
        assert found["real"]["status"] == "active" and found["real"]["remaining"] > 0, found["real"]
        assert found["revert check"]["changed"], found["revert check"]
        assert found["revert"]["changed"] and found["revert"]["status"] == "reverted", found["revert"]
    assert not found["revert again"]["changed"] and found["revert again"]["status"] == "absent", found["revert again"]
