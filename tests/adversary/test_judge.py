# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge itself: it sees what is planted, two new hosts are alike, and every attack on hosts is tried."""

from __future__ import annotations

import pytest

from tests.adversary.support import attacks, lab_cases
from tests.adversary.support.judge import FALSE_CLEAN, NAMED, UNNAMED, Judge, told_of
from tests.support.paths import PLUGINS

pytestmark = pytest.mark.named

NO_ATTACK = {"attack_info", "lease", "revert"}
NOT_TRIED = {"host_power"}  # what it does ends every process that could interfere

PLANTED = {
    "a file": "echo x >/srv/app/x",
    "a file of a mode": "chmod 600 /srv/app/data/rows",
    "an owner": "chown 7 /srv/app/data",
    "a link": "ln /srv/app/data/rows /tmp/rows 2>/dev/null || ln /srv/app/data/rows /srv/bin/rows",
    "an attribute": 'python3 -c \'import os; os.setxattr("/srv/app/app.conf", "user.colour", b"red")\'',
    "another inode is alike, another time is not": "touch /srv/app/app.conf",
    "space below a mount": "head -c 100000 /dev/zero >/srv/store/x; mount -t tmpfs x /srv/store",
    "a mount": "mount --bind /srv/app /srv/store",
    "a process": "setsid sleep 1000 </dev/null >/dev/null 2>&1 &",
    "a stopped process": "kill -STOP $(grep -lx flother /proc/[0-9]*/comm | cut -d/ -f3)",
    "a limit": "prlimit --pid $(grep -lx flother /proc/[0-9]*/comm | cut -d/ -f3) --nofile=99",
    "a score": "echo 7 >/proc/$(grep -lx flother /proc/[0-9]*/comm | cut -d/ -f3)/oom_score_adj",
    "a control group": "mkdir /sys/fs/cgroup/memory/x",
    "a name of a device": "ip link set spare0 down; ip link set spare0 name spare9",
    "an address in a namespace": "ip netns exec box ip addr add 192.0.2.1/32 dev wire1",
    "a route": "ip route add 192.0.2.0/24 dev wire0",
    "a queue": "tc qdisc add dev wire0 clsact",
    "a filter": "tc qdisc add dev wire0 clsact; tc filter add dev wire0 egress pref 9 protocol ip u32 match u32 0 0 flowid 1:1",
    "a rule of nft in a namespace": "ip netns exec box nft add table inet x",
    "a rule of iptables": "iptables-legacy -A INPUT -s 192.0.2.1 -j DROP",
    "a sysctl": "echo 7 >/proc/sys/net/ipv4/tcp_fin_timeout",
    "a service": "/etc/init.d/flvictim stop",
    "a file in /etc": "echo x >/etc/x",
}


def test_two_new_hosts_are_alike(judge: Judge) -> None:
    assert judge.differs() == ""


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_seen(judge: Judge, what: str) -> None:
    judge.attacked.sh(PLANTED[what])
    assert judge.differs(0) != ""


def test_what_both_have_is_no_difference(judge: Judge) -> None:
    for what in ("a file", "a mount", "a route", "a limit", "a rule of iptables"):
        judge.both(PLANTED[what])
    assert judge.differs() == ""


def test_verdicts(judge: Judge) -> None:
    gone = {"clean": True, "reverted": ["case"]}
    assert judge.verdict(gone).outcome == "clean"
    judge.attacked.sh("echo x >/var/tmp/x")
    assert judge.verdict(gone).outcome == FALSE_CLEAN
    assert judge.verdict({"failed": True, "clean": False, "msg": "not reverted: x"}).outcome == NAMED
    assert judge.verdict({"failed": True, "clean": False}).outcome == UNNAMED
    judge.attacked.sh("mkdir /srv/.faultline-x")
    assert judge.verdict({"clean": True, "reverted": []}).outcome == NAMED
    assert judge.verdict(gone).outcome == FALSE_CLEAN, "the audit sees something, but the record was closed"


def test_what_the_product_names() -> None:
    clean = {"clean": True, "attacks": [], "residue": []}
    assert told_of({"clean": True}, clean) == ""
    assert "drifted" in told_of({"clean": True, "drifted": ["a"]}, clean)
    assert told_of({"clean": True}, {"clean": False, "attacks": [], "residue": ["file /srv/x"]}) == "file /srv/x"
    assert told_of({"clean": False}, clean) == "?"


def test_every_attack_on_hosts_is_tried() -> None:
    names = {path.stem for path in (PLUGINS / "modules").glob("*.py") if not path.stem.startswith("k8s_")}
    names -= {path.stem for path in (PLUGINS / "action").glob("*.py")}
    assert {each.module for each in (*attacks.ATTACKS, *lab_cases.ATTACKS)} == names - NO_ATTACK - NOT_TRIED
