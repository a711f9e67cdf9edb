# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl_fault: what is refused by its name or its value, and an undo of coupled keys that really runs. What the kernel says: tests/netns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host.namespace import HERE
from ansible_collections.faultline.chaos.plugins.module_utils._state import sysctl, sysctl_rules
from ansible_collections.faultline.chaos.plugins.modules.sysctl_fault import SysctlFault


def attack(sysctls: dict, **params) -> SysctlFault:
    return SysctlFault({"sysctls": sysctls, "netns": None, "container": None, **params}, None)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "vm", "vm.", ".vm.swappiness", "vm..swappiness", "vm/../kernel/panic", "../vm/swappiness", "/proc/sys/vm/swappiness", "vm.swappiness ",
        "vm.swappiness\n", "vm.$(id)", "vm.a b", "vm.*", "vm.swap;id", "-w", "x" * 201, "vm.swappiness\0", 5, None,
    ],
)  # fmt: skip
def test_names_that_are_none(name) -> None:
    with pytest.raises(BadOption, match="^sysctls: "):
        attack({name: 1}).validate()


@pytest.mark.parametrize("value", [None, True, 1.5, [1, 2], {}, "a\nb", "a\0b", "x" * 4097])
def test_values_that_are_none(value) -> None:
    with pytest.raises(BadOption, match=r"^sysctls: 'vm.swappiness: "):
        attack({"vm.swappiness": value}).validate()


@pytest.mark.parametrize("sysctls", [{}, {f"vm.x{number}": 1 for number in range(33)}])
def test_how_many(sysctls: dict) -> None:
    with pytest.raises(BadOption, match=r"^sysctls: .*give 1 to 32 sysctls"):
        attack(sysctls).validate()


def test_one_key_in_two_spellings() -> None:
    with pytest.raises(BadOption, match=r"'net/ipv4/ip_forward' is refused: give each sysctl once"):
        attack({"net.ipv4.ip_forward": 0, "net/ipv4/ip_forward": 1}).validate()


NEVER = {
    "names a program": "kernel.modprobe kernel.hotplug kernel.poweroff_cmd kernel.usermodehelper.bset fs.binfmt_misc.status fs.binfmt_misc.register",
    "panic, reboot or switch off": "kernel.panic kernel.panic_on_oops kernel.hung_task_panic kernel.softlockup_panic kernel.unknown_nmi_panic kernel.sysrq"
    " kernel.max_rcu_stall_to_panic kernel.panic_on_warn vm.panic_on_oom kernel.ctrl-alt-del kernel.oops_limit kernel.warn_limit kernel.cad_pid",
    "cannot be taken back": "kernel.modules_disabled kernel.kexec_load_disabled kernel.yama.ptrace_scope kernel.unprivileged_bpf_disabled kernel.tainted"
    " net.core.bpf_jit_harden net.netfilter.nf_hooks_lwtunnel net.ipv6.conf.eth0.stable_secret",
    "an action": "vm.drop_caches vm.compact_memory net.ipv4.route.flush net.ipv6.route.flush",
    "weakens": "kernel.randomize_va_space kernel.kptr_restrict fs.protected_symlinks fs.suid_dumpable vm.mmap_min_addr kernel.sysctl_writes_strict",
    "forgets addresses": "net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.eth0.disable_ipv6 net.ipv6.conf.eth0/100.addr_gen_mode net.ipv6.conf.eth0.use_tempaddr",
    "use memory_stress": "vm.min_free_kbytes vm.nr_hugepages vm.overcommit_ratio vm.overcommit_kbytes vm.admin_reserve_kbytes vm.watermark_scale_factor",
    "with each message that it logs": "kernel.printk_delay",
    "use pid_exhaustion": "kernel.pid_max kernel.threads-max",
    "use fd_exhaustion": "fs.file-max",
    "SSH": "fs.nr_open kernel.pty.max fs.epoll.max_user_watches kernel.keys.root_maxkeys",
}
HERE_NEVER = (
    "net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.arp_ignore net.ipv4.ip_default_ttl net.ipv4.tcp_mem net.ipv6.conf.eth0.accept_ra net.core.netdev_budget"
    " net.ipv6.conf.all.hop_limit net.ipv4.neigh.eth0.ucast_solicit net.ipv4.conf.eth0.proxy_arp net.ipv6.route.max_size net.ipv4.tcp_l3mdev_accept"
    " net.netfilter.nf_conntrack_max net.nf_conntrack_max"
).split()
TOO_LOW = {
    "net.ipv4.tcp_rmem": "4096 4096 1", "net.core.rmem_max": 1, "net.core.netdev_max_backlog": 0, "net.ipv4.neigh.default.gc_thresh3": 1,
    "net.ipv4.tcp_retries2": 0, "net.ipv4.tcp_notsent_lowat": 0, "net.netfilter.nf_conntrack_tcp_timeout_established": 1,
}  # fmt: skip


