# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target that somebody came to by SSH, for unit tests that look for no real server."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace


class Servers:
    """One connection by SSH, to a port of its own. Stands for the SshServers of a target."""

    connected = (SimpleNamespace(address=ipaddress.ip_address("192.0.2.1"), port=2222, peer=ipaddress.ip_address("192.0.2.7")),)

    def of_this_task(self):
        return list(self.connected)

    def control_ports(self):
        return [22, 2222]
