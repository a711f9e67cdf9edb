# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fingerprint of everything that an attack could change on a host; taken before and after, and compared."""

from __future__ import annotations

import difflib
import json
import time
from pathlib import Path

SCRIPT = (Path(__file__).parent / "fingerprint_host.py").read_text()

# Parts of lines that differ on an idle host: sessions, logs, traces of Ansible itself.
NOISE = (
    ".ansible",
    "/run/user/",
    "/run/udev/",
    "/run/log/",
    "/run/sudo",
    "/run/utmp",
    "/run/motd",
    "/run/sshd",
    "/tmp/systemd-private",
    "/root/.bash_history",
    "/root/.cache",
    "/root/.lesshst",
    "/etc/.pwd.lock",
    "user@",
    "user-",
    "user.slice",
    "session-",
    "sshd: ",
    "systemd-tmpfile",
    "logrotate",
    "run-user-",
    "(sd-pam)",
    "systemd-timedated",
    "systemd-hostnamed",
    "/run/xtables.lock",  # created by the first call of iptables, empty
    "/random/",
    "tcp_fastopen_key",
    "stable_secret",
    "dentry-state",
    "inode-",
    "file-nr",
    "ns_last_pid",
    "nf_conntrack_count",
    "aio-nr",
)


def parse(text: str) -> dict[str, list[str]]:
    """Parse the output of the host into sections, without noise. The clock becomes the offset from the local clock, in steps of 5 s."""
    data = json.loads(text)
    data["time"] = [f"{round((data['time'][0] - time.time()) / 5) * 5:+d} s"]
    data["files"] = [line for line in data["files"] if not line.endswith(" /run/systemd/transient")]  # stays after the first transient unit
    data["qdiscs"] = [line for line in data["qdiscs"] if not line.startswith("class fq_codel ")]  # current flows
    data["processes"] = [line for line in data["processes"] if not line.startswith("(")]  # forks of systemd before exec
    data["runtime"] = [line for line in data["runtime"] if "/run/systemd/" not in line]
    data["iptables"] = without_idle_tables(data["iptables"])
    return {name: [line for line in lines if not any(n in line for n in NOISE)] for name, lines in data.items()}


def without_idle_tables(lines: list[str]) -> list[str]:
    """Drop tables without effect (no rule, no own chain, every policy ACCEPT): merely listing a table creates it."""
    out: list[str] = []
    table: list[str] = []
    for line in lines:
        table.append(line)
        if line == "COMMIT":
            if not all(each.startswith("*") or each.split()[1:2] == ["ACCEPT"] and each.startswith(":") for each in table[:-1]):
                out += table
            table = []
    return out + table


def compare(before: dict[str, list[str]], after: dict[str, list[str]], ignore: tuple[str, ...] = ()) -> str:
    """The differing lines; empty when there are none. ignore: sections to skip, or parts of lines to skip."""
    out = []
    for name in sorted({*before, *after} - {*ignore}):
        a, b = ([line for line in f.get(name, []) if not any(i in line for i in ignore)] for f in (before, after))
        lines = [line for line in difflib.unified_diff(a, b, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
        if lines:
            out += [f"[{name}]", *lines]
    return "\n".join(out)
