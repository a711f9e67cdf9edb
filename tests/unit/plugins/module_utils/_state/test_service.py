# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services under systemd (as it answers), OpenRC and SysV (with scripts that really run): what is refused, what is stopped, what comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._state import service
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Undo
from ansible_collections.faultline.chaos.plugins.modules.service_stop import ServiceStop

RUNNING = {
    "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "FragmentPath": "/lib/systemd/system/x", "Type": "simple",
    "Transient": "no", "Job": "0", "CanStart": "yes", "CanStop": "yes", "RefuseManualStart": "no", "RefuseManualStop": "no", "NeedDaemonReload": "no",
}  # fmt: skip


class Answers:
    """A host whose systemd knows some units."""

    has_systemd = True

    def __init__(self, **units: dict) -> None:
        self.units = {name.replace("_", "."): {**RUNNING, **told} for name, told in units.items()}

    def tool(self, name: str) -> str:
        return f"/bin/{name}"

    def has_tool(self, name: str) -> bool:
        return True

    def read(self, path: str, default: str = "") -> str:
        return "0::/system.slice/backdoor.service\n" if path.endswith("/cgroup") else default

    def run(self, argv: list[str], check: bool = True) -> tuple[int, str, str]:
        assert argv[1] == "show", argv
        blocks = []
        for name in argv[argv.index("--") + 1 :]:
            unit = {"Id": name, **self.units.get(name, {"LoadState": "not-found", "ActiveState": "inactive"})}
            blocks.append("\n".join(f"{key}={value}" for key, value in unit.items()))
        return 0, "\n\n".join(blocks) + "\n", ""


def plan_for(names: list[str], **units: dict) -> dict:
    return service.Systemd(Answers(**units)).plan_for("services", names)


def attack(host=None, **params) -> ServiceStop:
    found = ServiceStop({"services": ["a"], "mask": False, "self_heal": True, "interval": "5s", **params}, host)
    found.duration = 30.0
    return found


@pytest.mark.parametrize(
    "names",
    [[], [""], ["*"], ["a b"], ["-a"], ["../a"], ["/etc/init.d/a"], ["a;id"], ["a\n"], ["x" * 300], ["a", "a"], ["a", "a.service"], ["a.socket"], ["a.timer"],
     ["sshd"], ["ssh"], ["ssh.service"], ["dbus"], ["dbus-broker"], ["systemd-logind"], ["networking"], ["NetworkManager"], ["NetworkManager-dispatcher"],
     ["firewalld"], ["faultline-x"], ["user@0"], ["multi-user.target"]],
)  # fmt: skip
def test_names_that_are_refused(names: list[str]) -> None:
    with pytest.raises(BadOption, match="^services: "):
        attack(services=names).validate()


@pytest.mark.parametrize("name", ["nginx", "redis-server@6379", "a.b", "php8.2-fpm", "foo\\x2dbar", "getty@tty1.service"])
def test_names(name: str) -> None:
    attack(services=[name]).validate()


@pytest.mark.parametrize("interval", [0, "999ms", "61m", "", None, True, "1s; id"])
def test_intervals_that_are_refused(interval) -> None:
    with pytest.raises(BadOption, match="^interval: "):
        attack(interval=interval).validate()


def test_resources() -> None:
    assert attack(services=["b.service", "a"]).resources() == ["service:a", "service:b"]


@pytest.mark.parametrize(
    ("unit", "error", "said"),
    [
        ({"LoadState": "not-found", "ActiveState": "inactive"}, AttackError, "not a service of the target"),
        ({"ActiveState": "inactive"}, AttackError, "does not run .inactive."),
        ({"ActiveState": "failed"}, AttackError, "does not run .failed."),
        ({"ActiveState": "activating"}, AttackError, "does not run .activating."),
        ({"Job": "77"}, AttackError, "try again"),
        ({"LoadState": "masked"}, NotRestorable, "is masked"),
        ({"Transient": "yes"}, NotRestorable, "transient"),
        ({"Type": "oneshot"}, NotRestorable, "oneshot"),
        ({"RefuseManualStop": "yes"}, AttackError, "refuses"),
        ({"CanStart": "no"}, AttackError, "refuses"),
        ({"Id": "ssh.service"}, AttackError, "control path"),
        ({"Id": "backdoor.service"}, AttackError, "control path"),  # whatever its name, our own parents run in it
    ],
)
def test_units_that_are_refused(unit: dict, error: type, said: str) -> None:
    with pytest.raises(error, match=f"^services: .*{said}"):
        plan_for(["a"], a_service=unit)


