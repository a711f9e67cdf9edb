# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks and interferences that need a kernel with netem, systemd, or a clock of one's own. See attacks.py and interference.py."""

from __future__ import annotations

from tests.adversary.support.attacks import BOX, INNER, VICTIM, WIRE, Attack, steps
from tests.adversary.support.host import Broken
from tests.adversary.support.interference import ALL, IN_PLACE, Interference, kind_of

UNIT = f"/etc/systemd/system/{VICTIM}.service"
# systemctl of a host is wrapped by no test: a broken start is one whose program is missing.
_TC = Broken("tc", 'echo "Error: broken" >&2; exit 2')
_DATE = Broken("date", 'case " $*" in *" -s "*) echo "date: refused" >&2; exit 1 ;; esac')

PREPARE = f"""
[ -e /usr/local/bin/{VICTIM} ] || cp /bin/sleep /usr/local/bin/{VICTIM}
printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nExecStart=/usr/local/bin/{VICTIM} 1000000\\n' >{UNIT}
systemctl daemon-reload; systemctl restart {VICTIM}
ip netns add {BOX}
ip link add {WIRE} address 02:00:00:00:00:01 type veth peer name wire1 address 02:00:00:00:00:02 netns {BOX}
ip link add {INNER} address 02:00:00:00:00:05 netns {BOX} type veth peer name inner1 address 02:00:00:00:00:06 netns {BOX}
for end in wire1 {INNER} inner1; do
    ip netns exec {BOX} sh -c "echo 1 >/proc/sys/net/ipv6/conf/$end/disable_ipv6; ip link set $end up"
done
echo 1 >/proc/sys/net/ipv6/conf/{WIRE}/disable_ipv6
ip addr add 198.18.0.1/24 dev {WIRE}; ip link set {WIRE} up
ip netns exec {BOX} ip addr add 198.18.0.2/24 dev wire1
ip netns exec {BOX} ip addr add 198.20.0.1/24 dev {INNER}
"""

ATTACKS = [
    *(
        Attack(
            "netem",
            {"interface": WIRE, "delay": "20ms", "direction": direction},
            {"device": WIRE, "queue": WIRE, "emulation": "/sys/class/net/fl????????????"},
            variant=direction,
            points=steps(3),
            stuck=_TC,
        )
        for direction in ("egress", "both")
    ),
    Attack(
        "netem",
        {"interface": INNER, "delay": "20ms", "netns": BOX},
        {"device in a namespace": INNER, "namespace": BOX},
        variant="netns",
        points=steps(3),
        stuck=_TC,
    ),
    Attack("clock_skew", {"offset": "+300s"}, {"clock": "x"}, stuck=_DATE),
    Attack("service_stop", {"services": [VICTIM]}, {"unit": VICTIM}, points=steps(1)),
    Attack("process_kill", {"name": VICTIM, "signal": "KILL", "interval": "1s", "recover": ["systemctl", "start", VICTIM]}, {"unit": VICTIM, "worker": ""}),
    Attack(
        "io_throttle",
        {"service": VICTIM, "read_bps": "1MiB", "enable_controller": True},
        {"unit": VICTIM, "slice": f"/sys/fs/cgroup/system.slice/{VICTIM}.service"},
        points=steps(2),
    ),
    Attack(
        "interface_down",
        {"interface": WIRE},
        {"device": WIRE},
        points=steps(2),
        stuck=Broken("ip", "exit 2"),
        hides=("device_down", "device_renamed_while_down", "device_flushed"),
    ),
]

INTERFERENCES: list[Interference] = [
    *(each for each in ALL if each.kind in ("", "device", "device in a namespace", "namespace", "worker") and "loop" not in each.script),
    *kind_of(
        "queue",
        {
            "hooks_deleted": "tc qdisc del dev $it clsact",
            "filters_deleted": "tc filter del dev $it egress; tc filter show dev $it egress | grep -q . && exit 1; :",
            "foreign_filter": "tc qdisc add dev $it clsact || :; tc filter add dev $it egress protocol ip pref 7 u32 match u32 0 0 action pass",
            "foreign_root": "tc qdisc replace dev $it root handle 9: pfifo limit 77",
        },
        IN_PLACE,
    ),
    *kind_of(
        "emulation",
        {
            "deleted": "ip link del ${it##*/}",
            "renamed": "ip link set ${it##*/} down; ip link set ${it##*/} name theirs0",
            "down": "ip link set ${it##*/} down",
            "in_a_namespace": f"ip link set ${{it##*/}} netns {BOX}",
            "queue_deleted": "tc qdisc del dev ${it##*/} root",
        },
        IN_PLACE,
    ),
    *kind_of(
        "clock",
        {
            "stepped_on": "date -s @$(($(date +%s) + 3600))",
            "stepped_back": "date -s @$(($(date +%s) - 7200))",
            "set_right": "read -r up _ </proc/uptime; date -s @$(($(date +%s) - 300))",
        },
    ),
    *kind_of(
        "unit",
        {
            "started": "systemctl start $it",
            "stopped": "systemctl stop $it",
            "restarted": "systemctl restart $it",
            "masked_for_a_while": (f"mv {UNIT} /root/unit; systemctl mask $it", f"systemctl unmask $it; mv /root/unit {UNIT}; systemctl daemon-reload"),
            "removed": f"systemctl stop $it || :; rm {UNIT}; systemctl daemon-reload",
            "renamed": f"systemctl stop $it || :; mv {UNIT} /etc/systemd/system/other.service; systemctl daemon-reload; systemctl start other",
            "program_moved_for_a_while": (f"mv /usr/local/bin/{VICTIM} /root/", f"mv /root/{VICTIM} /usr/local/bin/{VICTIM}"),
            "reloaded": "systemctl daemon-reload",
            "timers_stopped": "systemctl stop 'faultline-*.timer'; ls /var/lib/faultline/case >/dev/null",
        },
    ),
    *kind_of("slice", {"limits_changed": "number=$(lsblk -dn -o MAJ:MIN | head -n 1 | tr -d ' '); echo \"$number rbps=777777\" >$it/io.max"}, IN_PLACE),
]
