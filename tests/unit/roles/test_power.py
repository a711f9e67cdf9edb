# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The magic packet of the role power."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/power/files/wake_on_lan.py"


def script():
    spec = importlib.util.spec_from_file_location("wake_on_lan", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packet() -> None:
    assert script().packet("02:00:00:00:77:0A") == b"\xff" * 6 + bytes.fromhex("02000000770a") * 16
    assert len(script().packet("02-00-00-00-77-0a")) == 102


@pytest.mark.parametrize("mac", ["", "02:00", "02:00:00:00:77:zz", "02:00:00:00:77:01:02"])
def test_macs_that_are_none(mac: str) -> None:
    with pytest.raises(ValueError):
        script().packet(mac)


def test_it_is_sent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        subprocess.run([sys.executable, SCRIPT, "02:00:00:00:77:01", "127.0.0.1", str(receiver.getsockname()[1])], check=True)
        assert receiver.recv(2000) == script().packet("02:00:00:00:77:01")
