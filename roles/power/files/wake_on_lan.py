# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""wake_on_lan.py MAC ADDRESS PORT: send a magic packet, six bytes of ones and the MAC sixteen times. Runs on the controller."""

import socket
import sys


def packet(mac):
    number = bytes.fromhex(mac.replace(":", "").replace("-", ""))
    if len(number) != 6:
        raise ValueError(f"a MAC has six bytes: {mac}")
    return b"\xff" * 6 + number * 16


def send(mac, address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(packet(mac), (address, port))


if __name__ == "__main__":
    send(sys.argv[1], sys.argv[2], int(sys.argv[3]))
