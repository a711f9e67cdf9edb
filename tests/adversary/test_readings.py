# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What revert reads of every attack before it undoes it: in place while nobody interferes, lost when somebody took it away, nothing met when nothing came by.

The round is inconclusive by doubts() of the experiment, which get the readings as they come from the target.
"""

from __future__ import annotations

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._experiment.readings import doubts
from tests.adversary.support.attacks import ATTACKS, BOX, BY_NAME, CONF, INNER, SHARED, SPARE, START, STORE, SYSCTL, VICTIM, Attack
from tests.adversary.support.interference import PRELUDE
from tests.adversary.support.judge import ATTACK_ID, DURATION, Judge

_WORKER = "all 'faultline-*'; kill -KILL $found"
_FLUSHED = "for each in iptables-legacy ip6tables-legacy; do for table in filter nat; do $each -t $table -F; $each -t $table -X; done; done"
# How somebody takes the effect of an attack away, as lines of sh.
TAKEN = {
    "process_kill": _WORKER,
    "process_freeze": f"all {VICTIM}; kill -CONT $found",
    "process_freeze_in_turn": _WORKER,
    "service_stop": f"/etc/init.d/{VICTIM} start",
    "custom": "rm /srv/app/switch",
    "cpu_stress": _WORKER,
    "port_occupy": _WORKER,
    "memory_stress": _WORKER,
    "pid_exhaustion": _WORKER,
    "socket_exhaustion": _WORKER,
    "fd_exhaustion": f"all {VICTIM}; for pid in $found; do prlimit --pid $pid --nofile=1024:4096; done",
    "disk_fill": f"rm -rf {STORE}/.faultline-*/data",
    "disk_fill_inodes": f"rm -rf {STORE}/.faultline-*/data",
    "io_stress": _WORKER,
    "file_fault_remove": f"echo theirs >{CONF}",
    "file_fault_replace": f"echo theirs >{CONF}",
    "file_fault_chmod": f"chmod 0644 {CONF}",
    "file_fault_in_place": f"echo theirs >{SHARED}",
    "sysctl_fault": f"sysctl -q -w {SYSCTL}=44",
    "sysctl_fault_netns": f"ip netns exec {BOX} sh -c 'echo 0 >/proc/sys/net/ipv4/conf/{INNER}/rp_filter'",
    "interface_down": f"ip link set {SPARE} up",
    "blackhole_nft": "nft flush ruleset",
    "blackhole_iptables": _FLUSHED,
    "blackhole_netns": f"ip netns exec {BOX} nft flush ruleset",
    "dns_fault_nft": "nft flush ruleset",
    "dns_fault_iptables": _FLUSHED,
    "io_throttle": "file=/sys/fs/cgroup/blkio/app/blkio.throttle.read_bps_device; read -r number rate <$file; echo $number 0 >$file",
}
_OURS = "t=$(nft list tables | sed -n 's/^table inet //p' | head -n 1); [ -n \"$t\" ]"
_NAT = "t=$(nft list tables | sed -n 's/^table ip //p' | head -n 1); [ -n \"$t\" ]"
_CHAINS = "chain=$(iptables-legacy -t {0} -S | sed -n 's/^-N //p' | head -n 1); [ -n \"$chain\" ]; iptables-legacy -t {0} {1} $chain {2}"
_HELPERS = "all 'faultline-*'; for pid in $found; do [ $(cut -d' ' -f5 /proc/$pid/stat) = $pid ] || kill -KILL $pid; done; sleep {0}"
# More ways to do so that leave the sign of the attack where it was.
HOLLOWED = [
    ("blackhole_nft", f"{_OURS}; nft add table inet $t '{{ flags dormant; }}'"),
    ("blackhole_nft", f"{_OURS}; nft insert rule inet $t filter_out accept"),
    ("blackhole_nft", f"{_OURS}; nft insert rule inet $t filter_out counter accept"),
    ("blackhole_nft", f"{_OURS}; nft add chain inet $t theirs; nft insert rule inet $t filter_out counter jump theirs"),
    ("blackhole_nft", f"{_OURS}; nft flush table inet $t"),
    ("blackhole_nft", f"{_OURS}; nft delete rule inet $t filter_out handle $(nft -a list table inet $t | sed -n 's/.* drop # handle //p' | head -n 1)"),
    ("blackhole_netns", f"ip netns exec {BOX} sh -c 'nft flush table inet $(nft list tables | cut -d\" \" -f3)'"),
    ("blackhole_iptables", _CHAINS.format("filter", "-F", "")),
    ("blackhole_iptables", _CHAINS.format("filter", "-I", "1 -j ACCEPT")),
    ("blackhole_iptables", _CHAINS.format("filter", "-I", "1 -j RETURN")),
    ("dns_fault_nft", f"{_NAT}; nft flush table ip $t"),
    ("dns_fault_nft", f"{_NAT}; nft add table ip $t '{{ flags dormant; }}'"),
    ("dns_fault_nft", f"{_NAT}; nft insert rule ip $t nat_out accept"),
    ("dns_fault_iptables", _CHAINS.format("nat", "-F", "")),
    ("dns_fault_iptables", _CHAINS.format("nat", "-I", "1 -j RETURN")),
    ("blackhole_interface", f"ip link set {SPARE} down; ip link set {SPARE} name other0; ip link set other0 up"),
    ("process_freeze", f"all {VICTIM}; kill -KILL $found; sleep 0.1; {START}"),
    ("process_freeze", f"all {VICTIM}; kill -KILL $found"),
    ("process_freeze_in_turn", f"all {VICTIM}; kill -KILL $found; sleep 0.1; {START}"),
    ("port_occupy", "ss -K -l -t '( sport = 47990 )' >/dev/null; sleep 7"),
]
# These leave it in place, and take its strength away, or what it acts on.
WEAKENED = [
    ("pid_exhaustion", _HELPERS.format(6), "less than half"),
    ("fd_exhaustion_host", _HELPERS.format(6), "less than half"),
    ("socket_exhaustion", _HELPERS.format(6), "less than half"),
    ("io_throttle", f"all {VICTIM}; for pid in $found; do echo $pid >/sys/fs/cgroup/blkio/cgroup.procs; done", "met nothing"),
]
OTHERS = {
    "blackhole_interface": Attack("blackhole", {"interface": SPARE, "direction": "egress"}),
    "fd_exhaustion_host": Attack("fd_exhaustion", {"count": 50}),
}
# With self_heal a service that runs again is what one wants to learn about, and not read.
OPTIONS = {"service_stop": {"self_heal": False, "interval": "1h"}}
# These count what they act on, and nobody here sends a packet or asks for a name.
MEETS_NOTHING = ("blackhole_nft", "blackhole_iptables", "blackhole_netns", "dns_fault_nft", "dns_fault_iptables")


def reading_of(judge: Judge, attack: Attack, script: str = "", in_place: bool = False) -> dict:
    """The reading of an attack that is reverted, after somebody ran a script."""
    if attack.prepare:
        judge.attacked.sh(attack.prepare)
    options = {**attack.options, **OPTIONS.get(str(attack), {})}
    told = judge.attacked.module(attack.module, {**options, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    if script:
        judge.attacked.sh(PRELUDE + script)
        (active,) = judge.attacked.module("attack_info")["attacks"]
        assert (active.get("reading") or {}).get("in_place") is in_place, active
    reverted = judge.revert()
    assert ATTACK_ID in reverted.get("readings", {}), reverted
    return reverted["readings"][ATTACK_ID]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nobody_interferes(judge: Judge, attack: Attack) -> None:
    reading = reading_of(judge, attack)
    assert reading["in_place"] is True, reading
    found = doubts([{"host": "h", "reading": reading}])
    if str(attack) in MEETS_NOTHING:
        assert reading["met"] == 0 and "the attack met nothing" in str(found), reading
    else:
        assert not found and reading.get("met") != 0, reading


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_effect_is_taken_away(judge: Judge, attack: Attack) -> None:
    reading = reading_of(judge, attack, TAKEN[str(attack)])
    assert reading["in_place"] is False and reading["lost"], reading
    assert "was not there any more when it was undone" in str(doubts([{"host": "h", "reading": reading}]))


@pytest.mark.parametrize("attack, script", HOLLOWED)
def test_the_sign_of_the_attack_is_not_its_effect(judge: Judge, attack: str, script: str) -> None:
    reading = reading_of(judge, OTHERS.get(attack) or BY_NAME[attack], script)
    assert reading["in_place"] is False and reading["lost"], reading
    assert "was not there any more when it was undone" in str(doubts([{"host": "h", "reading": reading}]))


@pytest.mark.parametrize("attack, script, why", WEAKENED)
def test_the_effect_loses_its_strength(judge: Judge, attack: str, script: str, why: str) -> None:
    reading = reading_of(judge, OTHERS.get(attack) or BY_NAME[attack], script, in_place=True)
    assert reading["in_place"] is True and why in str(doubts([{"host": "h", "reading": reading}])), reading
