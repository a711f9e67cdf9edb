# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""clock_skew on real kernels: how wrong the clock is, how right it is afterwards, and whether time services are as they were."""

from __future__ import annotations

import importlib
import json

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

# Prints the clock minus the time since boot in nanoseconds: it changes with every step of the clock, and with nothing else.
METER = "import time; b = time.clock_gettime_ns; print(min((b(7) - a, r - a) for a, r in ((b(7), b(0)) for _ in range(50)))[1])"
# Prints the most and the least of that over some seconds, in seconds from a given value, and how often it changed by 0.1 s.
STROBE = """
import json, sys, time
right, looks, until = int(sys.argv[1]), [], time.monotonic() + 10
while time.monotonic() < until:
    a = time.clock_gettime_ns(7); looks.append((time.time_ns() - a - right) / 1e9); time.sleep(0.02)
print(json.dumps([min(looks), max(looks), sum(abs(a - b) > 0.1 for a, b in zip(looks, looks[1:]))]))
"""
LIMIT = 50.0  # milliseconds, the promise
DAEMON = "/usr/local/bin/chronyd"  # a time service of the tests that leaves the clock alone

UNIT = f"""[Unit]
Description=A time service of the tests
[Service]
ExecStart={DAEMON} 1000000
[Install]
WantedBy=multi-user.target
"""
NEEDS = """[Unit]
Description=A service that would stop with it
Requires=chrony.service
After=chrony.service
[Service]
ExecStart=/bin/sleep 1000000
"""
SCRIPT = """#!/bin/sh
# Provides: ntp
d="start-stop-daemon --exec /usr/local/bin/ntpd"
case $1 in
start) $d --start --background -- 1000000 ;;
stop) $d --stop --oknodo --retry 5 ;;
status) $d --status ;;
esac
"""


def right(lab: Lab, host: str) -> int:
    return int(lab.run(host, ["python3", "-c", METER]).out)


@pytest.fixture
def service(lab: Lab, n1: str):
    """chrony.service, active and enabled, with its second name, and a service that requires it."""
    lab.write(n1, "/etc/systemd/system/needs-chrony.service", NEEDS)
    lab.run(n1, f"cp /bin/sleep {DAEMON}; cat >/lib/systemd/system/chrony.service", stdin=UNIT)
    lab.run(n1, "ln -sf /lib/systemd/system/chrony.service /etc/systemd/system/chronyd.service; systemctl daemon-reload; systemctl -q enable --now chrony")
    lab.run(n1, "systemctl start needs-chrony")
    yield n1
    lab.module(n1, "faultline.chaos.revert", {"all": True})
    names = f"{DAEMON} /lib/systemd/system/chrony.service /etc/systemd/system/chronyd.service"
    lab.run(n1, "systemctl stop needs-chrony; rm -f /etc/systemd/system/needs-chrony.service", check=False)
    lab.run(n1, f"systemctl -q disable --now chrony; rm -f {names}; systemctl daemon-reload", check=False)


def service_states(lab: Lab, host: str) -> str:
    asked = "systemctl is-active chrony; systemctl is-enabled chrony chronyd; readlink /etc/systemd/system/chronyd.service"
    return " ".join(lab.run(host, asked, check=False).out.split())


@pytest.mark.parametrize("offset", ["-250ms", "+300s", "-5m", "1h", "24h"])
@pytest.mark.smoke
def test_steps_and_error(lab: Lab, n1: str, offset: str, tell) -> None:
    lab.run(n1, "while pgrep -x systemd-tmpfile; do sleep 1; done", check=False)  # its timer was jumped over by the test before
    before = right(lab, n1)
    found = steps(lab, n1, "clock_skew", {"offset": offset, "duration": "10m"}, measure=["python3", "-c", METER])
    effect, after = found["real"]["effect"], right(lab, n1)
    measured = (int(found["measured"]) - before) / 1e9
    error = (after - before) / 1e6
    tell("clock_skew", f"offset {offset}", effect["asked_seconds"], measured, "s")
    tell("clock_skew", f"after the revert of {offset}", 0, error, "ms")
    assert abs(measured - effect["asked_seconds"]) < 0.01
    assert abs(error) < LIMIT


def test_time_services_are_put_back(lab: Lab, service: str) -> None:
    before, states = right(lab, service), service_states(lab, service)
    look = ["sh", "-c", "systemctl is-active chrony needs-chrony; pgrep -cx chronyd"]
    found = steps(lab, service, "clock_skew", {"offset": "-2m", "duration": "10m"}, measure=look)
    after, states_after = right(lab, service), service_states(lab, service)
    print(f"service before: {states}; during: {found['measured'].split()}; after: {states_after}; error {(after - before) / 1e6:+.3f} ms")
    assert found["real"]["effect"]["stopped"] == ["chrony.service"]
    assert found["measured"].split() == ["inactive", "active", "0"]
    assert states == states_after and states.startswith("active enabled") and abs(after - before) / 1e6 < LIMIT


def test_a_time_daemon_of_nobody_is_refused(lab: Lab, n1: str) -> None:
    lab.run(n1, f"cp /bin/sleep {DAEMON}; setsid {DAEMON} 100000 </dev/null >/dev/null 2>&1 & sleep 0.5")
    try:
        refused = lab.module(n1, "faultline.chaos.clock_skew", {"duration": "1m"})
        assert refused["failed"] and "chronyd (pid" in refused["msg"], refused
    finally:
        lab.run(n1, f"pkill -KILL -x chronyd; rm -f {DAEMON}")


