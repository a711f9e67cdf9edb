# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of ip become the commands that add them again, what cannot be added again is refused, and the undo really runs in sh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._network import links, options
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Lacks, Misses, Until
from ansible_collections.faultline.chaos.plugins.module_utils._undo.link_lines import MissesLine
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Run, Undo, When
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK
from ansible_collections.faultline.chaos.plugins.modules.interface_down import InterfaceDown

TAIL = "\\       valid_lft forever preferred_lft forever"


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        (f"3: eth1    inet 10.0.0.1/24 brd 10.0.0.255 scope link eth1{TAIL}", "-4 addr add 10.0.0.1/24 broadcast 10.0.0.255 scope link label eth1 dev eth1"),
        (f"3: eth1    inet 10.0.0.2/32 scope global eth1:x{TAIL}", "-4 addr add 10.0.0.2/32 scope global label eth1:x dev eth1"),
        (f"3: eth1    inet 10.9.0.1 peer 10.9.0.2/32 scope link eth1{TAIL}", "-4 addr add 10.9.0.1 peer 10.9.0.2/32 scope link label eth1 dev eth1"),
        (f"3: eth1    inet6 2001:db8::1/64 scope global noprefixroute {TAIL}", "-6 addr add 2001:db8::1/64 scope global noprefixroute dev eth1"),
        (f"3: eth1    inet6 2001:db8::1/64 metric 5 scope global {TAIL}", "-6 addr add 2001:db8::1/64 metric 5 scope global dev eth1"),
        (
            "3: eth1    inet6 2001:db8::2/128 scope global deprecated \\       valid_lft forever preferred_lft 0sec",
            "-6 addr add 2001:db8::2/128 scope global preferred_lft 0 dev eth1",
        ),
    ],
)
def test_addresses(line: str, argv: str) -> None:
    assert links.address_argv("ip", line, "eth1") == ["ip", *named(argv)]


@pytest.mark.parametrize(
    ("family", "line", "argv"),
    [
        (4, "default via 10.0.0.254 dev eth1 proto static metric 50", "-4 route add default via 10.0.0.254 dev eth1 proto static metric 50"),
        (
            4,
            "192.0.2.0/24 \\\tnexthop via 10.0.0.3 dev eth1 weight 2 \\\tnexthop via 10.0.0.4 dev eth1 weight 1",
            "-4 route add 192.0.2.0/24 nexthop via 10.0.0.3 dev eth1 weight 2 nexthop via 10.0.0.4 dev eth1 weight 1",
        ),
        (
            6,
            "2001:db8:9::/48 metric 1024 pref medium\\\tnexthop via 2001:db8::8 dev eth1 weight 1",
            "-6 route add 2001:db8:9::/48 metric 1024 pref medium nexthop via 2001:db8::8 dev eth1 weight 1",
        ),
    ],
)
def test_routes(family: int, line: str, argv: str) -> None:
    assert links.route_argv("ip", family, line, "eth1") == ["ip", *named(argv)]


def test_neighbours() -> None:
    found = links.neighbour_argv("ip", "2001:db8::77 lladdr 02:00:00:00:00:02 router PERMANENT")
    assert found == "ip neigh replace 2001:db8::77 lladdr 02:00:00:00:00:02 router dev eth1 nud permanent".replace("eth1", LINK).split()


def named(argv: str) -> list[str]:
    """The words, with whatever name the interface has by then."""
    return argv.replace("eth1", LINK).split()


def state(**parts) -> dict[str, list[str]]:
    return {**{part: [] for part in links.PARTS}, **parts}


@pytest.mark.parametrize(
    "found",
    [
        state(addresses6=["3: eth1 inet6 2001:db8::1/64 scope global dynamic mngtmpaddr \\ valid_lft 86399sec preferred_lft 14399sec"]),
        state(addresses6=[f"3: eth1 inet6 2001:db8::1/64 scope global temporary dynamic {TAIL}"]),
        state(addresses6=[f"3: eth1 inet6 2001:db8::1/64 scope global dadfailed tentative {TAIL}"]),
        state(routes6=["default via fe80::1 dev eth1 proto ra metric 1024 expires 1790sec pref medium"]),
        state(routes6=["2001:db8::/64 dev eth1 proto kernel metric 256 expires 86sec pref medium"]),
        state(routes4=["10.1.0.0/16 nhid 12 via 10.0.0.3 dev eth1"]),
        state(routes4=["10.1.0.0/16 via 10.0.0.3 dev eth1 dead linkdown"]),
    ],
)
def test_what_could_not_be_put_back_is_refused(found: dict[str, list[str]]) -> None:
    with pytest.raises(NotRestorable, match="^interface: "):
        links.refuse_unrestorable(found, "eth1")


def test_what_can_be_put_back() -> None:
    links.refuse_unrestorable(state(addresses6=[f"3: eth1 inet6 2001:db8::1/64 scope global {TAIL}"], routes4=["default via 10.0.0.1 dev eth1"]), "eth1")


