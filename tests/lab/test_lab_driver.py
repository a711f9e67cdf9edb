# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab itself: power, network, users, and what the other tests rely on."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.lab.support.fingerprint import compare
from tests.lab.support.lab import DRIVER, Lab, LabError


def test_a_running_lab_is_left_as_it_is(lab: Lab, n1: str, n2: str) -> None:
    boots = [lab.boot_id(h) for h in (n1, n2)]
    again = lab.driver("up", "3")
    assert again.out == ""
    assert again.seconds < 20
    assert [lab.boot_id(h) for h in (n1, n2)] == boots


def test_the_hosts_run_systemd_with_nothing_failed(lab: Lab, n1: str) -> None:
    assert lab.run(n1, "systemctl is-system-running --wait", check=False).out.strip() == "running"
    assert lab.run(n1, "systemctl is-active redis-server redis-sentinel nginx", check=False).out.split() == ["inactive"] * 3


def test_reboot_is_a_new_boot_on_the_same_disk(lab: Lab, n1: str) -> None:
    boot = lab.boot_id(n1)
    lab.run(n1, "echo kept >/root/mark; sync; systemctl reboot", check=False)
    lab.wait_reboot(n1, boot)
    assert lab.run(n1, "cat /root/mark; rm /root/mark").out == "kept\n"


def test_poweroff_and_start(lab: Lab, n2: str) -> None:
    boot = lab.boot_id(n2)
    lab.run(n2, "systemctl poweroff", check=False)
    lab.wait_off(n2)
    assert lab.state(n2) == "off"
    lab.start(n2)
    assert lab.boot_id(n2) != boot
    assert lab.state(n2) == "up"


def test_power_cut_keeps_what_was_synced(lab: Lab, n2: str) -> None:
    lab.run(n2, "echo kept >/root/mark; sync; echo lost >/root/mark2")
    lab.cut(n2)
    assert lab.pid(n2) is None
    assert not lab.answers(n2)
    lab.start(n2)
    assert lab.run(n2, "cat /root/mark; rm -f /root/mark*").out == "kept\n"


def test_reset_gives_a_new_disk(lab: Lab, n3: str) -> None:
    lab.run(n3, "touch /root/mark; sync")
    lab.reset(n3)
    assert not lab.run(n3, "test -e /root/mark", check=False).ok


def test_freeze_and_thaw(lab: Lab, n3: str) -> None:
    boot = lab.boot_id(n3)
    lab.freeze(n3)
    try:
        assert lab.state(n3) == "frozen"
        assert not lab.answers(n3)
    finally:
        lab.thaw(n3)
    lab.wait_ssh(n3)
    assert lab.boot_id(n3) == boot


def test_cable_out_and_in(lab: Lab, n1: str, n2: str) -> None:
    lab.net_cut(n2)
    try:
        assert lab.run(n1, "ping -c 2 -i 0.3 -W 1 n2", check=False).rc == 1
    finally:
        lab.net_heal(n2)
    lab.wait_ssh(n2)
    assert lab.run(n1, "ping -c 1 -W 5 n2").ok


def test_hosts_reach_each_other_over_ipv6(lab: Lab, n1: str, n2: str, n3: str) -> None:
    assert lab.run(n1, f"ping -6 -c 1 -W 5 fd77::12 && ping -6 -c 1 -W 5 {n3}-v6").ok
    assert lab.exec(["getent", "hosts", "n1"]).out.split() == ["10.77.0.11", "n1"]


def test_netem_delays_packets(lab: Lab, n1: str, n2: str) -> None:
    lab.run(n1, "tc qdisc add dev eth0 root handle f1: netem delay 100ms")
    try:
        out = lab.run(n1, f"ping -q -c 5 -i 0.3 {n2}").out
    finally:
        lab.run(n1, "tc qdisc del dev eth0 root handle f1:")
    assert float(re.search(r"= ([\d.]+)/", out).group(1)) >= 100


def test_ops_becomes_root(lab: Lab, n1: str) -> None:
    assert lab.module(n1, "ansible.builtin.command", {"argv": ["id", "-un"]}, user="ops")["stdout"] == "ops"
    assert lab.module(n1, "ansible.builtin.command", {"argv": ["id", "-un"]}, user="ops", become=True)["stdout"] == "root"


def test_inventory_works_in_and_outside_of_the_namespace(lab: Lab, n1: str, n2: str, n3: str) -> None:
    play = {"name": "all", "hosts": "lab", "gather_facts": False, "tasks": [{"name": "ping", "ansible.builtin.ping": {}}]}
    inside = lab.playbook(play)
    assert inside.ok and len(inside.results("ping")) == 3, inside
    argv = lab.playbook_argv(play)
    p = lab.popen(argv[argv.index("exec") + 1 :])
    out = p.communicate(timeout=120)[0]
    assert p.returncode == 0, out


def test_module_reports_failed_and_unreachable(lab: Lab, n1: str, n3: str) -> None:
    failed = lab.module(n1, "ansible.builtin.command", {"argv": ["false"]})
    assert failed["rc"] == 1
    lab.cut(n3)
    try:
        assert lab.module(n3, "ansible.builtin.ping")["unreachable"]
    finally:
        lab.start(n3)