def test_strobe(lab: Lab, n1: str) -> None:
    before, options = right(lab, n1), {"offset": "-2s", "mode": "strobe", "interval": "500ms", "jitter": 20}
    result = lab.module(n1, "faultline.chaos.clock_skew", {**options, "duration": "10m"})
    assert not result.get("failed"), result
    least, most, changes = json.loads(lab.run(n1, ["python3", "-c", STROBE, str(before)]).out)
    gone = lab.module(n1, "faultline.chaos.clock_skew", {**options, "state": "absent"})
    error = (right(lab, n1) - before) / 1e6
    print(f"asked -2 s every 0.5 s: from {least:+.4f} to {most:+.4f} s, {changes} changes in 10 s; after the revert {error:+.3f} ms wrong")
    assert abs(least + 2) < 0.01 and abs(most) < 0.01 and 14 <= changes <= 26
    assert gone["status"] == "reverted" and abs(error) < LIMIT


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_the_timer_ends_it_on_time(lab: Lab, n1: str, offset: str) -> None:
    """The deadline counts the time since boot: it does not see the step."""
    before = right(lab, n1)
    result = lab.module(n1, "faultline.chaos.clock_skew", {"offset": offset, "duration": "20s"})
    assert not result.get("failed"), result
    took = wait_until(lambda: abs(right(lab, n1) - before) < 5e7, 60, "the dead-man sets the clock")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    history = lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["history"][-1]
    print(f"{offset}: {result['remaining']} s left, right again after {took:.1f} s, error {(right(lab, n1) - before) / 1e6:+.3f} ms, ended {history['ended']}")
    assert (history["id"], history["by"], history["result"]) == (result["id"], "timer", "reverted")
    assert took < result["remaining"] + 10


def test_somebody_who_sets_the_clock_is_undone_as_well(lab: Lab, n1: str) -> None:
    before = right(lab, n1)
    lab.module(n1, "faultline.chaos.clock_skew", {"offset": "+300s", "duration": "10m"})
    lab.run(n1, "date -s '+1 hour' >/dev/null")
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["clean"]
    assert abs(right(lab, n1) - before) / 1e6 < LIMIT


def test_certificates(lab: Lab, n1: str) -> None:
    sign = "ssh-keygen -q -s ca -I x -h -V -1h:+2h /etc/ssh/ssh_host_ed25519_key.pub"
    lab.run(n1, f"mkdir -p /root/ca && cd /root/ca && ssh-keygen -q -t ed25519 -N '' -f ca && {sign}")
    try:
        lab.run(n1, "echo HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub >/etc/ssh/sshd_config.d/fl.conf")
        for offset, wrong in (("3h", True), ("-90m", True), ("1h", False)):
            result = lab.module(n1, "faultline.chaos.clock_skew", {"offset": offset, "duration": "1m"}, check=True)
            assert bool(result.get("failed")) is wrong, result
            assert not wrong or result["msg"].startswith("offset: ") and "ssh_host_ed25519_key-cert.pub" in result["msg"]
    finally:
        lab.run(n1, "rm -rf /root/ca /etc/ssh/sshd_config.d/fl.conf /etc/ssh/ssh_host_ed25519_key-cert.pub")


def test_refusals(lab: Lab, n1: str) -> None:
    for wrapper, said in (
        ('exec unshare --pid --fork --mount-proc python3 "$@"', "container"),
        ('exec setpriv --bounding-set -sys_time --inh-caps -sys_time python3 "$@"', "CAP_SYS_TIME"),
    ):
        lab.write(n1, "/usr/local/bin/less", f"#!/bin/sh\n{wrapper}\n", "0755")
        task = {"vars": {"ansible_python_interpreter": "/usr/local/bin/less"}}
        refused = lab.module(n1, "faultline.chaos.clock_skew", {"duration": "1m"}, task=task)
        lab.run(n1, "rm -f /usr/local/bin/less")
        assert refused["failed"] and said in refused["msg"], refused
    assert "needs root" in lab.module(n1, "faultline.chaos.clock_skew", {"duration": "1m"}, user="ops")["msg"]
    assert lab.module(n1, "faultline.chaos.clock_skew", {"offset": "1y", "duration": "1m"})["msg"].startswith("offset: '1y' is refused")


def test_a_host_without_systemd(lab: Lab, n4: str) -> None:
    lab.write(n4, "/etc/init.d/ntp", SCRIPT, "0755")
    lab.run(n4, "cp /bin/sleep /usr/local/bin/ntpd; service ntp start </dev/null >/dev/null 2>&1")
    try:
        before = right(lab, n4)
        result = lab.module(n4, "faultline.chaos.clock_skew", {"offset": "+300s", "duration": "10m"})
        assert not result.get("failed"), result
        during = (right(lab, n4) - before) / 1e9
        assert result["effect"]["stopped"] == ["ntp"] and lab.run(n4, "pgrep -x ntpd", check=False).rc == 1
        gone = lab.module(n4, "faultline.chaos.clock_skew", {"offset": "+300s", "state": "absent"})
        error = (right(lab, n4) - before) / 1e6
        print(f"without systemd: asked +300 s, meter {during:+.6f} s; after the revert {error:+.3f} ms wrong")
        assert gone["status"] == "reverted" and abs(during - 300) < 0.01 and abs(error) < LIMIT
        assert lab.run(n4, "pgrep -x ntpd", check=False).rc == 0
        assert lab.module(n4, "faultline.chaos.attack_info", {"history": 1})["clean"]
    finally:
        lab.run(n4, "service ntp stop; rm -f /etc/init.d/ntp /usr/local/bin/ntpd", check=False)


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.clock_skew").EXAMPLES
    before, play = right(lab, n1), {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert abs(right(lab, n1) - before) / 1e6 < LIMIT
