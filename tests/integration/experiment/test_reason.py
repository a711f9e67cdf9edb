# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the last failed sample found is told wherever the verdict is told."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.experiment.support.fleet import Fleet

SENTENCE = "1347 of 3164 acknowledged writes are gone"


def test_the_reason_of_a_deviation(fleet: Fleet) -> None:
    class Ledger(BaseHTTPRequestHandler):
        """Intact as long as no host is under attack."""

        def do_GET(self) -> None:
            body = json.dumps({"intact": not fleet.active(), "lost": 1347, "acknowledged": 3164}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ledger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    expression = "intact || join(' ', [to_string(lost), 'of', to_string(acknowledged), 'acknowledged writes are gone'])"
    probe = {"name": "nothing is lost", "type": "http", "url": f"http://127.0.0.1:{server.server_port}/", "expect": {"json": expression}}
    try:
        result = fleet.experiment(fleet.plan(steady_state=[probe], step={"duration": "5s"}))
    finally:
        server.shutdown()
        server.server_close()
    assert (result.rc, result.record["verdict"]) != (0, "held"), result.output
    assert result.record["verdict"] == "deviated"
    reason = "nothing is lost: 1 of 1 samples failed of 25 planned, 100% must succeed; last: " + SENTENCE
    assert result.record["verdict_reason"] == f"The steady state was broken during pretend: {reason}."
    assert result.attacks[0]["steady_state"]["reason"] == reason
    assert f"Stop: pretend broke the steady state. {reason}" in result.output
    place = fleet.reports / result.record["run_id"]
    messages = [failure.get("message", "") for failure in ET.parse(place / "junit.xml").iter("failure")]
    assert [SENTENCE in message for message in messages] == [True, True]  # the probe, and the hypothesis
    assert (place / "report.html").read_text().count(f"last: {SENTENCE}") >= 3
    assert SENTENCE in (place / "journal.json").read_text()