@pytest.mark.parametrize(
    ("other", "unit", "said"),
    [
        ("b.mount", {}, "more than a service"),
        ("systemd-journald.service", {}, "control path"),
        ("b.service", {"Type": "oneshot"}, "oneshot"),
        ("b.service", {"ActiveState": "activating"}, "try again"),
        ("b.timer", {"TimersMonotonic": "{ OnActiveUSec=1min ; next_elapse=2min }"}, "counts from its own start"),
    ],
)
def test_what_would_stop_as_well_is_refused_too(other: str, unit: dict, said: str) -> None:
    with pytest.raises(AttackError, match=f"{other}.*{said}"):
        plan_for(["a"], a_service={"RequiredBy": other}, **{other.replace(".", "_"): unit})


def test_a_service_is_stopped_without_what_requires_it() -> None:
    systemd = service.Systemd(Answers(a_service={"RequiredBy": "b.service", "BoundBy": "c.service"}, b_service={}, c_service={"ActiveState": "inactive"}))
    assert systemd.stop_alone("offset", ["a.service"]) == [(["/bin/systemctl", "stop", "--job-mode=ignore-dependencies", "a.service"], None)]
    systemd.host.units["c.service"]["ActiveState"] = "active"
    with pytest.raises(AttackError, match="^offset: c.service would stop with a.service"):
        systemd.stop_alone("offset", ["a.service"])


def test_what_stops_with_it_is_found() -> None:
    found = plan_for(
        ["a", "z"],
        a_service={"TriggeredBy": "a.socket a.timer", "RequiredBy": "b.service idle.service", "ConsistsOf": "c.service"},
        a_socket={"RequiredBy": "a.service"},
        a_timer={"TimersMonotonic": "{ OnBootUSec=1min ; next_elapse=2min }"},
        b_service={"BoundBy": "d.service"},
        c_service={},
        d_service={"TriggeredBy": "off.socket"},
        idle_service={"ActiveState": "inactive", "Type": "oneshot"},
        off_socket={"ActiveState": "inactive"},
        z_service={},
    )
    assert found["services"] == ["a.service", "z.service"]
    assert found["triggers"] == ["a.socket", "a.timer"]
    assert found["others"] == ["b.service", "c.service", "d.service"]
    undo = Undo()
    manager = service.Systemd(Answers())
    manager.restore(undo, found)
    told = [" ".join(step.argv) for each in undo.steps for step in getattr(each, "steps", [each])]
    assert told == ["/bin/systemctl stop a.service"] + [
        f"/bin/systemctl {verb} {name}"
        for name in ("a.socket", "a.timer", "a.service", "z.service", "b.service", "c.service", "d.service")
        for verb in ("reset-failed", "start")
    ]
    asked = "if fails /bin/systemctl is-active --quiet a.socket && ! fails /bin/systemctl is-active --quiet a.service; then"
    assert undo.steps[0].render()[1].startswith(asked)
    assert len(undo.checks) == 7


def test_a_mask_is_undone_before_the_start() -> None:
    host = Answers(a_service={})
    found = attack(host, mask=True)
    found.validate()
    found.guard()
    plan = found.plan(found.snapshot())
    assert [argv for argv, _stdin in plan.steps] == [["/bin/systemctl", "stop", "a.service"], ["/bin/systemctl", "mask", "--quiet", "--runtime", "a.service"]]
    assert [step.argv[1] for each in plan.undo.steps for step in getattr(each, "steps", [each])] == ["unmask", "reset-failed", "start"]
    assert "readlink /run/systemd/system/a.service" in plan.undo.steps[0].render()[1]


@pytest.mark.parametrize("unit", [{"FragmentPath": "/etc/systemd/system/a.service"}, {"FragmentPath": ""}, {"NeedDaemonReload": "yes"}])
def test_masks_that_are_refused(unit: dict) -> None:
    found = attack(Answers(a_service=unit), mask=True)
    found.guard()
    with pytest.raises(AttackError, match="^mask: "):
        found.plan(found.snapshot())


def test_a_mask_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "MASKS", str(tmp_path))
    (tmp_path / "a.service").symlink_to("/dev/null")
    found = attack(Answers(a_service={}), mask=True)
    found.guard()
    with pytest.raises(AttackError, match="not ours"):
        found.plan(found.snapshot())


def test_active_passes_over_what_is_not_there() -> None:
    manager = service.Systemd(Answers(chrony_service={}, chronyd_service={"Id": "chrony.service"}, ntp_service={"ActiveState": "inactive"}))
    assert manager.active(["chronyd", "chrony", "ntp", "openntpd"]) == ["chrony.service"]
    with pytest.raises(AttackError, match="try again"):
        service.Systemd(Answers(ntp_service={"ActiveState": "deactivating"})).active(["ntp"])
    with pytest.raises(NotRestorable):
        service.Systemd(Answers(ntp_service={"LoadState": "masked"})).active(["ntp"])


# --- init scripts, which really run --------------------------------------------------------------------------------------

