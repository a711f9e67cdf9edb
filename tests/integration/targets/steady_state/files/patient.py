# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""patient.py DIRECTORY SECONDS: an HTTP server and a TCP listener with a banner, and dnsmasq if it is installed.

Writes ports.json into the directory and ends after the seconds, or when the file "end" appears there.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Shop(BaseHTTPRequestHandler):
    """Answers as the path says."""

    count = 0

    def do_GET(self) -> None:
        kind, _slash, word = self.path.strip("/").partition("/")
        if kind == "hang":
            time.sleep(30)
        elif kind == "flaps":
            Shop.count += 1
            self.answer(200 if Shop.count % 2 else 503)
        else:
            self.answer(int(word) if kind == "status" else 200)

    def answer(self, status: int) -> None:
        body = json.dumps({"queue": {"depth": 42}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


def greet(server: socket.socket) -> None:
    while True:
        connection, _peer = server.accept()
        with connection:
            connection.sendall(b"220 patient ready\r\n")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main() -> None:
    directory, seconds = Path(sys.argv[1]), float(sys.argv[2])
    web = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    web.daemon_threads = True
    threading.Thread(target=web.serve_forever, daemon=True).start()
    banner = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=greet, args=(banner,), daemon=True).start()
    ports = {"http": web.server_port, "tcp": banner.getsockname()[1], "dns": 0}
    dnsmasq = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
    names = None
    if dnsmasq:
        ports["dns"] = free_udp_port()
        config = directory / "dnsmasq.conf"
        config.write_text(
            f"port={ports['dns']}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\npid-file=\n"
            "local=/example.com/\nhost-record=shop.example.com,10.1.2.3\n"
        )
        names = subprocess.Popen([dnsmasq, "--keep-in-foreground", f"--conf-file={config}"])
    partial = directory / "ports.tmp"
    partial.write_text(json.dumps(ports))
    partial.rename(directory / "ports.json")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (directory / "end").exists():
        time.sleep(0.2)
    if names:
        names.terminate()
        names.wait()


if __name__ == "__main__":
    main()
