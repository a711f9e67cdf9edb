# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Host patterns over the groups of an inventory, by Ansible's own rules, and the machines behind host names."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.parsing.dataloader import DataLoader

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

_SSH_PORT = 22


class Inventory:
    """The inventory as the magic variable groups shows it."""

    def __init__(self, groups: Mapping[str, Collection[str]]) -> None:
        self.groups = {str(name): [str(host) for host in hosts] for name, hosts in groups.items()}
        self._manager = InventoryManager(loader=DataLoader(), parse=False)
        for name in self.groups:
            self._manager.add_group(name)
        for name, hosts in self.groups.items():
            for host in hosts:
                self._manager.add_host(host, group=None if name == "all" else name)
        self._manager.reconcile_inventory()

    def match(self, option: str, pattern: object, limit: str | None = None) -> list[str]:
        """The hosts of a pattern. Each of its parts must name something, and together they must leave a host."""
        if not isinstance(pattern, str) or not pattern.strip():
            raise BadOption(option, pattern, "name hosts or groups of the inventory, such as web or db:!db1")
        for part in split_host_pattern(pattern):
            name = part.lstrip("!&")
            if name not in self.groups and not self._hosts(option, pattern, name):
                known = ", ".join(sorted(set(self.groups) - {"all", "ungrouped"})[:20]) or "none"
                raise BadOption(option, pattern, f"the inventory has no host or group {name}; its groups: {known}")
        found = self._hosts(option, pattern, pattern)
        if not found:
            raise BadOption(option, pattern, "it leaves no host; check the groups and what is taken away with !")
        if limit:
            self._manager.subset(limit)
            inside = self._hosts(option, limit, pattern)
            self._manager.subset(None)
            if not inside:
                raise BadOption(option, pattern, f"--limit {limit} leaves none of its hosts")
            return inside
        return found

    def _hosts(self, option: str, shown: str, pattern: str) -> list[str]:
        try:
            return [str(host.name) for host in self._manager.get_hosts(pattern)]
        except AnsibleError as error:
            raise BadOption(option, shown, f"it is no host pattern: {error}") from error


def machine_of(name: str, variables: Mapping[str, Any]) -> str:
    """What two names have in common when they mean one machine: where Ansible connects to."""
    if variables.get("ansible_connection") == "local":
        return name
    address = str(variables.get("ansible_host") or variables.get("ansible_ssh_host") or name).strip("[]").lower()
    port = variables.get("ansible_port") or variables.get("ansible_ssh_port") or _SSH_PORT
    return f"{address} port {port}"


def machines(names: Iterable[str], variables: Callable[[str], Mapping[str, Any]]) -> dict[str, str]:
    return {name: machine_of(name, variables(name)) for name in names}


def aliases(found: Mapping[str, str]) -> dict[str, str]:
    """Each surplus name of a machine, and the name that stands for it: the first by alphabet."""
    first: dict[str, str] = {}
    surplus = {}
    for name in sorted(found):
        stands = first.setdefault(found[name], name)
        if stands != name:
            surplus[name] = stands
    return surplus


def is_controller(name: str, variables: Mapping[str, Any]) -> bool:
    """Whether a host is this machine without anybody having said so by connection: local."""
    if variables.get("ansible_connection") == "local":
        return False
    address, _space, port = machine_of(name, variables).partition(" port ")
    return port == str(_SSH_PORT) and _is_own(address)


@cache
def _is_own(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address in {"localhost", socket.gethostname().lower()}
    return ip.is_loopback or (_can_bind(ip) and not _can_bind(ipaddress.ip_address("2001:db8::1" if ip.version == 6 else "192.0.2.1")))


def _can_bind(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """An address can be bound where it is configured; no packet is sent. (Everywhere, when the kernel allows non-local binds.)"""
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
