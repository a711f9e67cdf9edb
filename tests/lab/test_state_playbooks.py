# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready playbooks for faults of processes, services, clocks and hosts, from flat variables as a survey gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.support.lab import Lab, address

COMMON = {"fault_count": "1", "fault_percent": "", "fault_seed": "7", "fault_duration": "8s", "fault_settle": "20s", "fault_protected": "n3"}


@pytest.mark.parametrize(
    ("name", "variables", "attack"),
    [
        ("process_fault", {"fault_process": "nginx", "fault_action": "freeze", "fault_processes": "0"}, "process_freeze"),
        ("process_fault", {"fault_process": "nginx", "fault_port": "80", "fault_signal": "HUP"}, "process_kill"),
        ("service_fault", {"fault_service": "nginx", "fault_mask": "true"}, "service_stop"),
        ("clock_fault", {"fault_offset": "-2s", "fault_mode": "strobe", "fault_interval": "500ms"}, "clock_skew"),
        ("host_shutdown", {"fault_action": "reboot", "fault_delay": "2s", "fault_duration": "60s"}, "host_power"),
    ],
)
def test_a_ready_playbook(lab: Lab, n1: str, n2: str, tmp_path: Path, name: str, variables: dict, attack: str) -> None:
    lab.run(n2, "systemctl start nginx", timeout=120)
    try:
        told = {**COMMON, "fault_hosts": n2, "fault_tcp": f"{address(n1)}:22", "fault_report_dir": str(tmp_path), **variables}
        done = lab.playbook(f"faultline.chaos.{name}", told)
        assert done.rc == 0, done
        assert f"{attack} on n2" in done.out and list(tmp_path.glob("*/report.html"))
        assert lab.module(n2, "faultline.chaos.attack_info", {"history": 1})["history"][-1]["module"] == attack
    finally:
        lab.module(n2, "faultline.chaos.revert", {"all": True})
        lab.run(n2, "systemctl stop nginx", timeout=120)


def test_what_is_missing_is_said(lab: Lab) -> None:
    done = lab.playbook("faultline.chaos.process_fault", {"fault_hosts": "n2", "fault_process": "nginx"})
    assert done.rc != 0 and "one of fault_url and fault_tcp is required" in " ".join(done.out.split())
