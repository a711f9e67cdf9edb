# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What network attacks share: interfaces, addresses and ports as options, and the traffic that always passes."""

import ipaddress
import os
import re
import socket

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host, lines
from ansible_collections.faultline.chaos.plugins.module_utils._marks import made_by_attack

_INTERFACE = r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}\Z"
_HOST_NAME = r"^(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?\Z"
ICMPV6 = 58
DHCP = ((4, 68, 67), (6, 546, 547))  # family, port of the client, which is the target, and of the server; always passes


def interface_name(option, value):
    """A valid interface name. Errors: BadOption."""
    if not re.match(_INTERFACE, value) or value in (".", ".."):
        raise BadOption(option, value, "give the name of an interface, at most 15 letters, digits, and . _ - @")
    return value


class Interface:
    """An interface of the target, as /sys/class/net shows it."""

    def __init__(self, name):
        self.name = name
        self.path = os.path.join("/sys/class/net", name)

    def check(self):
        """Errors: AttackError when it is not there, is down, or is a port of a bond."""
        if not os.path.isdir(self.path):
            there = ", ".join(sorted(os.listdir("/sys/class/net")))
            raise AttackError(f"interface: there is no {self.name} on the target; there are: {there}", option="interface")
        if not int(Host.read(self.path + "/flags", "0x0"), 16) & 1:
            raise AttackError(f"interface: {self.name} is down, so there is nothing to disturb", option="interface")
        if os.path.isdir(self.path + "/bonding_slave"):
            bond = os.path.basename(os.path.realpath(self.path + "/master"))
            raise AttackError(f"interface: {self.name} is a port of the bond {bond}: attack the bond", option="interface")

    @property
    def number(self):
        """Its index, which stays when it is renamed, and which no later interface gets."""
        return Host.read(self.path + "/ifindex").strip()

    @property
    def address(self):
        """The hardware address."""
        return Host.read(self.path + "/address").strip()


class ShownInterface:
    """An interface as ip shows it, in any network namespace (place, see _host/namespace.py): /sys/class/net shows only the current one."""

    def __init__(self, host, place, name):
        self.name = name
        self._place = place
        self._lines = links(host, place)

    def check(self):
        """Errors: AttackError when it is not there, is down, or is a port of a bond."""
        if self.name not in self._lines:
            raise AttackError("interface: there is no {} on {}; there are: {}".format(self.name, self._place.label, ", ".join(self._lines)), option="interface")
        flags = _flags(self._lines[self.name])
        if "UP" not in flags:
            raise AttackError(f"interface: {self.name} is down, so there is nothing to disturb", option="interface")
        if "SLAVE" in flags:
            raise AttackError(f"interface: {self.name} is a port of a bond: attack the bond", option="interface")

    @property
    def number(self):
        return self._lines[self.name].partition(":")[0]


def links(host, place):
    """{name: line of ip -o link} in a namespace."""
    shown = host.run(place.argv([host.tool("ip"), "-o", "link", "show"]))[1]
    return dict((line.split(" ")[1].rstrip(":").partition("@")[0], line) for line in lines(shown))


def _flags(line):
    return line.partition("<")[2].partition(">")[0].split(",")


def default_interface(host, place=None):
    """The interface of the default route (IPv4 before IPv6), else the only interface that is up. Errors: AttackError."""
    for family in ("-4", "-6"):
        argv = [host.tool("ip"), "-o", family, "route", "show", "default"]
        names = default_devices(host.run(place.argv(argv) if place else argv, check=False)[1])
        if len(names) > 1:
            raise AttackError(
                "interface: the default route of the target has several ways, so each carries a part of the traffic: name one of {}".format(", ".join(names)),
                option="interface",
            )
        if names:
            return names[0]
    if place and place.guards:
        up = [name for name, line in sorted(links(host, place).items()) if "UP" in _flags(line) and "SLAVE" not in _flags(line)]
    else:
        up = [name for name in sorted(os.listdir("/sys/class/net")) if _is_up(name)]
    # Skip interfaces that attacks add: they would change the default, and an active attack would not be recognised when it is requested again.
    up = [name for name in up if name != "lo" and not made_by_attack(name)]
    if len(up) == 1:
        return up[0]
    raise AttackError(
        "interface: the target has no default route to choose it by: name one of {}".format(", ".join(up or ["(none is up)"])), option="interface"
    )