def test_fingerprint_sees_a_change_and_its_undo(lab: Lab, n1: str) -> None:
    before = lab.fingerprint(n1)
    assert compare(before, lab.fingerprint(n1)) == ""
    lab.run(n1, "chmod 600 /etc/hosts; tc qdisc add dev eth0 root handle f1: netem delay 1ms; ip route add 192.0.2.0/24 dev lo; systemctl start nginx")
    during = compare(before, lab.fingerprint(n1))
    for part in ("/etc/hosts", "netem", "192.0.2.0/24", "nginx.service"):
        assert part in during
    lab.run(n1, "chmod 644 /etc/hosts; tc qdisc del dev eth0 root handle f1:; ip route del 192.0.2.0/24 dev lo; systemctl stop nginx")
    assert compare(before, lab.fingerprint(n1)) == ""


def test_clocks_are_their_own(lab: Lab, n1: str, n2: str) -> None:
    lab.run(n2, "date -s '+1 hour'")
    try:
        assert lab.fingerprint(n2)["time"] == ["+3600 s"]
        assert abs(int(lab.run(n1, "date +%s").out) - int(lab.exec(["date", "+%s"]).out)) < 5
    finally:
        lab.run(n2, "date -s '-1 hour'")


def test_plain_host_has_no_systemd_and_obeys_cron_at_reboot(lab: Lab, n4: str) -> None:
    assert lab.run(n4, "cat /proc/1/comm; test -e /run/systemd/system || echo none").out.split() == ["init", "none"]
    boot = lab.boot_id(n4)
    lab.run(n4, "echo '@reboot root touch /run/booted' >/etc/cron.d/mark; chmod 644 /etc/cron.d/mark; sync; reboot", check=False)
    lab.wait_reboot(n4, boot)
    lab.run(n4, "for i in $(seq 100); do test -e /run/booted && break; sleep 0.2; done; test -e /run/booted && rm /etc/cron.d/mark")
    assert lab.module(n4, "ansible.builtin.ping")["ping"] == "pong"


either = pytest.mark.parametrize("box", ["systemd", "plain"], indirect=True)


@either
def test_a_box_has_power_cable_and_disk_like_every_host(lab: Lab, box: str) -> None:
    boot = lab.boot_id(box)
    lab.run(box, "echo kept >/root/mark; reboot", check=False)
    lab.wait_reboot(box, boot)
    assert lab.state(box) == "up" and lab.boot_id(box) != boot
    lab.run(box, "poweroff", check=False)
    lab.wait_off(box)
    lab.start(box)
    boot = lab.boot_id(box)
    lab.cut(box)
    assert lab.pid(box) is None and lab.state(box) == "off"
    lab.start(box)
    assert lab.boot_id(box) != boot
    assert lab.read(box, "/root/mark") == "kept\n"
    lab.net_cut(box)
    assert not lab.answers(box)
    lab.net_heal(box)
    lab.freeze(box)
    assert lab.state(box) == "frozen" and not lab.answers(box)
    lab.thaw(box)
    lab.wait_ssh(box)
    lab.reset(box)
    assert not lab.run(box, "test -e /root/mark", check=False).ok


@either
def test_a_box_cannot_reach_beyond_itself(lab: Lab, box: str) -> None:
    """Not the clock of this machine, its settings and processes, nor its memory."""
    before = time.time()
    assert not lab.run(box, "date -s 2001-01-01", check=False).ok and abs(time.time() - before) < 60
    assert not lab.run(box, "echo 1 >/proc/sys/kernel/threads-max", check=False).ok
    assert not lab.run(box, "[ -w /proc/sysrq-trigger ] && echo h >/proc/sysrq-trigger; grep -q . /proc/sysrq-trigger", check=False).ok
    assert not lab.run(box, ["test", "-e", f"/proc/{os.getpid()}/root{Path(__file__)}"], check=False).ok
    assert not lab.run(box, "mount | grep -v sys/kernel/random/boot_id | grep -v /proc/cmdline | grep '^/dev/[vs]d'", check=False).ok
    assert not lab.run(box, ["python3", "-c", "print(len(b'x' * (2 << 30)))"], check=False).ok
    assert lab.answers(box)


@either
def test_a_box_leaves_nothing_on_this_machine(lab: Lab, box: str) -> None:
    assert lab.run(box, "cat /proc/1/comm").out.strip() in ("systemd", "init")
    lab.driver("forget", "41")
    groups = list(Path("/sys/fs/cgroup").glob("**/box-*-n41*"))
    assert groups == []
    assert str(lab.dir / "n41.cow") not in lab.local(["losetup", "-a"]).out + Path("/proc/mounts").read_text()
    assert "tap41" not in lab.exec(["ip", "-o", "link"]).out


def test_bad_host_numbers_are_refused() -> None:
    lab = Lab()
    for word in ("0", "101", "n1", "", "1;id"):
        with pytest.raises(LabError, match="which host"):
            lab.driver("start", word)


def test_check_names_what_is_missing(lab: Lab) -> None:
    assert lab.driver("check").ok
    r = lab.driver("check", check=False, FAULTLINE_LAB_DIR="/var/cache/faultline/another")
    assert "set FAULTLINE_LAB_NS" in r.err
    r = lab.driver("check", check=False, FAULTLINE_LAB_MEMORY="12")
    assert r.rc == 1 and "write megabytes" in r.err
    small = ["unshare", "-m", "sh", "-c", 'mkdir -p /run/small && mount -t tmpfs -o size=1m none /run/small && "$0" check 100', str(DRIVER)]
    r = lab.local(small, check=False, env={"FAULTLINE_LAB_DIR": "/run/small", "FAULTLINE_LAB_NS": "small"})
    assert r.rc == 1 and len(r.err.splitlines()) == 1 and "free some" in r.err
    r = lab.local(["setpriv", "--reuid=65534", "--clear-groups", str(DRIVER), "check"], check=False, env={"FAULTLINE_LAB_DIR": "/tmp"})
    assert r.rc == 1 and "needs root" in r.err
