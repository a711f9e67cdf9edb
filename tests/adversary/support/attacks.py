# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attacks that are tried, and what each of them holds on a host of namespaces.py. A new attack on hosts needs one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.adversary.support.host import Broken
from tests.adversary.support.namespaces import START, VICTIM

CONF, SHARED, STORE, USER = "/srv/app/app.conf", "/srv/app/shared.conf", "/srv/store", "/srv/user"
WIRE, SPARE, INNER, BOX = "wire0", "spare0", "inner0", "box"
SYSCTL = "net.ipv4.tcp_fin_timeout"

_BEFORE = ("prepared", "journalled", "armed")
_CLOSING = Broken("mv", 'case "$*" in */.gone-*) echo "mv: refused" >&2; exit 1 ;; esac')
_REMOVING = Broken("rm", 'case "$*" in *./data*) echo "rm: refused" >&2; exit 1 ;; esac')
_MOVING = Broken("mv", 'case "$*" in *" -T "*) echo "mv: refused" >&2; exit 1 ;; esac')
_NO_IP = Broken("ip", 'echo "RTNETLINK answers: broken" >&2; exit 2')


def _failing(name: str) -> Broken:
    return Broken(name, f'echo "{name}: broken" >&2; exit 2')


@dataclass(frozen=True)
class Attack:
    """One attack. holds: {kind: what}, where a kind is one of interference.py, and what stands for $it in its scripts."""

    module: str
    options: Mapping[str, object]
    holds: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    points: tuple[str, ...] = (*_BEFORE, "injected")
    stuck: Broken = _CLOSING  # makes its first undo fail
    hides: tuple[str, ...] = ()  # interferences that nobody can tell from the attack's own effect
    removes: bool = False  # its file or process is not there meanwhile
    prepare: str = ""  # sh, on both hosts, before anything else

    def __str__(self) -> str:
        return f"{self.module}_{self.variant}" if self.variant else self.module


def steps(count: int) -> tuple[str, ...]:
    """The crash points of an attack that injects in so many steps."""
    return (*_BEFORE, *(f"inject:{number}" for number in range(count)), "injected")


_ONLY_IPTABLES = "; ".join(f"mount --bind /dev/null $(readlink -f $(command -v {name}))" for name in ("nft", "iptables-nft"))
# The kernel keeps no count of SIGSTOP: that somebody else stops what is stopped already cannot be told, nor given back.
# It is down already. What reacts to that takes its addresses away, too; the undo puts them back for that reason.
_DOWN_BY_OTHERS = ("device_down", "device_renamed_while_down", "device_flushed")
# What a process was given is gone with it, whoever kills it; and who has its name is it, by the criteria that chose it.
_KILLED_WITH_IT = ("victim_killed", "victim_stopped", "victim_stopped_for_a_while", "victim_reniced", "victim_in_a_group", "victim_twice")
_STOPPED_TWICE = ("victim_stopped", "victim_stopped_for_a_while")
_ONE_OF_MANY = ("own_one_file_moved",)  # an empty file of thousands, which nobody counts again
_OWN = {"own": f"{STORE}/.faultline-*", "directory": STORE, "file system": "/srv"}

