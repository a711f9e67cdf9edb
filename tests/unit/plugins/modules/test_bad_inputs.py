# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody could get wrong, given to every attack on hosts as Ansible gives it: to the module itself, in check mode and for real.

Each is one error that names the option, and comes before anything is on the disk. The tests of each attack have more values of its own options.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.faultline.chaos.plugins.module_utils._host import host
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack as lifecycle_attack, journal
from tests.support.paths import CHECKOUT

ATTACKS = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())["action_groups"]["attacks"]

# Options with which each attack has nothing to complain about before it looks at the target. Of those that are not here they are its first example's.
GOOD: dict[str, dict[str, Any]] = {
    "blackhole": {"peers": ["192.0.2.0/24"]},
    "clock_skew": {"offset": "+300s"},
    "cpu_stress": {"load": 50},
    "custom": {"inject": ["touch", "/run/x"], "undo": ["rm", "-f", "/run/x"]},
    "disk_fill": {"path": "/var/tmp", "percent": 50},
    "dns_fault": {"domains": ["db.example.com"]},
    "fd_exhaustion": {"process": "nginx"},
    "file_fault": {"path": "/etc/shop.conf", "op": "remove"},
    "host_power": {"action": "reboot"},
    "interface_down": {"interface": "eth1"},
    "io_stress": {"path": "/var/tmp"},
    "io_throttle": {"service": "nginx", "read_bps": "1MiB"},
    "memory_stress": {"percent": 50},
    "netem": {"delay": "100ms"},
    "pid_exhaustion": {"percent": 50},
    "port_occupy": {"ports": ["8080"]},
    "process_freeze": {"name": "nginx"},
    "process_kill": {"name": "nginx"},
    "service_stop": {"services": ["nginx"]},
    "socket_exhaustion": {"percent": 50},
}


def of_example(attack: str) -> dict[str, Any]:
    """The options of the first example of a module, but for those that all attacks have."""
    module = importlib.import_module(f"ansible_collections.faultline.chaos.plugins.modules.{attack}")
    [options] = [value for key, value in yaml.safe_load(module.EXAMPLES)[0].items() if key == f"faultline.chaos.{attack}"]
    return {option: value for option, value in options.items() if option not in lifecycle_attack.COMMON_OPTIONS}


GOOD.update({attack: of_example(attack) for attack in ATTACKS if attack not in GOOD})

DURATIONS = [0, -1, "0s", "-1s", "nan", float("nan"), 1e9, "1e9", "1y", "2h", "5m; rm -rf /", "010", "010s", "", None, True, [], {}]
IDS = ["", "/", "../x", "a\0b", "a b", "x" * 300, "sweep", "$(id)", "a\n"]
PERCENTS = [0, 101, -1, "50 %", "half", "", True, float("nan"), [50], "50; id"]
SHARES = [101, -1, "50 %", "half", True, float("nan"), "50; id"]
INTERFACES = ["", "../x", "eth0; id", "a234567890123456", "a/b", "a b", "."]
NETWORKS = ["300.1.1.1", "10.0.0.0/33", "::ffff:1.2.3.4", "0.0.0.0/0", "::/0", "$(id)", "", "10.0.0.1; id"]
PORTS = ["0", "65536", "80-22", "-1", "010", "80;id", "80-", "", "http"]
PROGRAMS = ["", " ", ".*", "a|b", "^x", "a\nb", "sshd", "systemd", "init"]
PATHS = ["", "relative", "../x", "/srv/../etc", "/proc/self", "/sys", "/dev", "/srv\n/x", "/srv\0x", "~/x"]
SIZES = ["", 0, -1, "10XB", "10 MB; id", True, float("nan"), "010", [1]]


def shared(attacks: Sequence[str], option: str, values: list[Any], more: dict[str, Any] | None = None) -> list[tuple[str, str, list[Any], dict[str, Any]]]:
    """Rows for an option that several attacks read alike: every value once and every attack at least once, and not each by each."""
    both = range(max(len(attacks), len(values)))
    return [(attacks[number % len(attacks)], option, [values[number % len(values)]], more or {}) for number in both]


