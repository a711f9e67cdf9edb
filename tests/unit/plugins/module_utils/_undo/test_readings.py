# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second reading of an effect by revert.sh, run for real under every shell that a target may have as /bin/sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.reading import look, parse
from ansible_collections.faultline.chaos.plugins.module_utils._resources.held import Held
from ansible_collections.faultline.chaos.plugins.module_utils._undo.filled import Filled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.io_controller import Members
from ansible_collections.faultline.chaos.plugins.module_utils._undo.packets import Packets
from ansible_collections.faultline.chaos.plugins.module_utils._undo.power import Rebooted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.rules import Rules
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, Exists, OutputHas, Part, Run, Undo

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"


def undo_of(*readings) -> Undo:
    return Undo([Run("nothing", ["true"])], readings=readings)


def read_again(bench, shell, readings, **values) -> dict | None:
    """The reading that an undo by the module tells, which must be the one in the history."""
    done = bench.sh(shell, bench.publish("a", undo_of(*readings), **values) / "revert.sh", "module")
    assert done.returncode == 0 and not done.stderr, done
    found = parse("a", done.stdout)
    assert bench.history()[-1].get("reading") == found
    return found


def test_an_attack_without_readings_tells_none(bench, shell) -> None:
    assert read_again(bench, shell, []) is None


def test_in_place_or_lost_with_what_is_gone(bench, shell, tmp_path: Path) -> None:
    here, gone = Part("the file here", [Exists(str(tmp_path))]), Part('the "file" \\ that\nwent', [Exists(str(tmp_path / "no"))])
    assert read_again(bench, shell, [here]) == {"in_place": True}
    assert read_again(bench, shell, [here, gone, here]) == {"in_place": False, "lost": "the ?file? ? that?went"}


def test_a_program_that_fails_proves_nothing_and_breaks_no_undo(bench, shell, tmp_path: Path) -> None:
    unclear, gone = Part("what it prints", [OutputHas(["false"], "x")]), Part("the file", [Exists(str(tmp_path / "no"))])
    here = Part("the place", [Exists(str(tmp_path))])
    assert read_again(bench, shell, [here, unclear, here]) == {"in_place": None}
    assert read_again(bench, shell, [unclear, gone, unclear]) == {"in_place": False, "lost": "the file"}


def test_a_worker_that_was_killed_is_missed(bench, shell) -> None:
    child = subprocess.Popen(["sleep", "60"])
    part = Part("the worker", [Alive(child.pid, start_time(child.pid))])
    assert read_again(bench, shell, [part]) == {"in_place": True}
    bench.publish("a", undo_of(part))
    child.kill()
    child.wait()
    assert look(bench.host, bench.journal, "a") == {"in_place": False, "lost": "the worker"}
    assert bench.journal.ids() == ["a"], "a look changes nothing"
    assert not (bench.state / "a" / "reading").exists()


def test_the_reading_of_the_first_try_counts(bench, shell, tmp_path: Path) -> None:
    """An undo that is stuck and tried again must not read what it has undone itself."""
    mark, block = tmp_path / "mark", tmp_path / "block"
    mark.touch()
    undo = undo_of(Part("the mark", [Exists(str(mark))]))
    undo.steps = [Run("remove", ["rm", "-f", str(mark)]), Run("fails at first", ["test", "-e", str(block)])]
    script = bench.publish("a", undo) / "revert.sh"
    assert bench.sh(shell, script, "module").returncode == 4
    block.touch()
    (bench.state / "a" / "deadline").write_text("0\n")
    done = bench.sh(shell, script, "timer")
    assert done.returncode == 0 and bench.history()[-1]["reading"] == {"in_place": True}


def test_what_the_timer_undoes_is_read_as_well(bench, shell, tmp_path: Path) -> None:
    bench.sh(shell, bench.publish("a", undo_of(Part("it", [Exists(str(tmp_path / "no"))])), seconds=0) / "revert.sh", "timer")
    assert bench.history()[-1]["reading"] == {"in_place": False, "lost": "it"}


@pytest.mark.parametrize("boot, expected", [(None, {"in_place": True, "met": 0}), (OTHER_BOOT, {"in_place": True, "met": 1})])
def test_a_reboot_that_was_the_effect(bench, shell, boot: str | None, expected: dict) -> None:
    values = {"boot_id": boot} if boot else {}
    assert read_again(bench, shell, [Rebooted()], **values) == expected


