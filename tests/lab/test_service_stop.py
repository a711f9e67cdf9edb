# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_stop under systemd and SysV init: services are down when asked, stay down when asked, and are as they were afterwards."""

from __future__ import annotations

import importlib
import shlex

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

ATTACK = "faultline.chaos.service_stop"
# fla needs its socket and is needed by flb; flc is a part of fla. Their files are where a package has them.
UNITS = {
    "fla.service": "[Unit]\nRequires=fla.socket\nAfter=fla.socket\n[Service]\nExecStart=/bin/sleep 100001\n[Install]\nWantedBy=multi-user.target\n",
    "fla.socket": "[Socket]\nListenStream=/run/fla.sock\n[Install]\nWantedBy=sockets.target\n",
    "flb.service": "[Unit]\nRequires=fla.service\nAfter=fla.service\n[Service]\nExecStart=/bin/sleep 100002\n",
    "flc.service": "[Unit]\nPartOf=fla.service\n[Service]\nExecStart=/bin/sleep 100003\n",
    "flo.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
}
ALL = " ".join(UNITS)
SHOW = ["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", *UNITS]
SCRIPT = """#!/bin/sh
# Provides: fla
d="start-stop-daemon --pidfile /run/fla.pid"
case $1 in
start) $d --start --background --make-pidfile --exec /bin/sleep -- 100001 ;;
stop) $d --stop --oknodo --retry 5 --remove-pidfile ;;
status) $d --status ;;
esac
"""


@pytest.fixture
def units(lab: Lab, n1: str):
    for name, text in UNITS.items():
        lab.write(n1, f"/lib/systemd/system/{name}", text)
    lab.run(n1, f"systemctl daemon-reload; systemctl -q enable fla.service; systemctl start {ALL}")
    yield n1
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    lab.run(n1, f"systemctl -q disable fla.service; systemctl stop {ALL}; systemctl reset-failed 'fl[abco].*'", check=False)
    lab.run(n1, f"cd /lib/systemd/system && rm -f {ALL}; systemctl daemon-reload")


def states(lab: Lab, host: str) -> str:
    return lab.run(host, SHOW).out


def active(lab: Lab, host: str, name: str = "fla.service") -> str:
    return lab.run(host, ["systemctl", "is-active", name], check=False).out.strip()


@pytest.mark.parametrize("options", [{}, {"mask": True}, {"self_heal": False, "interval": "2s"}], ids=["stop", "mask", "keep_down"])
@pytest.mark.smoke
def test_steps_and_states(lab: Lab, units: str, options: dict, tell) -> None:
    before = states(lab, units)
    still = f"systemctl list-units --plain --no-legend --state=active {ALL} | wc -l"
    look = f"{still}; systemctl start fla.service; sleep 6; for u in {ALL}; do echo $u $(systemctl is-active $u) $(systemctl is-enabled $u); done"
    found = steps(lab, units, "service_stop", {"services": ["fla"], "duration": "10m", **options}, measure=["sh", "-c", look])
    still, *lines = found["measured"].splitlines()
    during = dict(line.split(None, 1) for line in lines)
    print(f"{options}: after somebody started it: {during}")
    tell("service_stop", f"units that ended, of {len(UNITS)}, with what needs it", 4, len(UNITS) - int(still), "units")
    effect = found["real"]["effect"]
    assert (effect["asked"], effect["down"], effect["init"]) == (["fla.service"], ["fla.service"], "systemd")
    assert effect["stopped_with_them"] == ["fla.socket", "flb.service", "flc.service"]
    assert during["fla.service"].split()[0] == ("inactive" if options else "active")
    assert during["fla.service"].split()[1] == ("masked-runtime" if "mask" in options else "enabled")
    assert states(lab, units) == before


def test_its_socket_does_not_start_it(lab: Lab, units: str) -> None:
    lab.module(units, ATTACK, {"services": ["fla"], "duration": "10m"})
    touch = "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(2); s.connect('/run/fla.sock')"
    assert lab.run(units, ["python3", "-c", touch], check=False).rc != 0
    assert active(lab, units) == "inactive"
    assert lab.module(units, "faultline.chaos.revert", {"all": True})["clean"]
    assert active(lab, units) == active(lab, units, "fla.socket") == "active"
    assert lab.run(units, ["python3", "-c", touch], check=False).rc == 0


def test_somebody_started_it_without_its_socket(lab: Lab, units: str) -> None:
    """A socket cannot be started once its service runs: the undo stops the service for a moment."""
    before = states(lab, units)
    lab.module(units, ATTACK, {"services": ["fla"], "duration": "10m"})
    lab.run(units, "sed -i s/^Requires=.*// /lib/systemd/system/fla.service; systemctl daemon-reload; systemctl start fla.service; systemctl stop fla.socket")
    done = lab.module(units, "faultline.chaos.revert", {"all": True})
    assert done["clean"], done
    assert states(lab, units) == before