@pytest.mark.parametrize(("reason", "name"), [(reason, name) for reason, names in NEVER.items() for name in names.split()])
@pytest.mark.parametrize("where", [{}, {"netns": "blue"}], ids=["here", "netns"])
def test_keys_that_are_never_set(reason: str, name: str, where: dict) -> None:
    for spelled in (name, name.translate(str.maketrans("./", "/."))):
        with pytest.raises(BadOption, match=f"^sysctls: '{name}' is refused: .*{reason}"):
            attack({spelled: 1}, **where).validate()


@pytest.mark.parametrize("name", HERE_NEVER)
def test_keys_that_are_not_set_where_ssh_comes_in(name: str) -> None:
    with pytest.raises(BadOption, match=f"^sysctls: '{name}' is refused: SSH to the target could be cut off"):
        attack({name: 1}).validate()
    attack({name: 1}, container="shop").validate()


@pytest.mark.parametrize(("name", "value"), TOO_LOW.items())
def test_values_that_are_too_low_where_ssh_comes_in(name: str, value) -> None:
    with pytest.raises(BadOption, match=f"^sysctls: '{name}: {value}' is refused: below .* give at least that"):
        attack({name: value}).validate()
    attack({name: value}, netns="blue").validate()
    attack({name: "100000 100000 100000"}).validate()


@pytest.mark.parametrize("value", ["0x0", "0X1", "00", "07777"])
def test_a_floor_is_not_passed_by_another_spelling(value: str) -> None:
    with pytest.raises(BadOption, match="is no plain decimal number"):
        attack({"net.ipv4.tcp_retries2": value}).validate()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("kernel.core_pattern", "|/bin/sh %p", "hand core dumps to a program"),
        ("kernel.core_pattern", "  |/bin/sh", "hand core dumps to a program"),
        ("kernel.core_pattern", "@/run/x.sock", "hand core dumps to a program"),
        ("vm.overcommit_memory", 2, "give 0 or 1"),
        ("vm.overcommit_memory", "0x2", "give 0 or 1"),
        ("vm.max_map_count", 100, "below 4096"),
        ("fs.inotify.max_user_watches", 1, "below 1024"),
        ("fs.pipe-user-pages-hard", 1, "below 1024"),
        ("fs.pipe-user-pages-soft", 0, "below 1024"),
        ("user.max_mnt_namespaces", 0, "below 1024"),
        ("user.max_user_namespaces", "0x0", "give one of at least 1024"),
        ("net.core.rps_sock_flow_entries", 1 << 29, "at most 1048576"),
        ("net.core.rps_sock_flow_entries", "0x20000000", "at most 1048576"),
        ("net.core.rps_sock_flow_entries", -1, "at most 1048576"),
    ],
)
def test_values_that_are_refused(name: str, value, words: str) -> None:
    with pytest.raises(BadOption, match=f"^sysctls: .*{words}"):
        attack({name: value}).validate()