ATTACKS = [
    Attack(
        "process_kill",
        {"name": VICTIM, "signal": "KILL", "interval": "1s", "recover": [START]},
        {"victim": VICTIM, "worker": "", "program": START},
        removes=True,
        hides=_KILLED_WITH_IT,
    ),
    Attack("process_freeze", {"name": VICTIM}, {"victim": VICTIM}, hides=_STOPPED_TWICE),
    Attack("process_freeze", {"name": VICTIM, "interval": "500ms"}, {"victim": VICTIM, "worker": ""}, "in_turn", hides=_STOPPED_TWICE),
    Attack("service_stop", {"services": [VICTIM]}, {"service": VICTIM}, points=steps(1), hides=("service_stopped",)),  # who came first?
    Attack(
        "custom",
        {"inject": ["/srv/bin/on"], "undo": ["/srv/bin/off"], "check": ["/srv/bin/is"]},
        {"program": "/srv/bin/off", "switch": "/srv/app/switch", "file system": "/srv"},
        points=steps(1),
        stuck=Broken("rm", 'case "$*" in *switch*) echo "rm: refused" >&2; exit 1 ;; esac'),
    ),
    Attack("cpu_stress", {"load": "5", "cpus": ["0"]}, {"worker": ""}),
    Attack("port_occupy", {"ports": ["47990"]}, {"worker": ""}),
    Attack("memory_stress", {"amount": "16MiB"}, {"worker": "", "cgroup": "/sys/fs/cgroup/memory/faultline-*"}),
    Attack("pid_exhaustion", {"count": 50}, {"worker": "", "cgroup": "/sys/fs/cgroup/pids/faultline-*"}),
    Attack("socket_exhaustion", {"percent": 5}, {"worker": ""}),
    Attack("fd_exhaustion", {"process": VICTIM, "leave": 3}, {"victim": VICTIM, "limits": VICTIM}, stuck=_failing("prlimit")),
    Attack("disk_fill", {"path": STORE, "size": "8MiB", "floor": "0"}, _OWN, stuck=_REMOVING),
    Attack("disk_fill", {"path": STORE, "size": "200", "inodes": True, "floor": "0"}, _OWN, variant="inodes", stuck=_REMOVING, hides=_ONE_OF_MANY),
    Attack("io_stress", {"path": STORE, "file_size": "1MiB", "rate": "256KiB"}, {**_OWN, "worker": ""}, stuck=_REMOVING),
    *(
        Attack(
            "file_fault",
            {"path": CONF, **options},
            {"own": "/srv/app/.faultline-*", "file": CONF, "directory": "/srv/app", "file system": "/srv"},
            variant=str(options["op"]),
            points=steps(2),
            stuck=_MOVING,
            removes=options["op"] == "remove",
        )
        for options in ({"op": "remove"}, {"op": "replace", "content": "name = other\n"})
    ),
    Attack("file_fault", {"path": CONF, "op": "chmod", "mode": "0000"}, {"file": CONF, "directory": "/srv/app", "file system": "/srv"}, variant="chmod"),
    Attack(
        "file_fault",
        {"path": SHARED, "op": "append", "content": "more\n"},
        {"file": SHARED, "directory": "/srv/app", "file system": "/srv"},
        variant="in_place",
    ),
    Attack("sysctl_fault", {"sysctls": {SYSCTL: 7}}, {"sysctl": SYSCTL}, points=steps(1)),
    Attack(
        "sysctl_fault",
        {"sysctls": {f"net.ipv4.conf.{INNER}.rp_filter": 1}, "netns": BOX},
        {"device in a namespace": INNER, "namespace": BOX},
        variant="netns",
        points=steps(1),
    ),
    Attack("interface_down", {"interface": SPARE}, {"device": SPARE}, points=steps(2), stuck=_NO_IP, hides=_DOWN_BY_OTHERS),
    *(
        Attack(
            module,
            options,
            {"rules": backend, "worker": "", **({"device": WIRE} if module == "blackhole" else {"resolver": "/etc/resolv.conf"})},
            variant=backend,
            points=steps(1),
            stuck=_failing("nft" if backend == "nft" else "iptables-legacy"),
            prepare=_ONLY_IPTABLES if backend == "iptables" else "",
        )
        for module, options in (
            ("blackhole", {"peers": ["198.18.0.2", "peer.example.com"], "ports": ["8000"], "direction": "egress", "resolve_interval": "1h"}),
            ("dns_fault", {"domains": ["fault.example.com"]}),
        )
        for backend in ("nft", "iptables")
    ),
    Attack(
        "blackhole",
        {"peers": ["198.20.0.0/24"], "direction": "egress", "netns": BOX},
        {"rules in a namespace": BOX, "namespace": BOX},
        variant="netns",
        points=steps(1),
        stuck=_failing("nft"),
    ),
    Attack(
        "io_throttle",
        {"cgroup": "/app", "device": "/srv", "read_bps": "1MiB", "enable_controller": True},
        {"cgroup limits": "/sys/fs/cgroup/blkio/app"},
        points=steps(1),
        prepare=f"for pid in $(grep -lx {VICTIM} /proc/[0-9]*/comm | cut -d/ -f3); do echo $pid >/sys/fs/cgroup/blkio/app/cgroup.procs; done",
    ),
]
BY_NAME = {str(attack): attack for attack in ATTACKS}