def test_a_source_address_of_another_route_is_refused() -> None:
    addresses = [f"3: eth1 inet6 2001:db8::1/64 scope global {TAIL}"]
    links._refuse_foreign_sources(["default via fe80::1 dev eth1 src 2001:db8::1"], addresses, "eth1")
    with pytest.raises(NotRestorable, match="another interface"):
        links._refuse_foreign_sources(["default via fe80::1 dev eth0 src 2001:db8::1"], addresses, "eth1")


@pytest.mark.parametrize("name", ["", "../x", "eth0; id", "a" * 16, "eth 0", ".", ".."])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadOption, match="^interface: "):
        InterfaceDown({"interface": name, "control_addresses": []}, None).validate()


def fake(tmp_path: Path, flags: str = "0x1003", *others: str) -> options.Interface:
    found = options.Interface("eth1")
    found.path = str(tmp_path)
    (tmp_path / "flags").write_text(flags)
    for other in others:
        (tmp_path / other).mkdir()
    return found


def test_what_is_not_an_interface_of_its_own_is_refused(tmp_path: Path) -> None:
    links.refuse_linked(fake(tmp_path))
    with pytest.raises(AttackError, match="carries eth1.10"):
        links.refuse_linked(fake(tmp_path, "0x1003", "upper_eth1.10"))
    with pytest.raises(AttackError, match="is a port of "):
        links.refuse_linked(fake(tmp_path, "0x1003", "master"))
    with pytest.raises(AttackError, match="loopback"):
        links.refuse_linked(fake(tmp_path, "0x9"))


# --- the guards in sh ---------------------------------------------------------------------------------


def test_guards_of_lines(bench, shell: list[str], tmp_path: Path) -> None:
    table = ["printf", "%s\\n", "  10.0.0.0/8 dev a ", "b \\ c"]
    marks = {
        "misses-part": [Misses(table, "10.0.0.0/8 dev")],
        "misses-more": [Misses(table, "10.0.0.0/8 dev a b")],
        "not-blanks": [Misses(table, " 10.0.0.0/8 dev a")],
        "not-backslash": [Misses(table, "b \\ c")],
        "lacks": [Lacks(table, "dev b")],
        "not-lacks": [Lacks(table, "dev a")],
    }
    undo = Undo([When(guards, [Run(name, ["touch", str(tmp_path / name)])]) for name, guards in marks.items()])
    done = bench.sh(shell, bench.publish(undo=undo) / "revert.sh")
    assert done.returncode == 0, done
    assert {path.name for path in tmp_path.iterdir()} - {"state"} == {"misses-part", "misses-more", "lacks"}


def test_nothing_is_concluded_from_a_tool_that_fails(bench, shell: list[str], tmp_path: Path) -> None:
    undo = Undo([Run("x", ["touch", str(tmp_path / "x")], [guard(["false"], "a")]) for guard in (Misses, Lacks)])
    done = bench.sh(shell, bench.publish(undo=undo) / "revert.sh")
    assert done.returncode == 4 and not (tmp_path / "x").exists()


def test_until_waits_and_gives_up(bench, shell: list[str], tmp_path: Path) -> None:
    ready, done = tmp_path / "ready", tmp_path / "done"
    with subprocess.Popen(["sh", "-c", f"sleep 1; touch {ready}"]):
        undo = Undo([Until("ready", 10, [Exists(str(ready))]), Run("done", ["touch", str(done)], [Exists(str(ready))])])
        assert bench.sh(shell, bench.publish(undo=undo) / "revert.sh").returncode == 0
    assert done.exists()
    undo = Undo([Until("never", 1, [Exists("/nowhere")])])
    assert bench.sh(shell, bench.publish("b", undo=undo) / "revert.sh").returncode == 0


STRANGE = ["eth1\x1c0", "eth1\u2028", "e\x1cdev\x1ceth1", "e\u3000dead"]  # names that the kernel allows; str.split() splits them


@pytest.mark.parametrize("name", STRANGE)
def test_a_route_belongs_to_the_interface_with_its_whole_name(name: str) -> None:
    line = f"10.0.0.0/8 via 192.0.2.1 dev {name} proto static"
    assert links.devices(line) == [name]
    links.refuse_unrestorable(state(routes4=[line]), name)
    assert links.route_argv("ip", 4, line, name)[-4:] == ["dev", LINK, "proto", "static"]


@pytest.mark.parametrize("name", STRANGE)
def test_the_line_of_a_route_is_found_again_in_sh(bench, shell: list[str], tmp_path: Path, name: str) -> None:
    line = f"10.0.0.0/8 \\\tnexthop via 192.0.2.1 dev eth1 weight 1 \\\tnexthop via 192.0.2.2 dev {name} weight 1"
    run = Run("missing", ["touch", str(tmp_path / "missing")], [MissesLine(["printf", "%s \\n", line], line, "eth1")])
    undo = Undo([Run("name", ["true"]), run])
    script = bench.publish(undo=undo) / "revert.sh"
    done = bench.sh(["env", "link=eth1", *shell], script)
    assert done.returncode == 0 and not (tmp_path / "missing").exists(), done
