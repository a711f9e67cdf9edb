# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attacks that every fault is tested with. A new attack needs one entry here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

VICTIM = "flvictim"  # a harmless daemon that the tests install
VICTIM_HERE = "flhere"  # its name on this machine, where the processes of the boxes are visible, too
VICTIM_START = "/usr/local/sbin/flvictim-start"

FILE = "/etc/debian_version"  # a file that no program needs

SYSCTL = "net.ipv4.tcp_fin_timeout"
SYSCTL_FILE = "/proc/sys/" + SYSCTL.replace(".", "/")

WIRE = "tstwire0"  # an interface that is not used for the connection to the host
_OTHER_END = "tstwire1"
_PLUG = "; ".join(
    [f"ip link add {WIRE} address 02:00:00:00:00:01 type veth peer name {_OTHER_END} address 02:00:00:00:00:02"]
    # Without IPv6, because the order of its routes differs after each boot.
    + [f"echo 1 >/proc/sys/net/ipv6/conf/{end}/disable_ipv6; ip link set {end} up" for end in (_OTHER_END, WIRE)]
    + [f"ip addr add 198.18.0.1/24 dev {WIRE}"]
)

VICTIM_UNIT = f"""[Unit]
Description=A victim for the fault tests
# It is started and stopped more often than systemd likes to.
StartLimitIntervalSec=0
[Service]
ExecStartPre=-/bin/sh -c '[ -e /sys/class/net/{WIRE} ] || {{ {_PLUG}; }}'
ExecStart=/usr/local/bin/{VICTIM} 1000000
[Install]
WantedBy=multi-user.target
"""

VICTIM_SCRIPT = f"""#!/bin/sh
d="start-stop-daemon --exec /usr/local/bin/{VICTIM}"
case $1 in
start) $d --start --background --oknodo -- 1000000 ;;
stop) $d --stop --oknodo --retry 5 ;;
status) $d --status ;;
esac
"""


class Broken(NamedTuple):
    """A program of the target that a test wraps by a script, which then runs the real one unless it exits; or a directory made read-only."""

    path: str
    script: str = ""  # empty for a directory


# The undo of a worker ends it with a builtin of the shell; only closing its record can fail.
CLOSING = Broken("/bin/mv", 'case "$*" in */.gone-*) echo "mv: refused" >&2; exit 1 ;; esac')
_ITS_FILES = Broken("/bin/rm", 'case "$*" in *./data*) echo "rm: refused" >&2; exit 1 ;; esac')
_ITS_GROUP = Broken("/bin/rmdir", 'case "$*" in */faultline-*) exit 1 ;; esac')
# The kernel of the host decides which of the two is used.
_FILTERS = tuple(Broken(path, 'echo "packet filter: broken" >&2; exit 2') for path in ("/usr/sbin/nft", "/usr/sbin/iptables-legacy"))
# One program with many names, which select its function. The first call after the journal was written is refused.
_FILTERS_ONCE = tuple(
    Broken(
        path,
        """mkdir -p /run/fltest-bin; ln -sf "$real" "/run/fltest-bin/${0##*/}"; real=/run/fltest-bin/${0##*/}
if [ -d /var/lib/faultline/blackhole ] || [ -d /var/lib/faultline/dns_fault ]; then
    [ -e /run/fltest-once ] || { : >/run/fltest-once; echo "packet filter: refused" >&2; exit 2; }
fi""",
    )
    for path in ("/usr/sbin/nft", "/usr/sbin/iptables-legacy")
)


@dataclass(frozen=True)
class Attack:
    """One attack, and an expression that tells from files of the target whether it is in effect."""

    module: str
    options: dict
    active: str  # a Python expression over glob() and the functions of MONITOR in programs.py
    variant: str = ""  # for a module with more than one entry
    own_kernel: bool = False  # needs a host with a kernel of its own: for clock, modules or control groups
    points: tuple[str, ...] = field(default=("guarded", "prepared", "journalled", "armed", "injected", "verified"))
    longer: float = 0.0  # additional seconds of its injection, because of its measurements
    refused: tuple[Broken, ...] = ()  # makes its injection fail; empty when no program does the change
    stuck: tuple[Broken, ...] = (CLOSING,)  # makes its undo fail
    reverts_itself: bool = False  # its worker runs the undo when no dead-man has acted 5 s after the deadline

    @property
    def name(self) -> str:
        return f"faultline.chaos.{self.module}"

    def __str__(self) -> str:
        return f"{self.module}_{self.variant}" if self.variant else self.module