def test_what_may_be_set() -> None:
    good = {
        "net.ipv4.ip_forward": 0, "vm.swappiness": "0", "net/ipv4/conf/eth0.100/forwarding": 1, "net.ipv4.tcp_rmem": "4096\t 16384  65536", "fs.aio-max-nr": 1,
        "kernel.core_pattern": "/var/crash/core.%p", "kernel.sem": "32000 1024000000 500 10", "net.ipv4.ip_local_reserved_ports": "",
    }  # fmt: skip
    found = attack(good)
    found.validate()
    assert [value for _key, value in found.wanted] == ["0", "0", "1", "4096 16384 65536", "1", "/var/crash/core.%p", "32000 1024000000 500 10", ""]
    keys = [key for key, _value in found.wanted]
    assert (keys[2].name, keys[2].interface, keys[2].in_trial) == ("net.ipv4.conf.eth0/100.forwarding", "eth0.100", "net/ipv4/conf/lo/forwarding")
    for key in keys:
        sysctl_rules.refuse_unknown_effect(key.name)


@pytest.mark.parametrize("name", ["kernel.acct", "kernel.shm_rmid_forced", "vm.swappiness2", "debug.exception-trace", "dev.hpet.max-user-freq"])
def test_keys_outside_of_net_are_those_that_were_looked_at(name: str) -> None:
    with pytest.raises(BadOption, match="not among the keys known to be put back"):
        sysctl_rules.refuse_unknown_effect(name)


@pytest.mark.parametrize("where", [{"netns": "blue"}, {"container": "shop"}])
def test_only_the_network_is_in_another_namespace(where: dict) -> None:
    with pytest.raises(BadOption, match=r"'vm.swappiness' is refused: only sysctls of net"):
        attack({"vm.swappiness": 1}, **where).validate()


def test_what_two_attacks_cannot_share() -> None:
    assert sysctl_rules.holds("vm.swappiness") == ["vm.swappiness"]
    assert sysctl_rules.holds("vm.dirty_bytes") == ["vm.dirty_bytes", "vm.dirty_ratio"]
    assert sysctl_rules.holds("net.ipv4.conf.eth0/100.rp_filter") == ["net.ipv4.conf.*.rp_filter"] == sysctl_rules.holds("net.ipv4.conf.all.rp_filter")
    assert sysctl_rules.holds("net.ipv4.neigh.eth0.retrans_time_ms") == sysctl_rules.holds("net.ipv4.neigh.eth1.retrans_time")
    assert sysctl_rules.holds("net.ipv6.neigh.eth0.base_reachable_time_ms") == ["net.ipv6.neigh.*.base_reachable_time"]
    assert set(sysctl_rules.holds("net.ipv4.conf.eth1.forwarding")) & set(sysctl_rules.holds("net.ipv4.ip_forward"))


# --- two keys of which the kernel sets one to 0 -----------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A directory in the place of /proc/sys."""
    monkeypatch.setattr(sysctl, "ROOT", str(tmp_path / "sys"))
    (tmp_path / "sys/vm").mkdir(parents=True)

    def put(**values: int) -> None:
        for name, value in values.items():
            (tmp_path / "sys/vm" / name).write_text(f"{value}\n")

    return put


@pytest.mark.parametrize(
    ("ratio", "size", "asked", "written"),
    [
        (20, 0, "dirty_bytes", "dirty_ratio"),
        (0, 4096, "dirty_ratio", "dirty_bytes"),
        (20, 0, "dirty_ratio", "dirty_ratio"),
        (0, 4096, "dirty_bytes", "dirty_bytes"),
    ],
)
def test_of_a_pair_the_one_that_counted_is_written(bench, shell, tmp_path: Path, kernel, ratio: int, size: int, asked: str, written: str) -> None:
    kernel(dirty_ratio=ratio, dirty_bytes=size)
    changes = sysctl.read_changes(bench.host, HERE, [(sysctl.Key.parse(f"vm.{asked}"), "9")])
    sysctl.try_changes(bench.host, HERE, changes)
    bench.publish("a", sysctl.undo(bench.host, HERE, changes))
    other = {"dirty_ratio": "dirty_bytes", "dirty_bytes": "dirty_ratio"}
    kernel(**{asked: 9, other[asked]: 0})
    bench.journal.note("a", "set-0", "written\n9\n")
    bench.sh(shell, bench.state / "a" / "revert.sh")
    found = {name: int((tmp_path / "sys/vm" / name).read_text()) for name in other}
    assert found == {asked: 9, other[asked]: 0} | {written: ratio or size}  # no kernel is here to set the other one to 0


