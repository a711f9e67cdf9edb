# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe type prometheus against a real Prometheus that scrapes a small exporter.

Prometheus is taken from PATH. Where it is not there, the package of Debian is unpacked in the cache, outside of the checkout: nothing
is installed and no service is started.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import CHECKOUT

CACHE = Path(os.environ.get("FAULTLINE_CACHE", Path.home() / ".cache/faultline")) / "prometheus"


def prometheus_program() -> str:
    unpacked = CACHE / "usr/bin/prometheus"
    found = shutil.which("prometheus") or (str(unpacked) if unpacked.exists() else None)
    if found:
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    for command in (["apt-get", "-q", "download", "prometheus"], ["sh", "-c", "dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb"]):
        try:
            done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=300, check=False)
        except OSError as error:
            pytest.fail(f"These tests need Prometheus in PATH: {error}")
        if done.returncode:
            pytest.fail(f"These tests need Prometheus in PATH; {' '.join(command)} said: {done.stderr}")
    return str(unpacked)


class Exporter(BaseHTTPRequestHandler):
    """A service with a hundred requests a second, of which two in a hundred fail."""

    began = time.time()

    def do_GET(self) -> None:
        count = (time.time() - self.began) * 100
        lines = [f'requests_total{{code="200"}} {count * 0.98:.3f}', f'requests_total{{code="500"}} {count * 0.02:.3f}', "queue_depth 7"]
        lines += ["nothing_yet NaN", "many{n=\"1\"} 1", "many{n=\"2\"} 2"]  # fmt: skip
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def value_of(url: str, query: str) -> float | None:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
    except (OSError, urllib.error.URLError):
        return None
    return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module", name="prometheus")
def fixture_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped for some seconds."""
    program, place, port = prometheus_program(), tmp_path_factory.mktemp("prometheus"), free_port()
    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    exporter.daemon_threads = True
    threading.Thread(target=exporter.serve_forever, args=(0.05,), daemon=True).start()
    jobs = [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{exporter.server_port}", f"127.0.0.1:{free_port()}"]}]}]
    (place / "prometheus.yml").write_text(yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}))
    url = f"http://127.0.0.1:{port}"
    command = [program, f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (place / "log").open("wb") as log, subprocess.Popen(command, cwd=place, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while value_of(url, "count_over_time(queue_depth[1m]) >= 8") is None:
                assert process.poll() is None and time.monotonic() < deadline, (place / "log").read_text()[-2000:]
                time.sleep(0.5)
            yield url
        finally:
            process.terminate()
            exporter.shutdown()
            exporter.server_close()


def steady_state(tmp_path: Path, url: str, *probes: dict[str, Any]) -> dict[str, Any]:
    """The result of a task with these probes, each measured twice."""
    named = [{"name": f"p{number}", "type": "prometheus", "url": url, **probe} for number, probe in enumerate(probes)]
    task = {"faultline.chaos.steady_state": {"window": "2s", "abort": False, "probes": named}, "failed_when": False, "register": "found"}
    copy = {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(tmp_path / "found.json"), "mode": "0600"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, copy]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = {**kept, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [sys.executable, str(program), "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path / "found.json").read_text())


ERRORS = 'sum(rate(requests_total{code=~"5.."}[5s])) / sum(rate(requests_total[5s]))'


def test_good(prometheus: str, tmp_path: Path) -> None:
    result = steady_state(
        tmp_path,
        prometheus,
        {"query": ERRORS, "expect": {"value": "< 0.05"}},
        {"query": "queue_depth", "expect": {"min": 7, "max": 7}},
        {"query": "sum(rate(requests_total[5s]))", "range": "4s", "step": "1s", "reduce": "avg", "expect": {"min": 80, "max": 120}},
        {"query": "queue_depth", "range": "3s", "step": "1s", "reduce": "all", "expect": {"value": "== 7"}},
        {"query": "many", "series": "all", "expect": {"min": 1}},
        {"query": "many", "series": "any", "expect": {"value": "> 1"}},
        {"query": "nothing_yet", "expect": {"min": 1, "no_data": "good"}},
        {"query": "scalar(queue_depth)", "expect": {"value": "== 7"}},
    )
    assert result["met"], result["reason"]
    assert [probe["succeeded"] for probe in result["probes"]] == [2] * 8
    assert result["probes"][0]["series"][-1]["value"] == pytest.approx(0.02, rel=0.05)
    print("errors: asked 0.02, measured", result["probes"][0]["series"][-1]["value"])


def test_bad(prometheus: str, tmp_path: Path) -> None:
    result = steady_state(
        tmp_path,
        prometheus,
        {"query": ERRORS, "expect": {"value": "< 0.01"}},
        {"query": "up", "expect": {"min": 1}},
        {"query": "up", "series": "all", "expect": {"min": 1}},
        {"query": "absent_metric", "expect": {"min": 1}},
        {"query": "nothing_yet", "expect": {"min": 1}},
        {"query": "sum(", "expect": {"min": 1}},
        {"query": "queue_depth[1m]", "expect": {"min": 1}},
        {"query": "'text'", "expect": {"min": 1}},
        {"query": "up", "url": f"{prometheus}/not/here", "expect": {"min": 1}},
    )
    assert not result["met"]
    details = [probe["series"][-1]["detail"] for probe in result["probes"]]
    assert result["reason"] == f"p0: 2 of 2 samples failed, 100% must succeed; last: {details[0]}"
    assert details[0].startswith("value is 0.0") and details[0].endswith(", wanted < 0.01")
    assert details[1].startswith('2 series, such as up{instance="127.0.0.1:')
    assert details[2].startswith('up{instance="127.0.0.1:') and details[2].endswith(" is 0, wanted >= 1")
    assert details[3] == "no data: no series"
    assert details[4] == "no data: value is NaN"
    assert details[5].startswith("refused: bad_data: ") and "parse error" in details[5]
    assert details[6] == "a range of values is no number: use avg_over_time() or the like"
    assert details[7] == "a string is no number"
    assert details[8] == "status 404, not an answer of Prometheus; url must be its own address"