# Attack, option, values that are refused for it, and the other options that they need.
TABLE: list[tuple[str, str, list[Any], dict[str, Any]]] = [
    *shared(("disk_fill", "memory_stress", "pid_exhaustion", "socket_exhaustion"), "percent", PERCENTS),
    ("fd_exhaustion", "percent", PERCENTS[:2], {"process": None}),
    ("cpu_stress", "load", PERCENTS, {}),
    *[("netem", option, SHARES, {"delay": "10ms"}) for option in ("loss", "corrupt", "duplicate", "reorder")],
    *shared(("interface_down", "netem", "blackhole"), "interface", INTERFACES),
    ("netem", "peers", [[value] for value in NETWORKS], {}),
    ("netem", "exclude", [[value] for value in NETWORKS], {}),
    ("blackhole", "peers", [[value] for value in NETWORKS], {}),
    ("blackhole", "exclude", [[value] for value in NETWORKS], {}),
    ("netem", "local_ports", [[value] for value in PORTS], {}),
    *shared(("netem", "blackhole"), "exclude_ports", [[value] for value in PORTS]),
    *shared(("netem", "blackhole"), "protocols", [["0"], ["256"], ["-1"], ["vrpp"], [""], ["060"], ["1; id"], ["43"]]),
    *shared(("netem", "blackhole", "interface_down"), "control_addresses", [["300.1.1.1"], ["10.0.0.0/33"], ["$(id)"], [""]]),
    ("port_occupy", "address", ["300.1.1.1", "10.0.0.0/8", "::ffff:1.2.3.4", "", "1.2.3.4; id"], {}),
    ("dns_fault", "addresses", [["300.1.1.1"], ["10.0.0.0/8"], [""], []], {"mode": "spoof"}),
    *shared(("netem", "blackhole", "port_occupy"), "ports", [[value] for value in PORTS]),
    ("blackhole", "local_ports", [[value] for value in PORTS], {}),
    *shared(("process_kill", "process_freeze"), "port", [0, 65536, -1, "80-22", "http", True], {"name": None}),
    ("netem", "delay", ["100", "-1ms", "61s", "", "1y", "10ms; id"], {}),
    ("netem", "jitter", ["20ms", "5", "-1ms"], {"delay": "10ms"}),
    ("dns_fault", "delay", ["100", "-1ms", "", "1y", "10ms; id"], {"mode": "delay"}),
    ("host_power", "delay", [0, -1, "2h", "", "1y", True, "5s; id"], {}),
    *shared(("process_kill", "process_freeze"), "name", PROGRAMS),
    ("fd_exhaustion", "process", PROGRAMS, {}),
    *shared(("process_kill", "process_freeze"), "count", [-1, "x", 1.5]),
    ("service_stop", "services", [[], [""], [".*"], ["../x"], ["a b"], ["a;id"], ["-x"]], {}),
    ("dns_fault", "domains", [[], [""], ["*"], ["a b"], ["10.0.0.1"], ["x;id.example"], ["a..b"], ["a" * 64 + ".example"]], {}),
    ("custom", "inject", [[], [""], ["-x"], ["a=b"], ["a\0b"]], {}),
    ("custom", "undo", [[], [""], ["-x"], ["a=b"], ["a\0b"]], {}),
    *shared(("disk_fill", "io_stress", "file_fault"), "path", PATHS),
    ("file_fault", "path", ["/etc/passwd", "/etc/shadow", "/bin/sh", "/var/lib/faultline/x"], {}),
    ("disk_fill", "size", SIZES, {"percent": None}),
    ("disk_fill", "leave_free", ["", -1, "10XB", True], {"percent": None}),
    ("memory_stress", "amount", SIZES, {"percent": None}),
    ("io_stress", "file_size", SIZES, {}),
    ("io_stress", "block_size", SIZES, {}),
    ("io_throttle", "read_bps", SIZES, {}),
    ("io_throttle", "read_iops", [0, -1, "x"], {}),
    ("io_throttle", "service", ["", "../x", "a b", "a;id"], {}),
    ("clock_skew", "offset", ["1y", 0, "0s", "+25h", "", True, "5m; id", "nan"], {}),
    ("clock_skew", "interval", [0, "", "1y", True], {"mode": "strobe"}),
    ("cpu_stress", "cpus", [[], ["-1"], ["a"], ["3-1"]], {}),
    ("cpu_stress", "ramp", [-1, "1y", "", True], {}),
    ("file_fault", "seed", ["", "x", 2**70], {"op": "bit_flip", "count": 1}),
    ("file_fault", "count", [0, -1], {"op": "bit_flip"}),
    ("file_fault", "mode", ["", "9999", "u+x", "0777; id"], {"op": "chmod"}),
    ("pid_exhaustion", "count", [0, -1], {"percent": None}),
    ("socket_exhaustion", "reserve", [-1, 0, 65536], {}),
    # a word that is none of an option's
    ("netem", "direction", ["sideways", ""], {}),
    ("blackhole", "action", ["kill", ""], {}),
    ("dns_fault", "mode", ["sometimes"], {}),
    ("file_fault", "op", ["shred"], {}),
    ("host_power", "action", ["explode"], {}),
    ("process_kill", "signal", ["STOP", "9"], {}),
    *shared([*GOOD], "state", ["gone"]),
    # options of all attacks
    *shared([*GOOD], "duration", DURATIONS),
    *shared([*GOOD], "max_duration", ["25h", 0, "x"]),
    *shared([*GOOD], "lease", ["2m", 0, "", "5s; id"]),
    *shared([*GOOD], "id", IDS),
    *shared([*GOOD], "run_id", ["", "*", "a b", "a/b"]),
    *shared([*GOOD], "durration", ["1m"]),
]
CASES = [(attack, option, value, more) for attack, option, values, more in TABLE for value in values]