def test_both_of_a_pair_are_refused(bench, kernel) -> None:
    kernel(dirty_ratio=20, dirty_bytes=0)
    changes = sysctl.read_changes(bench.host, HERE, [(sysctl.Key.parse(name), "9") for name in ("vm.dirty_ratio", "vm.dirty_bytes")])
    with pytest.raises(BadOption, match=r"the kernel changes vm.dirty_bytes with it: give only one of the two"):
        sysctl.try_changes(bench.host, HERE, changes)


def test_a_pair_of_which_none_is_set_is_refused(bench, kernel) -> None:
    kernel(dirty_ratio=0, dirty_bytes=0)
    with pytest.raises(NotRestorable, match=r"neither vm.dirty_ratio nor vm.dirty_bytes is set"):
        sysctl.read_changes(bench.host, HERE, [(sysctl.Key.parse("vm.dirty_ratio"), "9")])


def test_one_identity_for_all_spellings() -> None:
    one = {"net.ipv4.conf.eth0/1.forwarding": "1", "vm.swappiness": "5"}
    for other in ({"vm/swappiness": 5, "net/ipv4/conf/eth0.1/forwarding": 1}, {"vm.swappiness": " 5 ", "net.ipv4.conf.eth0/1.forwarding": "1"}, one):
        assert attack(other).params["sysctls"] == one
    for wrong in ({"vm.swappiness": None}, {"vm/swappiness": 5, "vm.swappiness": 5}, {5: 5}, None, {}):
        assert SysctlFault({"sysctls": wrong, "netns": None, "container": None}, None).params["sysctls"] == wrong


def test_what_a_new_network_may_not_write_counts_as_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    family = "net/x/most:9\n"
    out = f"locked:net/x/most\nrefused:net/x/most\npart:before\n{family}refused:net/x/most\npart:after\n{family}part:back\n{family}part:end\n"
    monkeypatch.setattr(sysctl.trial, "run", lambda _host, _argv: (0, out, ""))
    change = sysctl.Change(sysctl.Key.parse("net.x.most"), "9", "7")
    sysctl.try_changes(SimpleNamespace(check_mode=False, run=lambda argv, check=True: (0, "", "")), HERE, [change])
    assert not change.tried


def test_a_value_that_is_there_already(bench, kernel) -> None:
    kernel(swappiness=60)
    with pytest.raises(AttackError, match=r"^sysctls: vm.swappiness is 60 already"):
        sysctl.read_changes(bench.host, HERE, [(sysctl.Key.parse("vm.swappiness"), "0x3c")])


@pytest.mark.parametrize(("check_mode", "tried"), [(True, []), (False, ["net.ipv4.tcp_congestion_control"])])
def test_check_mode_tries_nothing_that_loads_a_kernel_module(monkeypatch: pytest.MonkeyPatch, check_mode: bool, tried: list[str]) -> None:
    asked: list[str] = []

    def run(_host: object, argv: list[str]) -> tuple[int, str, str]:
        asked.extend(argv[4:])
        return 1, "", "seen"

    monkeypatch.setattr(sysctl.trial, "run", run)
    host = SimpleNamespace(check_mode=check_mode, run=lambda argv, check=True: (0, "", ""))
    change = sysctl.Change(sysctl.Key.parse("net.ipv4.tcp_congestion_control"), "cubic", "htcp")
    if tried:
        with pytest.raises(AttackError, match="seen"):
            sysctl.try_changes(host, HERE, [change])
    else:
        sysctl.try_changes(host, HERE, [change])
    assert asked == [word for _name in tried for word in ("net/ipv4/tcp_congestion_control", "cubic", "htcp")]
