# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action as a whole: what is documented is what is taken, and nothing outlives a playbook that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.modules import steady_state as module
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.steady_state import read_settings
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes import certificate, host, http_probe, k8s, net, prometheus
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import TYPES
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.local import descendants, marked

PROBES = [
    {"name": "http", "type": "http", "url": "http://x"},
    {"name": "tcp", "type": "tcp", "host": "x", "port": 1},
    {"name": "dns", "type": "dns", "query": "x"},
    {"name": "certificate", "type": "certificate_expiry", "host": "x"},
    {"name": "prometheus", "type": "prometheus", "url": "http://x", "query": "up", "expect": {"min": 1}},
    {"name": "k8s", "type": "k8s", "host": "https://x", "namespace": "x", "kind": "pod"},
    {"name": "command", "type": "command", "argv": ["x"]},
    {"name": "process", "type": "process", "run_on": "x"},
    {"name": "service", "type": "service", "run_on": "x"},
]


@pytest.fixture(name="taken")
def fixture_taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The names of all options that the code takes, by section."""
    found: dict[str, set[str]] = {}
    done = Options.done

    def spy(options: Options) -> None:
        done(options)
        section = options.where.rpartition(": ")[2] or "task"
        found.setdefault("probe" if section.startswith("probe ") else section, set()).update(options._known)

    monkeypatch.setattr(Options, "done", spy)
    read_settings({"probes": PROBES, "renew": {"hosts": ["x"], "run_id": "x", "lease": 30}})
    return found


def test_what_is_documented_is_what_is_taken(taken: dict[str, set[str]]) -> None:
    assert taken["task"] == set(module.ARGUMENT_SPEC)
    assert taken["probe"] == set(module.PROBE)
    assert taken["expect"] == set(module.EXPECT)
    assert taken["tolerance"] == set(module.TOLERANCE)
    assert taken["renew"] == set(module.RENEW)


def test_choices_and_defaults_are_the_same() -> None:
    assert set(module.PROBE["type"]["choices"]) == set(TYPES)
    assert tuple(module.PROBE["method"]["choices"]) == http_probe.METHODS
    assert tuple(module.PROBE["record"]["choices"]) == net.RECORDS
    assert tuple(module.EXPECT["state"]["choices"]) == host.SERVICE_STATES
    assert tuple(module.EXPECT["no_data"]["choices"]) == prometheus.NO_DATA
    assert tuple(module.PROBE["reduce"]["choices"]) == prometheus.REDUCTIONS
    assert tuple(module.PROBE["series"]["choices"]) == prometheus.SERIES
    assert tuple(module.PROBE["kind"]["choices"]) == k8s.KINDS
    assert tuple(module.PROBE["starttls"]["choices"]) == certificate.STARTTLS
    defaults = {name: option["default"] for name, option in module.ARGUMENT_SPEC.items() if "default" in option}
    probe_defaults = {name: option["default"] for name, option in module.PROBE.items() if "default" in option}
    implied, given = read_settings({"probes": PROBES[:1]}), read_settings({"probes": [{**PROBES[0], **probe_defaults}], **defaults})
    assert (implied.plan, implied.interval, implied.phase) == (given.plan, given.interval, given.phase)
    for name in ("timeout", "interval", "retries", "initial_delay", "phases", "tolerance"):
        assert getattr(implied.probes[0], name) == getattr(given.probes[0], name)


def test_the_result_is_documented() -> None:
    told = yaml.safe_load(module.RETURN)
    assert all(told[key]["returned"] == "always" for key in told)
    assert set(told) == {
        "met",
        "aborted",
        "reason",
        "inconclusive",
        "error",
        "phase",
        "started",
        "ended",
        "window_s",
        "interval_s",
        "settled_s",
        "lease_lost",
        "lease_deadlines",
        "probes",
    }


PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - faultline.chaos.steady_state:
        window: 120s
        abort: false
        probes:
          - {name: here, type: command, argv: [sleep, "SECONDS"], timeout: 60s}
          - {name: there, type: command, argv: [sleep, "SECONDS"], timeout: 60s, run_on: localhost}
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_playbook_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    seconds = f"61.{os.getpid()}{int(number)}"
    play = tmp_path / "play.yml"
    play.write_text(PLAY.replace("SECONDS", seconds))
    collections = next(parent for parent in Path(module.__file__).parents if parent.name == "ansible_collections").parent
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_LOCALHOST_WARNING": "false"}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(play)]
    playbook = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests run in the background of a shell
    )
    try:
        wait_until(lambda: len(of_words("sleep", seconds)) >= 2, 90)
        family = descendants(playbook.pid)
        assert len(family) >= 3
        playbook.send_signal(number)
        playbook.wait(30)
        wait_until(lambda: not of_words(seconds) and not any(runs(pid) for pid in family), 10)
    finally:
        playbook.kill()
        playbook.wait()
        for pid in of_words(seconds):
            os.kill(pid, signal.SIGKILL)
    assert marked(seconds) == []


def of_words(*words: str) -> list[int]:
    """All processes of this machine with these words in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(any(word == argument for argument in arguments) for word in words):
            found.append(int(path.parent.name))
    return found


def runs(pid: int) -> bool:
    """Whether the process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