class Refused(Exception):
    """The module has failed: its result."""


class Passed(Exception):
    """The module went on to the target."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """run(ATTACK, OPTIONS, check_mode): the message of the module's one failure; Passed when it would have looked at the target."""

    def main(attack: str, options: dict[str, Any], check_mode: bool, root: bool = True) -> str:
        module = importlib.import_module(f"ansible_collections.faultline.chaos.plugins.modules.{attack}")
        given = {key: value for key, value in options.items() if value is not None}
        arguments = {"ANSIBLE_MODULE_ARGS": {**given, "_ansible_check_mode": check_mode, "_ansible_diff": True, "_ansible_remote_tmp": str(tmp_path)}}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        monkeypatch.setattr(journal, "state_dir", lambda: str(tmp_path / "state"))
        monkeypatch.setattr(host.Host, "is_root", root)
        told: list[str] = []

        def fail(_module: basic.AnsibleModule, msg: str, **_details: Any) -> None:
            told.append(msg)
            raise Refused

        def go_on(_lifecycle: Any, *_times: float) -> None:
            raise Passed

        monkeypatch.setattr(basic.AnsibleModule, "fail_json", fail)
        monkeypatch.setattr(lifecycle_attack._Lifecycle, "_present", go_on)
        with pytest.raises(Refused):
            module.main()
        [message] = told
        assert not (tmp_path / "state").exists(), "something was written before"
        return message

    return main


@pytest.mark.parametrize("attack", sorted(GOOD))
def test_the_options_of_the_table_are_good_ones(run, attack: str) -> None:
    """Else what is refused below might be refused for them."""
    for check_mode in (True, False):
        with pytest.raises(Passed):
            run(attack, {**GOOD[attack], "duration": "1m"}, check_mode)


@pytest.mark.parametrize(("attack", "option", "value", "more"), CASES, ids=lambda value: "" if isinstance(value, dict) else repr(value)[:24])
def test_bad_input_is_one_error_that_names_the_option(run, attack: str, option: str, value: Any, more: dict) -> None:
    options = {"duration": "1m", **GOOD[attack], **more, option: value}
    messages = {run(attack, options, check_mode) for check_mode in (True, False)}
    assert len(messages) == 1, messages
    assert re.search(rf"\b{option}\b", messages.pop())


@pytest.mark.parametrize(
    ("attack", "missing"),
    [
        ("custom", "inject"), ("custom", "undo"), ("disk_fill", "path"), ("disk_fill", "percent"), ("dns_fault", "domains"), ("file_fault", "path"),
        ("file_fault", "op"), ("host_power", "action"), ("interface_down", "interface"), ("io_throttle", "service"), ("io_throttle", "read_bps"),
        ("netem", "delay"), ("port_occupy", "ports"), ("process_freeze", "name"), ("process_kill", "name"), ("service_stop", "services"),
        ("blackhole", "peers"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(run, attack: str, missing: str) -> None:
    options = {"duration": "1m", **GOOD[attack], missing: None}
    assert {missing in run(attack, options, check_mode) for check_mode in (True, False)} == {True}


@pytest.mark.parametrize("attack", sorted(GOOD))
def test_without_become_it_is_said_what_is_needed(run, attack: str) -> None:
    module = importlib.import_module(f"ansible_collections.faultline.chaos.plugins.modules.{attack}")
    [kind] = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, lifecycle_attack.Attack) and each.name == attack]
    for check_mode in (True, False):
        if kind.needs_root:
            assert run(attack, {**GOOD[attack], "duration": "1m"}, check_mode, root=False) == f"{attack} needs root on the target: set become: true"
        else:
            with pytest.raises(Passed):
                run(attack, {**GOOD[attack], "duration": "1m"}, check_mode, root=False)