# --- figures ------------------------------------------------------------------------------------------------------


def figures(bench, asked: float | None = None) -> Held:
    return Held(bench.journal, "a", asked)


def read_figures(bench, shell, kept: Held) -> dict:
    bench.publish("a", undo_of(kept.reading()))
    kept.keep(at_once=True)
    return parse("a", bench.sh(shell, bench.state / "a" / "revert.sh", "module").stdout)


def test_figures_of_a_worker(bench, shell, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = figures(bench, asked=50)
    kept.met = 12
    for value in (20, 41.25):
        kept.hold(value)
    assert read_figures(bench, shell, kept) == {"in_place": True, "met": 12, "asked": 50.0, "measured": 41.25}


def test_what_is_held_counts_over_time_once_it_does_not_grow(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("ansible_collections.faultline.chaos.plugins.module_utils._host.figures.uptime", lambda: clock[0])
    kept = figures(bench, asked=1000)

    def hold(value: float, seconds: int) -> float:
        for _each in range(seconds):
            clock[0] += 1
            kept.hold(value)
        return kept.measured

    assert hold(0, 3) == 0
    for value in range(10, 1001, 10):  # slowly
        assert value * 0.98 <= hold(value, 1) <= value
    assert 980 <= hold(1000, 100) <= 1000
    assert 980 <= hold(1005, 10) <= 1005, "noise does not begin anew"
    assert hold(0, 220) == pytest.approx(1000 / 3, rel=0.02)
    assert hold(2000, 1) == 2000, "what grows after all counts from then on"


def test_the_mean_counts_time_and_not_looks(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 101.0, 111.0])
    monkeypatch.setattr("ansible_collections.faultline.chaos.plugins.module_utils._host.figures.uptime", lambda: next(times))
    kept = figures(bench)
    for value in (90, 100, 0):  # a worker that was stopped for ten seconds comes back to a load of 0
        kept.mean(value)
    assert kept.measured == pytest.approx(100 / 11)


def test_figures_that_stand_still_are_no_work(bench, shell, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = figures(bench, asked=50)
    kept.hold(50)
    bench.publish("a", undo_of(kept.reading()))
    kept.keep(at_once=True)
    text = Path(kept.path).read_text()
    (at,) = [line for line in text.splitlines() if line.startswith("at ")]
    Path(kept.path).write_text(text.replace(at, f"at {int(at[3:]) - 1100}"))
    found = parse("a", bench.sh(shell, bench.state / "a" / "revert.sh", "module").stdout)
    assert found["in_place"] is False and "stands still" in found["lost"] and found["asked"] == 50


@pytest.mark.parametrize("text", ["", "met 3\n", "met x; touch /tmp/x\nasked 1e9\nmeasured .\nat 1\nend\n"])
def test_no_figures_or_torn_ones_prove_nothing(bench, shell, text: str) -> None:
    kept = figures(bench)
    directory = bench.publish("a", undo_of(kept.reading()))
    if text:
        (directory / "figures").write_text(text)
    found = parse("a", bench.sh(shell, directory / "revert.sh", "module").stdout)
    assert found["in_place"] in (None, False) and not {"asked", "measured"} & set(found), found


def test_figures_are_written_once_a_second_and_errors_ignored(bench) -> None:
    kept = figures(bench)
    kept.keep()  # there is no such directory
    bench.publish("a", undo_of(kept.reading()))
    kept.met = 1
    kept.keep()
    assert not os.path.exists(kept.path), "the second one came too soon"
    kept.keep(at_once=True)
    assert "met 1\n" in Path(kept.path).read_text()


# --- packets ------------------------------------------------------------------------------------------------------

TC = """qdisc prio fa17: root refcnt 2 bands 4 priomap 0 0
 Sent 5000 bytes 50 pkt (dropped 9, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem fa18: parent fa17:4 limit 1000 delay 50ms
 Sent 1200 bytes 12 pkt (dropped 30, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem 8001: dev x
 Sent 7000 bytes 70 pkt (dropped 3, overlimits 0 requeues 0)
"""


@pytest.mark.parametrize("text, met", [(TC, 42), ("", 0)])
def test_packets_that_its_netem_has_met(bench, shell, tmp_path: Path, text: str, met: int) -> None:
    (tmp_path / "shown").write_text(text)
    here, counted = Part("it", [Exists(str(tmp_path))]), Packets("fa18:", ["cat", str(tmp_path / "shown")])
    assert read_again(bench, shell, [here, counted]) == {"in_place": True, "met": met}
    assert read_again(bench, shell, [here, counted, counted]) == {"in_place": True, "met": 2 * met}


def test_a_program_that_counts_nothing_is_no_zero(bench, shell, tmp_path: Path) -> None:
    assert read_again(bench, shell, [Part("it", [Exists(str(tmp_path))]), Packets("fa18:", ["false"])]) == {"in_place": True}


# --- rules --------------------------------------------------------------------------------------------------------

NFT = """table inet faultline_x {
\tset theirs {
\t\ttype ipv4_addr
\t\telements = { 10.0.0.1,
\t\t\t     10.0.0.2 }
\t}

\tchain filter_in {
\t\ttype filter hook input priority filter - 5; policy accept;
\t\ttcp dport 22 counter packets 900 bytes 1 accept
\t\tip saddr 10.0.0.1 counter packets 5 bytes 1 drop
\t\tip saddr 10.0.0.2 counter packets 7 bytes 1 reject with tcp reset
\t}
}
"""
IPTABLES = """Chain FAULTLINE_X (1 references)
    pkts      bytes target     prot opt in     out     source               destination
     900        1 RETURN     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0
      20        1 DROP       all  --  *      *       10.0.0.1             0.0.0.0/0
       3        1 REJECT     all  --  *      *       10.0.0.2             0.0.0.0/0            reject-with icmp-port-unreachable
"""
NAT = """table ip faultline_x {
\tchain nat_out {
\t\ttype nat hook output priority -105; policy accept;
\t\tmeta skuid 47053 counter packets 9 bytes 1 accept
\t\tip daddr 10.0.0.1 udp dport 53 counter packets 4 bytes 1 redirect to :20053
\t\tip daddr 10.0.0.1 tcp dport 53 counter packets 0 bytes 0 redirect to :20053
\t}
}
"""
_DROPS = [line for line in NFT.splitlines(True) if " drop" in line]
OFF, THEIRS, FEWER = "switched off", "rules of somebody else are among them", "not all are there"


def added(text: str, rule: str, chain: str = "filter_in") -> str:
    """A listing with one more rule in front."""
    if "Chain" in text:
        lines = text.splitlines(True)
        return "".join([*lines[:2], rule + "\n", *lines[2:]])
    head, hook, rest = text.partition("policy accept;\n")
    return f"{head}{hook}\t\t{rule}\n{rest}"


RULES = {
    "nft": ("nft", NFT, False, 12, ""),
    "nft_nat": ("nft", NAT, False, 4, ""),
    "iptables": ("iptables", IPTABLES, False, 23, ""),
    "more_by_a_worker": ("nft", added(NFT, _DROPS[0].strip()), True, 17, ""),
    "more_by_a_worker_of_iptables": ("iptables", added(IPTABLES, "     2    1 DROP  all  --  *   *   10.0.0.9   0.0.0.0/0"), True, 25, ""),
    "more_without_a_worker": ("nft", added(NFT, _DROPS[0].strip()), False, 17, THEIRS),
    "dormant": ("nft", NFT.replace("{\n", "{\n\tflags dormant\n", 1), False, 12, OFF),
    "dormant_since_nft_1": ("nft", NFT.replace("{\n", "{\n\tflags owner,dormant\n", 1), True, 12, OFF),
    "accepts": ("nft", added(NFT, "accept"), True, 12, THEIRS),
    "accepts_and_counts": ("nft", added(NFT, "counter packets 1 bytes 1 accept"), True, 12, THEIRS),
    "jumps": ("nft", added(NFT, "counter packets 1 bytes 1 jump theirs"), True, 12, THEIRS),
    "accepts_in_iptables": ("iptables", added(IPTABLES, "   0   0 ACCEPT  all  --  *   *   0.0.0.0/0   0.0.0.0/0"), True, 23, THEIRS),
    "returns": ("iptables", added(IPTABLES, "   0   0 RETURN  all  --  *   *   0.0.0.0/0   0.0.0.0/0"), True, 23, THEIRS),
    "jumps_in_iptables": ("iptables", added(IPTABLES, "   0   0 THEIRS  all  --  *   *   0.0.0.0/0   0.0.0.0/0"), True, 23, THEIRS),
    "flushed": ("nft", "".join(line for line in NFT.splitlines(True) if "counter" not in line), False, 0, FEWER),
    "flushed_iptables": ("iptables", "".join(IPTABLES.splitlines(True)[:2]), True, 0, FEWER),
    "one_deleted": ("nft", NFT.replace(_DROPS[0], ""), False, 7, FEWER),
    "one_replaced": ("nft", NFT.replace("bytes 1 drop", "bytes 1 accept"), True, 7, FEWER),
    "nothing": ("nft", "", False, 0, FEWER),
}


@pytest.mark.parametrize("how, text, more, met, wrong", RULES.values(), ids=RULES)
def test_rules_are_all_there_and_only_they(bench, shell, tmp_path: Path, how: str, text: str, more: bool, met: int, wrong: str) -> None:
    (tmp_path / "shown").write_text(text)
    reading = Rules(how, "our rules", 1, 2, more, ["cat", str(tmp_path / "shown")], [Exists(str(tmp_path))])
    expected = {"in_place": False, "lost": f"our rules ({wrong})"} if wrong else {"in_place": True}
    assert read_again(bench, shell, [reading]) == {**expected, "met": met}


def test_rules_that_are_gone_or_cannot_be_read(bench, shell, tmp_path: Path) -> None:
    here, gone = Exists(str(tmp_path)), Exists(str(tmp_path / "no"))
    assert read_again(bench, shell, [Rules("nft", "our rules", 1, 2, False, ["false"], [gone])]) == {"in_place": False, "lost": "our rules"}
    assert read_again(bench, shell, [Rules("nft", "our rules", 1, 2, False, ["false"], [here])]) == {"in_place": None}
    assert read_again(bench, shell, [Rules("nft", "our rules", 1, 2, False, ["true"], [OutputHas(["false"], "x")])]) == {"in_place": None}


def test_figures_of_a_worker_are_what_was_met_where_there_are_both(bench, shell, tmp_path: Path) -> None:
    """Of DNS the rules count all queries."""
    (tmp_path / "shown").write_text(NAT)
    kept = figures(bench)
    rules = Rules("nft", "our rules", 1, 2, False, ["cat", str(tmp_path / "shown")], [Exists(str(tmp_path))])
    bench.publish("a", undo_of(rules, kept.reading()))
    assert "met" not in parse("a", bench.sh(shell, bench.state / "a" / "revert.sh", "module").stdout)


# --- others -------------------------------------------------------------------------------------------------------


def test_who_is_limited_is_counted_in_a_group_and_below(bench, shell, tmp_path: Path) -> None:
    here, there = Part("it", [Exists(str(tmp_path))]), [Exists(str(tmp_path))]
    (tmp_path / "below" / "it").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("")
    assert read_again(bench, shell, [here, Members(str(tmp_path), there)]) == {"in_place": True, "met": 0}
    (tmp_path / "below" / "it" / "cgroup.procs").write_text("12\n13\n")
    assert read_again(bench, shell, [here, Members(str(tmp_path), there)]) == {"in_place": True, "met": 2}
    (tmp_path / "below" / "cgroup.procs").mkdir()  # as a threaded group, it cannot be read
    assert read_again(bench, shell, [here, Members(str(tmp_path), there)]) == {"in_place": True, "met": 2}
    assert read_again(bench, shell, [here, Members(str(tmp_path / "no"), there)]) == {"in_place": True}


def test_what_fills_a_file_system(bench, shell, tmp_path: Path) -> None:
    (tmp_path / "own" / "data").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "own" / "data" / f"fill.{number}").write_bytes(os.urandom(1 << 20))
    assert read_again(bench, shell, [Filled(str(tmp_path / "own"), 5)]) == {"in_place": True, "asked": 5, "measured": 2}
    assert read_again(bench, shell, [Filled(str(tmp_path / "own"), 0)]) == {"in_place": True}
    found = read_again(bench, shell, [Filled(str(tmp_path / "gone"), 5)])
    assert found["in_place"] is False and "measured" not in found
