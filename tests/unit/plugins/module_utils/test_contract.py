# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What attacks on hosts and on clusters have in common."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils import _contract, _ids, _renewal, _times
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption


def test_it_needs_neither_lifecycle() -> None:
    """Modules for clusters ship it, and they must not ship the host's files with it."""
    imported = [node for node in ast.walk(ast.parse(Path(_contract.__file__).read_text())) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}".partition(".module_utils.")[2] for node in imported for alias in node.names}
    assert names == {"_units", "_errors.AttackError", "_times.SHORTEST"}


# --- identity -----------------------------------------------------------------------------------

# A journal of version 0.1 on a host holds this: the identity of an attack that is active must outlive an upgrade.
OF_0_1 = "3201909b11099fab442cb89e9c1d29580d9c6247356d780fd59ee5495b5cc00a"


@pytest.mark.parametrize("spelled", [33, 33.0, "33"])
def test_the_spelling_of_a_number_is_no_part_of_the_identity(spelled: object) -> None:
    expected = _contract.identity("x", {"percent": 33, "list": [1, None], "labels": {"tier": 2}})
    assert _contract.identity("x", {"percent": spelled, "list": (1.0, None), "labels": {"tier": "2"}}) == expected


@pytest.mark.parametrize(
    "options", [{"percent": 33.5}, {"percent": "33.0"}, {"percent": None}, {"percent": "None"}, {"percent": True}, {"percent": [33]}, {"count": 33}]
)
def test_another_value_is_another_attack(options: dict) -> None:
    assert _contract.identity("x", options) != _contract.identity("x", {"percent": 33})
    assert _contract.identity("y", {"percent": 33}) != _contract.identity("x", {"percent": 33})


def test_the_identity_on_hosts_is_that_of_version_0_1() -> None:
    assert _contract.identity("cpu_stress", {"cpus": 2, "load": 50.0, "netns": None, "names": ["a"], "fast": True}) == OF_0_1
    assert _ids.default_id("cpu_stress", OF_0_1) == "cpu_stress-" + OF_0_1[:10]


# --- times --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"duration": "60s"}, (60.0, None)),
        ({"duration": 60, "lease": "10s"}, (60.0, 10.0)),
        ({"duration": "1h", "lease": "1h"}, (3600.0, 3600.0)),
        ({"duration": "24h", "max_duration": "24h"}, (86400.0, None)),
    ],
)
def test_times(times: dict, expected: tuple) -> None:
    assert _contract.read_times({"max_duration": "1h", "lease": None, **times}) == expected


@pytest.mark.parametrize(
    ("times", "option"),
    [
        ({"duration": None}, "duration"),
        ({"duration": "0.5s"}, "duration"),
        ({"duration": "61m"}, "duration"),
        ({"duration": "60s", "lease": "61s"}, "lease"),
        ({"duration": "60s", "lease": "0s"}, "lease"),
        ({"duration": "60s", "max_duration": "25h"}, "max_duration"),
    ],
)
def test_bad_times_are_refused_by_name(times: dict, option: str) -> None:
    with pytest.raises(AttackError, match=f"^{option}") as caught:
        _contract.read_times({"max_duration": "1h", "lease": None, **times})
    assert caught.value.details["option"] == option


@pytest.mark.parametrize("lease", ["0.5s", "61m", "x", True])
def test_a_bad_renewal_is_refused(lease: object) -> None:
    with pytest.raises(BadOption, match="^lease: "):
        _renewal.read_renewal({"lease": lease})


@pytest.mark.parametrize(("seconds", "expected"), [(0, "2026-02-28T23:59:50Z"), (10.4, "2026-03-01T00:00:00Z"), (-86400, "2026-02-27T23:59:50Z")])
def test_a_time_is_moved(seconds: float, expected: str) -> None:
    assert _times.iso(1772323190.9) == "2026-02-28T23:59:50Z"
    assert _times.iso_later("2026-02-28T23:59:50Z", seconds) == expected


@pytest.mark.parametrize("text", ["", "2026-02-28", "2026-02-28T23:59:50+01:00", "2026-02-30T00:00:00Z"])
def test_what_is_no_time_is_not_moved(text: str) -> None:
    with pytest.raises(ValueError):
        _times.iso_later(text, 1)


# --- ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (_ids.HOST_ID, ["a", "0_-", "a" * 64, "sweeper"], ["", "sweep", "recover", "A", "-a", "a" * 65, "a/b", "a\n"]),
        (_ids.CLUSTER_ID, ["a", "0-a", "a" * 50, "sweep"], ["", "a_b", "a-", "-a", "a" * 51, "a.b", "a\n"]),
        (_ids.CLUSTER_RUN, ["a", "a_b", "a" * 63], ["", "a_", "_a", "a" * 64, "a\n"]),
    ],
)
def test_ids(rule: _ids.IdRule, good: list[str], bad: list[str]) -> None:
    for name in [*good, None]:
        rule.check("id", name)
    for name in bad:
        with pytest.raises(BadOption, match="^id: .* is refused: use 1 to "):
            rule.check("id", name)
