# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Evaluates host patterns over the groups of an inventory by Ansible's own rules, and finds the machines of host names."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.parsing.dataloader import DataLoader

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

_SSH_PORT = 22
_MANY = frozenset("~.?*[")  # a pattern with one of these may match hosts even if it is the name of a group


class Groups(Mapping[str, list[str]]):
    """The magic variable groups, each group read on first use, since that is slow in a large inventory."""

    def __init__(self, groups: Mapping[str, Collection[str]]) -> None:
        self._given = {str(name): hosts for name, hosts in groups.items()}
        self._read: dict[str, list[str]] = {}

    def __getitem__(self, name: str) -> list[str]:
        if name not in self._read:
            self._read[name] = [str(host) for host in self._given[name]]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Inventory:
    """The inventory, from the magic variable groups."""

    def __init__(self, groups: Mapping[str, Collection[str]]) -> None:
        self.groups = Groups(groups)

    def match(self, option: str, pattern: object, limit: str | None = None) -> list[str]:
        """The hosts of a pattern. Errors: BadOption when a part of it matches nothing, or the whole leaves no host."""
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
            inside = self._hosts(option, limit, pattern, limit)
            if not inside:
                raise BadOption(option, pattern, f"--limit {limit} leaves none of its hosts")
            return inside
        return found

    def _hosts(self, option: str, shown: str, pattern: str, limit: str | None = None) -> list[str]:
        if self._is_plain(pattern) and self._is_plain(limit or pattern):
            inside = set(self._of_groups(limit)) if limit else None
            return [host for host in self._of_groups(pattern) if inside is None or host in inside]
        try:
            self._manager.subset(limit)
            return [str(host.name) for host in self._manager.get_hosts(pattern)]
        except AnsibleError as error:
            raise BadOption(option, shown, f"it is no host pattern: {error}") from error
        finally:
            self._manager.subset(None)

    def _is_plain(self, pattern: str) -> bool:
        """Whether a pattern consists of group names only. One with a character of _MANY may match hosts too."""
        return _MANY.isdisjoint(pattern) and all(part.lstrip("!&") in self.groups for part in split_host_pattern(pattern))

    def _of_groups(self, pattern: str) -> list[str]:
        """Ansible's result for such a pattern, without an object for each host: unions, then intersections, then exclusions."""
        parts = split_host_pattern(pattern)
        unions = [part for part in parts if part[0] not in "!&"] or ["all"]
        found = dict.fromkeys(host for name in unions for host in self.groups[name])
        for sign in "&!":
            for name in (part[1:] for part in parts if part[0] == sign):
                members = set(self.groups[name])
                found = {host: None for host in found if (host in members) == (sign == "&")}
        return list(found)

    @cached_property
    def _manager(self) -> InventoryManager:
        manager = InventoryManager(loader=DataLoader(), parse=False)
        for name in self.groups:
            manager.add_group(name)
        for name, hosts in self.groups.items():
            for host in hosts:
                manager.add_host(host, group=None if name == "all" else name)
        manager.reconcile_inventory()
        return manager


def machine_of(name: str, variables: Mapping[str, Any]) -> str:
    """The address and port that Ansible connects to: two names with the same ones are one machine."""
    if variables.get("ansible_connection") == "local":
        return name
    address = str(variables.get("ansible_host") or variables.get("ansible_ssh_host") or name).strip("[]").lower()
    port = variables.get("ansible_port") or variables.get("ansible_ssh_port") or _SSH_PORT
    return f"{address} port {port}"


def machines(names: Iterable[str], variables: Callable[[str], Mapping[str, Any]]) -> dict[str, str]:
    return {name: machine_of(name, variables(name)) for name in names}


def aliases(found: Mapping[str, str]) -> dict[str, str]:
    """The surplus names of machines, with the name that stands for each: the first in alphabetical order."""
    first: dict[str, str] = {}
    surplus = {}
    for name in sorted(found):
        stands = first.setdefault(found[name], name)
        if stands != name:
            surplus[name] = stands
    return surplus


def is_controller(name: str, variables: Mapping[str, Any]) -> bool:
    """Whether a host is the controller although it does not have connection: local."""
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
    """Whether the address can be bound: only where it is configured, or anywhere if the kernel allows non-local binds. Sends no packet."""
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
