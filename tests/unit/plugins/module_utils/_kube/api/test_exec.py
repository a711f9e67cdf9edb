# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a container that breaks is one of our errors, and keeps nothing else from being undone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Unreachable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.exec import NoProgram

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
pytest.importorskip("kubernetes")


def frame(channel: int, text: str) -> bytes:
    return bytes([0x82, len(text) + 1, channel]) + text.encode()


SUCCESS = frame(3, '{"status": "Success"}')
CLOSE = b"\x88\x02\x03\xe8"


def greet(connection: socket.socket) -> None:
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", connection.recv(65536), re.I).group(1).decode()
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    connection.sendall(("\r\n".join([*lines, "Sec-WebSocket-Protocol: v4.channel.k8s.io"]) + "\r\n\r\n").encode())


@pytest.fixture
def kubelet() -> Iterator[Callable[..., Cluster]]:
    """A cluster whose containers answer with these bytes; None: not at all. hang: the connection stays then."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(answer: bytes | None, hang: bool) -> None:
        connection = listening.accept()[0]
        with connection:
            if answer is not None:
                greet(connection)
                connection.sendall(answer)
            if hang:
                over.wait(20)

    def make(answer: bytes | None, hang: bool = False) -> Cluster:
        threading.Thread(target=serve, args=(answer, hang), daemon=True).start()
        return Cluster({"host": f"http://127.0.0.1:{listening.getsockname()[1]}"})

    yield make
    over.set()
    listening.close()


def run(cluster: Cluster, timeout: float = 5.0) -> tuple:
    return kube_exec.run(cluster, "shop", "web", "main", ["true"], timeout)


def test_a_program_and_its_status(kubelet) -> None:
    assert run(kubelet(frame(1, "out") + frame(2, "err") + SUCCESS + CLOSE)) == (0, "out", "err")
    failed = '{"status":"Failure","details":{"causes":[{"message":"7"}]}}'
    assert run(kubelet(frame(3, failed) + CLOSE))[0] == 7
    with pytest.raises(NoProgram):
        run(kubelet(frame(3, '{"status": "Failure", "message": "no such file"}') + CLOSE))


@pytest.mark.parametrize("answer", [b"", frame(1, "out"), frame(1, "output")[:4], CLOSE], ids=["at once", "later", "in a frame", "politely"])
def test_a_connection_that_is_dropped(kubelet, answer: bytes) -> None:
    """Without its status a program may have done anything: that is no missing program."""
    with pytest.raises(Unreachable, match="cannot be reached: "):
        run(kubelet(answer))


def test_half_of_a_frame_and_nothing_more(kubelet) -> None:
    with pytest.raises(Unreachable):
        run(kubelet(frame(1, "output")[:4], hang=True), timeout=0.3)


def test_a_connection_that_is_never_answered(kubelet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_exec, "_CONNECT", 0.2)
    with pytest.raises(Unreachable, match="an exec into shop/web was not answered"):
        run(kubelet(None, hang=True), timeout=0.3)


def test_a_program_that_goes_on(kubelet) -> None:
    assert run(kubelet(frame(1, "out"), hang=True), timeout=0.4) == (None, "out", "")


@pytest.mark.parametrize("channel", [1, 2])
def test_output_without_end_is_not_read_further(kubelet, monkeypatch: pytest.MonkeyPatch, channel: int) -> None:
    """Case 21 of the adversaries: a program of a tenant's image in the place of ours wrote 384 MiB in 2 s."""
    monkeypatch.setattr(kube_exec, "LARGEST", 1000)
    with pytest.raises(AttackError, match="true in shop/web wrote more than 1000 characters, which is the limit"):
        run(kubelet(frame(channel, "x" * 100) * 50, hang=True))
    assert run(kubelet(frame(channel, "x" * 100) * 10 + SUCCESS + CLOSE))[0] == 0


def test_the_answer_of_a_refused_handshake_is_read() -> None:
    """The client puts headers and answer into one sentence; the answer alone says who may not."""
    answer = {"kind": "Status", "message": 'pods "web" is forbidden: User "chaos" cannot create resource "pods/exec"', "reason": "Forbidden"}
    told = "Handshake status 403 Forbidden -+-+- {'date': 'Mon'} -+-+- "
    for written in (json.dumps(answer), repr(json.dumps(answer).encode())):  # websocket-client from 1.9 on, and before
        assert json.loads(kube_exec._answer_of_handshake(f"{told}{written} ")) == answer
    assert kube_exec._answer_of_handshake("no route") == "no route"