ATTACKS = [
    Attack(
        "process_kill",
        {"name": VICTIM, "signal": "KILL", "interval": "1s", "recover": [VICTIM_START]},
        active=f"'{VICTIM}' not in comms() or 'faultline-kill' in comms()",
        stuck=(Broken(VICTIM_START, "exit 1"),),
    ),
    Attack(
        "process_freeze",
        {"name": VICTIM, "interval": "1s"},
        active=f"stopped('{VICTIM}') or 'faultline-freez' in comms()",
    ),
    Attack(
        "service_stop",
        {"services": [VICTIM]},
        active=f"'{VICTIM}' not in comms()",
        refused=(Broken("/bin/systemctl", f'case "$1 $2" in "stop {VICTIM}"*) echo "Failed to stop: refused" >&2; exit 1 ;; esac'),),
        stuck=(Broken("/bin/systemctl", f'case "$1 $2" in "start {VICTIM}"*) echo "Failed to start: refused" >&2; exit 1 ;; esac'),),
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "injected", "verified"),
    ),
    Attack(
        "clock_skew",
        {"offset": "+300s"},
        active="clock_is_wrong()",
        own_kernel=True,
        stuck=(Broken("/bin/date", 'case " $*" in *" -s "*) echo "date: refused" >&2; exit 1 ;; esac'),),
    ),
    Attack(
        "custom",
        {"inject": ["touch", "/run/flcustom"], "undo": ["rm", "-f", "/run/flcustom"], "check": ["test", "-e", "/run/flcustom"]},
        active="glob('/run/flcustom')",
        refused=(Broken("/bin/touch", 'case "$*" in *flcustom*) echo "touch: refused" >&2; exit 1 ;; esac'),),
        stuck=(Broken("/bin/rm", 'case "$*" in *flcustom*) echo "rm: refused" >&2; exit 1 ;; esac'),),
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "injected", "verified"),
    ),
    Attack("cpu_stress", {"load": "20", "ramp": "1s", "cpus": ["0"]}, active="'faultline-cpu' in comms()"),
    Attack(
        "netem",
        {"interface": "eth0", "delay": "20ms"},
        active="glob('/sys/class/net/fl????????????')",
        own_kernel=True,
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "inject:1", "inject:2", "injected", "verified"),
        stuck=(Broken("/sbin/tc", 'echo "Error: broken" >&2; exit 2'),),
    ),
    *(
        # The kernels of the lab have only iptables, like old hosts; boxes have nftables, which applies all rules in one step.
        Attack(
            "blackhole",
            {"peers": ["n2"], "ports": ["8000"], "direction": "egress"},
            active="'faultline-names' in comms()",
            variant=filters,
            own_kernel=filters == "iptables",
            refused=_FILTERS_ONCE,
            stuck=_FILTERS,
            points=("guarded", "prepared", "journalled", "armed", *steps, "injected", "verified"),
        )
        for filters, steps in (("iptables", ("inject:0", "inject:1")), ("nft", ("inject:0",)))
    ),
    Attack(
        "disk_fill",
        {"path": "/var/tmp", "size": "20MiB"},
        active="glob('/var/tmp/.faultline-disk_fill.*/data/fill.*')",
        stuck=(_ITS_FILES,),
    ),
    Attack(
        "io_stress",
        {"path": "/var/tmp", "file_size": "1MiB", "rate": "256KiB"},
        active="'faultline-io' in comms() or glob('/var/tmp/.faultline-io_stress.*')",
        stuck=(_ITS_FILES,),
    ),
    Attack(
        "file_fault",
        {"path": FILE, "op": "remove"},
        active=f"not glob('{FILE}')",
        stuck=(Broken("/bin/mv", 'case "$*" in *" -T "*) echo "mv: refused" >&2; exit 1 ;; esac'),),
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "inject:1", "injected", "verified"),
    ),
    Attack("port_occupy", {"ports": ["47990"]}, active="'faultline-port' in comms()"),
    Attack("memory_stress", {"amount": "16MiB"}, active="'faultline-mem' in comms()", own_kernel=True, stuck=(_ITS_GROUP,)),
    Attack("pid_exhaustion", {"count": 200}, active="'faultline-pid' in comms()"),
    Attack(
        "fd_exhaustion",
        {"process": VICTIM, "leave": 3},
        active=f"min(soft_files('{VICTIM}'), default=1000) < 100",
        stuck=(Broken("/usr/bin/prlimit", 'echo "prlimit: broken" >&2; exit 1'),),
    ),
    Attack("socket_exhaustion", {"percent": 30}, active="'faultline-ports' in comms()", longer=20.0),
    Attack(
        "io_throttle",
        {"service": VICTIM, "read_bps": "1MiB", "enable_controller": True},
        active=f"'rbps=1048576' in text('/sys/fs/cgroup/system.slice/{VICTIM}.service/io.max')",
        own_kernel=True,
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "inject:1", "injected", "verified"),
        stuck=(Broken(f"/sys/fs/cgroup/system.slice/{VICTIM}.service"),),
    ),
    Attack(
        "interface_down",
        {"interface": WIRE},
        active=f"'down' in text('/sys/class/net/{WIRE}/operstate')",
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "inject:1", "injected", "verified"),
        refused=(Broken("/sbin/ip", 'case "$*" in "link set "*" down") echo "RTNETLINK answers: Operation not permitted" >&2; exit 2 ;; esac'),),
        stuck=(Broken("/sbin/ip", 'echo "RTNETLINK answers: broken" >&2; exit 2'),),
    ),
    Attack(
        "sysctl_fault",
        {"sysctls": {SYSCTL: 7}},
        active=f"text('{SYSCTL_FILE}').strip() == '7'",
        points=("guarded", "prepared", "journalled", "armed", "inject:0", "injected", "verified"),
        stuck=(Broken("/bin/cat", f'case "$*" in *{SYSCTL_FILE}) echo "cat: refused" >&2; exit 1 ;; esac'),),
    ),
    *(
        Attack(
            "dns_fault",
            {"domains": ["fault.example.com"]},
            active="'faultline-dns' in comms()",
            variant=filters,
            own_kernel=filters == "iptables",
            reverts_itself=True,
            refused=_FILTERS_ONCE,
            stuck=_FILTERS,
            points=("guarded", "prepared", "journalled", "armed", "inject:0", "injected", "verified"),
        )
        for filters in ("iptables", "nft")
    ),
]
BY_NAME = {str(attack): attack for attack in ATTACKS}

# Steps at which there is no journal yet, and at which nothing is changed yet.
NO_JOURNAL = ("guarded", "prepared", "written")
NOT_ARMED = (*NO_JOURNAL, "journalled")


def every(attacks: Sequence[Attack] = (), points: tuple[str, ...] | None = None) -> list[tuple[Attack, str]]:
    """The pairs of attack and step; by default all attacks at all of their steps."""
    return [(attack, point) for attack in attacks or ATTACKS for point in points or attack.points]