def default_devices(shown):
    """The interfaces by which default routes lead, as ip -o route shows them: those of the least metric that has any which is not dead."""
    found = {}
    for line in lines(shown):
        head, *hops = line.replace("\\", " ").split("nexthop ")
        metric = re.search(r" metric (\d+)", head)
        for hop in hops or [head]:
            device = re.search(r"\bdev ([^ \t]+)", hop)
            if device and not set(hop.split(" ")) & {"dead", "linkdown"}:
                names = found.setdefault(int(metric.group(1)) if metric else 0, [])
                names += [device.group(1)] * (device.group(1) not in names)
    return found[min(found)] if found else []


def _is_up(name):
    return int(Host.read(f"/sys/class/net/{name}/flags", "0x0"), 16) & 1 == 1


def check_peers(option, values):
    """Addresses, networks or host names as text; pure. Errors: BadOption."""
    for value in values:
        if not is_name(value):
            network(option, value)
        elif not re.match(_HOST_NAME, value):
            raise BadOption(option, value, "give an IPv4 or IPv6 address, a network such as 10.0.0.0/8, or a host name")


def is_name(value):
    """Whether text is a host name, not an address or a network."""
    return not (":" in value or "/" in value or re.match(r"^[0-9.]+\Z", value))


def network(option, value):
    """An ipaddress network. Refuses networks that cover all addresses, and IPv4 written as IPv6. Errors: BadOption."""
    try:
        if "%" in value:
            raise ValueError("leave out the scope {}".format(value[value.index("%") :]))
        found = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise BadOption(option, value, f"not an address or network ({error})")
    if found.prefixlen == 0:
        raise BadOption(option, value, "leave the option out to mean everything; the control path passes then as well")
    if found.version == 6 and found.network_address.ipv4_mapped is not None:
        raise BadOption(option, value, f"write the IPv4 address itself: {found.network_address.ipv4_mapped}")
    return found


def resolve(option, values):
    """Networks from addresses, networks and host names, which the target's resolver resolves now. Errors: AttackError."""
    found = []
    for value in values:
        if not is_name(value):
            found.append(network(option, value))
            continue
        try:
            answers = socket.getaddrinfo(value, None, 0, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise AttackError(f"{option}: the target cannot resolve {value}: {error}", option=option)
        found += [ipaddress.ip_network(address) for address in sorted(set(answer[4][0].split("%")[0] for answer in answers))]
    return found


def port_range(option, value):
    """(first, last) from 80, "80" or "8000-8010". Errors: BadOption."""
    first, dash, last = str(value).partition("-")
    low = _units.port(option, first)
    high = _units.port(option, last) if dash else low
    if high < low:
        raise BadOption(option, value, "write the lower port first: %d-%d" % (high, low))
    return low, high


def port_masks(low, high):
    """The fewest (value, mask) pairs that cover a port range exactly, as u32 filters match."""
    found = []
    while low <= high:
        size = low & -low if low else 65536
        while size > high - low + 1:
            size //= 2
        found.append((low, 0xFFFF & ~(size - 1)))
        low += size
    return found


def refuse_control_path(servers, option, networks, ports=(), ports_option="ports"):
    """Errors: AttackError when the option targets the controller or SSH. servers: the SshServers of the target."""
    peers = set(each.peer for each in servers.of_this_task())
    for each in networks:
        if each.num_addresses == 1 and each.network_address in peers:
            raise AttackError(
                f"{option}: {each.network_address} is where this very connection comes from, as far as can be told: the control path is never attacked",
                option=option,
            )
    ssh = set(servers.control_ports()) if ports else ()
    for low, high in ports:
        if low == high and low in ssh:
            raise AttackError("%s: %d is SSH on this target: the control path is never attacked" % (ports_option, low), option=ports_option)
