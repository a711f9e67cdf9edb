# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module's whole life with each back-end, on a host that is nothing but namespaces: its own network, processes and /var/lib."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

WITHOUT = {"nft": "", "iptables": "cover nft"}  # programs that are there and fail
HOST = """
set -e
mount -t tmpfs none /var/lib
mount -t tmpfs none /etc/cron.d
printf '#!/bin/sh\\necho "not in this kernel" >&2; exit 1\\n' >/var/lib/refuses; chmod 755 /var/lib/refuses
cover() { for each; do mount --bind /var/lib/refuses "$(readlink -f "$(command -v $each)")"; done; }
ip link set lo up
ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up
ip address add 192.0.2.1/24 dev eth0
iptables-legacy -A INPUT -p tcp --dport 9999 -j DROP
ip6tables-legacy -A OUTPUT -p tcp --dport 9997 -j DROP
rules() { for t in iptables-legacy ip6tables-legacy; do $t-save | sed '/^#/d; s/\\[[0-9:]*\\]//'; done; }
rules >/var/lib/before
"""
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    what: {peers: [192.0.2.9, "2001:db8::9"], ports: ["80-90"], action: reject, direction: both, exclude: [192.0.2.8], duration: 5m}
    old: {cidr: [192.0.2.9, "2001:db8::9"], ports: ["80-90"], action: reject, direction: both, exclude_cidr: [192.0.2.8], duration: 5m}
  tasks:
    - {name: Check, faultline.chaos.blackhole: "{{ what }}", check_mode: true, register: check}
    - {name: Apply, faultline.chaos.blackhole: "{{ what }}", register: real}
    - {name: Check again, faultline.chaos.blackhole: "{{ what }}", check_mode: true, register: check_again}
    - {name: Apply again, faultline.chaos.blackhole: "{{ what }}", register: real_again}
    - {name: Apply by the old names, faultline.chaos.blackhole: "{{ old }}", register: real_old}
    - {name: Check by the old names, faultline.chaos.blackhole: "{{ old }}", check_mode: true, register: check_old}
    - {name: Apply another, faultline.chaos.blackhole: "{{ what | combine({'id': 'other'}) }}", register: other, failed_when: false}
    - {name: Revert, faultline.chaos.blackhole: "{{ what | combine({'state': 'absent'}) }}", register: revert}
    - {name: Revert again, faultline.chaos.blackhole: "{{ what | combine({'state': 'absent'}) }}", register: revert_again}
    - {name: Look, faultline.chaos.attack_info: {history: 1}, register: info}
    - name: Tell
      ansible.builtin.copy:
        dest: /var/lib/told
        mode: "0600"
        content: "{{ {'check': check, 'real': real, 'check_again': check_again,
          'real_again': real_again, 'real_old': real_old, 'check_old': check_old, 'other': other, 'revert': revert,
          'revert_again': revert_again, 'info': info} | to_json }}"
"""
END = """
cat >/var/lib/play.yml
ansible-playbook -i localhost, -e ansible_python_interpreter="$1" /var/lib/play.yml >&2
rules | diff /var/lib/before - >&2
cat /var/lib/told
"""


@pytest.mark.parametrize("backend", WITHOUT)
def test_the_life_of_an_attack(backend: str) -> None:
    script = HOST + WITHOUT[backend] + END
    argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", script, "test", sys.executable]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(argv, input=PLAY, capture_output=True, text=True, cwd=CHECKOUT, env={**os.environ, "PATH": path}, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = ("check", "real", "check_again", "real_again", "real_old", "check_old", "revert", "revert_again")
    steps = {step: (told[step]["status"], told[step]["changed"]) for step in names}
    assert steps == {
        "check": ("planned", True),
        "real": ("active", True),
        "check_again": ("active", False),
        "real_again": ("active", False),
        "real_old": ("active", False),
        "check_old": ("active", False),
        "revert": ("reverted", True),
        "revert_again": ("absent", False),
    }
    assert told["real"]["effect"]["backend"] == backend and told["real"]["effect"]["rules"] >= 30
    assert sorted(re.findall(r"'(cidr|names|exclude_cidr)' is deprecated", str(told["real_old"]["deprecations"]))) == ["cidr", "exclude_cidr", "names"]
    assert f"is held by the active attack {told['real']['id']}" in told["other"]["msg"]
    assert told["info"]["clean"] and told["info"]["history"][-1]["result"] == "reverted", told["info"]