def test_the_timer_ends_it(lab: Lab, units: str) -> None:
    before = states(lab, units)
    result = lab.module(units, ATTACK, {"services": ["fla", "flb"], "mask": True, "duration": "45s"})
    assert not result.get("failed"), result
    wait_until(lambda: lab.module(units, "faultline.chaos.attack_info", {"history": 1})["clean"], 150, "the record is closed", interval=2)
    history = lab.module(units, "faultline.chaos.attack_info", {"history": 1})["history"]
    assert (history[-1]["id"], history[-1]["by"], history[-1]["result"]) == (result["id"], "timer", "reverted")
    assert states(lab, units) == before


def test_refusals(lab: Lab, units: str) -> None:
    lab.run(units, "systemd-run --quiet --unit=flt sleep 100004; systemctl stop flc")
    try:
        for name, said in (("flo", "oneshot"), ("flc", "does not run"), ("flt", "transient"), ("flnone", "not a service"), ("ssh", "protected"),
                           ("systemd-journald", "protected"), ("cron.*", "no pattern")):  # fmt: skip
            refused = lab.module(units, ATTACK, {"services": [name], "duration": "1m"})
            assert refused["failed"] and refused["msg"].startswith("services: ") and said in refused["msg"], refused
        lab.run(units, "mv /lib/systemd/system/flb.service /etc/systemd/system/; systemctl daemon-reload")
        refused = lab.module(units, ATTACK, {"services": ["flb"], "mask": True, "duration": "1m"})
        assert refused["failed"] and refused["msg"].startswith("mask: ") and "self_heal" in refused["msg"], refused
        assert "needs root" in lab.module(units, ATTACK, {"services": ["fla"], "duration": "1m"}, user="ops")["msg"]
    finally:
        lab.run(units, "systemctl stop flt; mv /etc/systemd/system/flb.service /lib/systemd/system/; systemctl daemon-reload", check=False)


def test_the_unit_that_we_run_in_is_refused(lab: Lab, units: str) -> None:
    wrapper = '#!/bin/sh\nexec systemd-run --quiet --pipe --wait --unit=flpull python3 "$@"\n'
    try:
        lab.write(units, "/usr/local/bin/pulled", wrapper, "0755")
        task = {"vars": {"ansible_python_interpreter": "/usr/local/bin/pulled", "ansible_pipelining": False}}
        refused = lab.module(units, ATTACK, {"services": ["flpull"], "duration": "1m"}, task=task)
        assert refused["failed"] and "control path" in refused["msg"], refused
    finally:
        lab.run(units, "rm -f /usr/local/bin/pulled")


def test_a_host_without_systemd(lab: Lab, n4: str) -> None:
    lab.write(n4, "/etc/init.d/fla", SCRIPT, "0755")
    lab.run(n4, "service fla start </dev/null >/dev/null 2>&1")
    up = shlex.join(["service", "fla", "status"])
    try:
        for options in ({}, {"self_heal": False, "interval": "1s"}):
            result = lab.module(n4, ATTACK, {"services": ["fla"], "duration": "10m", **options})
            assert not result.get("failed"), result
            assert result["effect"]["init"] == "sysv" and result["effect"]["down"] == ["fla"]
            lab.run(n4, "service fla start </dev/null >/dev/null 2>&1; sleep 4")
            rc = lab.run(n4, up, check=False).rc
            print(f"without systemd, {options}: status rc {rc} after somebody started it")
            assert rc == (3 if options else 0)
            assert lab.module(n4, ATTACK, {"services": ["fla"], "state": "absent", **options})["status"] == "reverted"
            assert lab.run(n4, up, check=False).rc == 0
        for name, option in (("cron", "services"), ("fla", "mask")):
            refused = lab.module(n4, ATTACK, {"services": [name], "mask": option == "mask", "duration": "1m"})
            assert refused["failed"] and refused["msg"].startswith(f"{option}: "), refused
        assert lab.module(n4, "faultline.chaos.attack_info", {"history": 1})["clean"]
    finally:
        lab.module(n4, "faultline.chaos.revert", {"all": True})
        lab.run(n4, "service fla stop; rm -f /etc/init.d/fla", check=False)


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.service_stop").EXAMPLES
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    lab.run(n1, "systemctl start nginx", timeout=120)
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        lab.run(n1, "systemctl stop nginx")