SCRIPT = """#!/bin/sh
case $1 in
start) touch {pid} ;;
stop) rm -f {pid} ;;
status) [ -e {pid} ] && exit 0; exit {down} ;;
needsme) echo child ;;
esac
"""


@pytest.fixture
def scripts(bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Init scripts in a directory of the test; rc-service runs them."""
    monkeypatch.setattr(service, "INIT_SCRIPTS", str(tmp_path))
    monkeypatch.setattr(service, "OPENRC", str(tmp_path / "openrc"))
    monkeypatch.setattr(type(bench.host), "has_systemd", False)
    monkeypatch.setattr(bench.host, "has_tool", lambda name: name != "service")
    tools = {"rc-service": str(tmp_path / "rc-service")}
    monkeypatch.setattr(bench.host, "tool", lambda name: tools[name])

    def add(name: str, running: bool = True, down: int = 3) -> Path:
        pid = tmp_path / f"{name}.pid"
        (tmp_path / name).write_text(SCRIPT.format(pid=pid, down=down))
        (tmp_path / name).chmod(0o755)
        if running:
            pid.touch()
        return pid

    (tmp_path / "rc-service").write_text(f'#!/bin/sh\nexec {tmp_path}/"$@"\n')
    (tmp_path / "rc-service").chmod(0o755)
    return add


@pytest.mark.parametrize("init", ["sysv", "openrc"])
def test_a_script_is_stopped_and_started(bench, shell, scripts, tmp_path: Path, init: str) -> None:
    if init == "openrc":
        (tmp_path / "openrc" / "started").mkdir(parents=True)
    pid = scripts("a")
    found = attack(bench.host)
    found.validate()
    found.guard()
    assert found.manager.kind == init
    plan = found.plan(found.snapshot())
    assert pid.exists()
    directory = bench.publish("a", plan.undo)
    found.inject(plan)
    assert not pid.exists()
    assert found.verify(plan) == {"init": init, "asked": ["a"], "down": ["a"], "stopped_with_them": [], "masked": []}
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert pid.exists()


@pytest.mark.parametrize(
    "name", ["openvpn-client@hq", "wg-quick@wg0.service", "strongswan-starter", "ipsec", "tailscaled", "zerotier-one", "nebula@hq", "tinc@hq", "vpnc@hq"]
)
def test_the_network_by_which_the_controller_comes_is_protected(name: str) -> None:
    with pytest.raises(BadOption, match="^services: .*protected"):
        service.check_names("services", [name])


def test_a_name_that_only_begins_like_a_vpn_is_not_protected() -> None:
    service.check_names("services", ["nebula-dashboard", "tincture", "ipsec-exporter"])


def test_scripts_that_are_refused(bench, scripts, tmp_path: Path) -> None:
    scripts("off", running=False)
    scripts("vague", running=False, down=1)
    scripts("cron")
    manager = service.manager(bench.host)
    for name, error, said in (
        ("off", AttackError, "does not run"),
        ("vague", NotRestorable, "does not say"),
        ("none", AttackError, "not a service"),
        ("cron", AttackError, "protected"),
    ):
        with pytest.raises(error, match=f"^services: .*{said}"):
            manager.plan_for("services", [name])
    found = attack(bench.host, mask=True)
    with pytest.raises(BadOption, match="^mask: "):
        found.guard()
    os.symlink(tmp_path / "cron", tmp_path / "crond")
    assert manager.active(["cron", "crond", "off", "none"]) == ["cron"]


def test_openrc_names_what_needs_it(bench, scripts, tmp_path: Path) -> None:
    (tmp_path / "openrc" / "started").mkdir(parents=True)
    (tmp_path / "openrc" / "started" / "child").touch()
    scripts("a")
    manager = service.manager(bench.host)
    with pytest.raises(AttackError, match="child would stop with a: name them"):
        manager.plan_for("services", ["a"])
    scripts("child")
    assert manager.plan_for("services", ["child", "a"])["services"] == ["child", "a"]


def test_a_service_that_does_not_stop_is_an_error(bench, scripts, tmp_path: Path) -> None:
    scripts("a")
    script = tmp_path / "a"
    script.write_text(script.read_text().replace("rm -f", "true"))
    found = attack(bench.host)
    found.guard()
    plan = found.plan(found.snapshot())
    found.inject(plan)
    with pytest.raises(AttackError, match="a runs in spite of it"):
        found.verify(plan)


def test_no_init_is_an_error(bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "INIT_SCRIPTS", str(tmp_path / "none"))
    monkeypatch.setattr(service, "OPENRC", str(tmp_path / "none"))
    monkeypatch.setattr(type(bench.host), "has_systemd", False)
    with pytest.raises(AttackError, match="neither systemd"):
        service.manager(bench.host)
