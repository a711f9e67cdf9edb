# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Taking an interface down, and restoring what the kernel then drops: IPv6 addresses, routes, permanent neighbours.

Each object is saved as the line that ip(8) prints, which ip also accepts to add it again. Objects that could not be restored exactly are
refused.
"""

import ipaddress
import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Lacks, Misses, Until
from ansible_collections.faultline.chaos.plugins.module_utils._undo.link_lines import MissesLine, fields, same_lines
from ansible_collections.faultline.chaos.plugins.module_utils._undo.marked_links import FindMarked, NotFound, OnMarked
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import FileHolds, Gone, OutputHas, Part, Run, SameBoot, Undo, When
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

PATIENCE = 15  # seconds for a carrier, for link-local addresses and for duplicate address detection
KERNELS_OWN = ("local", "broadcast", "multicast", "anycast")  # types of routes that come and go with an address
KEPT_FLAGS = ("noprefixroute", "home", "nodad", "autojoin")  # of an address, as ip prints and takes them
LIFETIMES = ("valid_lft", "preferred_lft")
PARTS = ("addresses4", "addresses6", "routes4", "routes6", "neighbours", "proxies")


def commands(ip, name):
    """{part: command that prints this part of an interface's state}. Routes are not filtered by device: ip would omit multipath routes."""
    return {
        "up": [ip, "-o", "link", "show", "dev", name, "up"],
        "addresses4": [ip, "-o", "-4", "addr", "show", "dev", name],
        "addresses6": [ip, "-o", "-6", "addr", "show", "dev", name],
        "tentative": [ip, "-o", "-6", "addr", "show", "dev", name, "tentative"],
        "routes4": [ip, "-o", "-4", "route", "show", "table", "all"],
        "routes6": [ip, "-o", "-6", "route", "show", "table", "all"],
        "neighbours": [ip, "neigh", "show", "dev", name, "nud", "permanent"],
        "proxies": [ip, "neigh", "show", "proxy"],
    }


def read(host, ip, name):
    """{part: stripped lines of ip}. Errors: AttackError."""
    asked = commands(ip, name)
    found = {}
    for part in PARTS:
        lines = [line.strip(" \t") for line in host.run(asked[part])[1].split("\n") if line.strip(" \t")]
        if part == "routes6":
            _refuse_foreign_sources(lines, found["addresses6"], name)
        shared = part in ("routes4", "routes6", "proxies")
        found[part] = [line for line in lines if not shared or name in devices(line)]
    return found


def text(state):
    """The state as text, for --diff."""
    return "\n".join(" ".join(fields(line.replace("\\", " "))) for part in PARTS for line in state[part])


def devices(line):
    """The devices that a line of ip names."""
    words = fields(line)
    return [words[at + 1] for at, word in enumerate(words[:-1]) if word == "dev"]


def _value(words, key):
    return words[words.index(key) + 1] if key in words[:-1] else ""


def _refuse_foreign_sources(routes, addresses, name):
    """Errors: NotRestorable when a route of another interface uses an IPv6 address of this one: the kernel drops the source from that route."""
    ours = set(_value(fields(line), "inet6").partition("/")[0] for line in addresses)
    for line in routes:
        if name not in devices(line) and _value(fields(line), "src") in ours:
            raise NotRestorable(f"interface: the route {line} of another interface uses an address of {name}, and would lose it", option="interface")


def refuse_unrestorable(state, name):
    """Errors: NotRestorable for state that could not be restored exactly."""
    for line in state["addresses6"]:
        words = fields(line)
        own = _value(words, "inet6")
        if "dadfailed" in words or "tentative" in words:
            raise NotRestorable(f"interface: {own} of {name} is not in use yet, or twice in the network", option="interface")
        if set(words) & {"dynamic", "temporary", "mngtmpaddr"} or _value(words, "valid_lft") != "forever":
            raise NotRestorable(
                f"interface: {own} of {name} comes from a router or from DHCPv6 and has a lifetime: it could not be put back exactly", option="interface"
            )
    for line in state["routes4"] + state["routes6"]:
        words = fields(line)
        if "expires" in words or _value(words, "proto") == "ra":
            raise NotRestorable(f"interface: the route {line} comes from a router: it could not be put back exactly", option="interface")
        if "nhid" in words:
            raise NotRestorable(f"interface: the route {line} uses a next hop object, which the kernel would forget", option="interface")
        if "dead" in words or "linkdown" in words:
            raise NotRestorable(f"interface: the route {line} is dead already: is a cable out?", option="interface")


# --- lines of ip as arguments of ip -------------------------------------------------------------------


def address_mark(line):
    """The part of an address's line that identifies it: "inet6 2001:db8::1/64 "."""
    words = fields(line)
    kind = "inet" if "inet" in words else "inet6"
    peer = " peer {}".format(_value(words, "peer")) if "peer" in words else ""
    return f"{kind} {_value(words, kind)}{peer} "


def address_argv(ip, line, name):
    """The command that adds an address again to the interface, whatever its name is then (LINK), from its line."""
    words = fields(line.replace("\\", " "))
    kind = "inet" if "inet" in words else "inet6"
    argv = [ip, "-4" if kind == "inet" else "-6", "addr", "add", _value(words, kind)]
    for key, option in (("peer", "peer"), ("brd", "broadcast"), ("metric", "metric"), ("scope", "scope")):
        if key in words:
            argv += [option, _value(words, key)]
    argv += [flag for flag in KEPT_FLAGS if flag in words]
    label = words[words.index("valid_lft") - 1]
    if kind == "inet" and label.startswith(name):
        argv += ["label", LINK + label[len(name) :]]
    for key in LIFETIMES:
        if _value(words, key) not in ("", "forever"):
            argv += [key, _value(words, key).replace("sec", "")]
    return argv + ["dev", LINK]


def route_argv(ip, family, line, name):
    """The command that adds a route again, from its line."""
    words = fields(line.replace("\\", " "))
    return [ip, "-%d" % family, "route", "add"] + [LINK if before == "dev" and word == name else word for before, word in zip([""] + words, words)]


def neighbour_argv(ip, line):
    """The same for a permanent neighbour: ADDRESS lladdr MAC [router] PERMANENT."""
    words = fields(line)
    link = ["lladdr", _value(words, "lladdr")] if "lladdr" in words else []
    return [ip, "neigh", "replace", words[0]] + link + ["router"] * ("router" in words) + ["dev", LINK, "nud", "permanent"]


# --- the undo -----------------------------------------------------------------------------------------


def undo(host, ip, interface, state, alias, mark):
    """The Undo that sets an interface up and restores its state. alias: its description before, mark: its description during the attack.

    In another network namespace only its description is put back: moving it there took it down and took all its addresses and routes away.
    """
    name = interface.name
    asked = commands(ip, LINK)
    guards = [SameBoot(), FindMarked(mark, name, interface.number, interface.address)]
    down = Lacks(asked["up"], ": ")
    steps = [Run(f"set {name} up again", [ip, "link", "set", "dev", LINK, "up"], [down])]
    steps += _waits(interface, asked, state)
    steps += _addresses(ip, asked, state, name)
    steps += _not_made_again(ip, interface, asked, state)
    for line in state["neighbours"]:
        steps.append(Run(f"neighbour {fields(line)[0]}, unless it is there", neighbour_argv(ip, line), [Misses(asked["neighbours"], line)]))
    for line in state["proxies"]:
        argv = [ip, "neigh", "add", "proxy", fields(line)[0], "dev", LINK]
        steps.append(Run(f"proxy for {fields(line)[0]}, unless it is there", argv, [MissesLine(asked["proxies"], line, name)]))
    steps += _routes(ip, asked, state, name)
    if state["addresses6"]:
        steps.append(Until("wait until it is sure that nobody else has its addresses", PATIENCE, [Lacks(asked["tentative"], "inet6")]))
    steps.append(Run("its description", [ip, "link", "set", "dev", LINK, "alias", alias], [FileHolds(f"/sys/class/net/{LINK}/ifalias", mark)]))
    elsewhere = OnMarked(f"its description, where {name} was moved to", mark, ip, ["link", "set", "alias", alias])
    found = Undo([When(guards, steps), When([guards[0], NotFound()], [elsewhere])], [When(guards, [Gone(name, [down], "down")])])
    found.readings.append(Part(f"the state down of {name}", [*guards, down]))
    for part, title, counters in (("addresses4", "IPv4 addresses", LIFETIMES), ("addresses6", "IPv6 addresses", ())):
        same_lines(found, f"{title} of {name}", asked[part], host.output(commands(ip, name)[part]), name, guards, counters)
    found.same(f"permanent neighbours of {name}", asked["neighbours"], host.output(commands(ip, name)["neighbours"]), guards)
    kept = [(part, line) for part in ("routes4", "routes6", "proxies") for line in state[part]]
    if kept:
        found.checks.append(When(guards, [Gone(line, [MissesLine(asked[part], line, name)], "missing") for part, line in kept]))
    return found


def _waits(interface, asked, state):
    """Steps that wait for the carrier and for the addresses that the kernel adds itself."""
    found = []
    if Host.read(interface.path + "/carrier").strip() == "1":
        found.append(Until("wait for its carrier", PATIENCE, [FileHolds(f"/sys/class/net/{LINK}/carrier", "1")]))
    own = _own_link_local(interface)
    made = [address_mark(line) for line in state["addresses6"] if " fe80:" in line and "noprefixroute" not in fields(line)]
    made = [mark for mark in made if own is None or mark == f"inet6 {own}/64 "]
    if made:
        found.append(Until("wait for the addresses that the kernel makes", PATIENCE, [OutputHas(asked["addresses6"], mark) for mark in made]))
    return found


def _own_link_local(interface):
    """The address that the kernel makes from the hardware address (EUI-64, RFC 4291); None where it makes it another way, or none."""
    octets = re.findall("[0-9a-f]{2}", interface.address)
    if len(octets) != 6 or Host.read(f"/proc/sys/net/ipv6/conf/{interface.name}/addr_gen_mode").strip() != "0":
        return None
    octets[:1] = [f"{int(octets[0], 16) ^ 2:02x}"]
    digits = "fe80000000000000" + "".join(octets[:3] + ["ff", "fe"] + octets[3:])
    return ipaddress.IPv6Address(int(digits, 16)).compressed


def _not_made_again(ip, interface, asked, state):
    """A step against what the kernel makes when the hardware address was changed after the interface came up, as udev does it: a second address."""
    own = _own_link_local(interface)
    if own is None or any(f"inet6 {own}/" in line for line in state["addresses6"]):
        return []
    return [Run("the address that it did not have", [ip, "-6", "addr", "del", f"{own}/64", "dev", LINK], [OutputHas(asked["addresses6"], f"inet6 {own}/64 ")])]


def _addresses(ip, asked, state, name):
    """Steps that restore addresses. The kernel keeps IPv4 addresses, but other programs may remove them meanwhile."""
    found = []
    for part in ("addresses4", "addresses6"):
        for line in reversed(state[part]) if part == "addresses6" else state[part]:  # the kernel puts a new IPv6 address first
            if _value(fields(line), "valid_lft") == "forever":  # the DHCP client restores its own
                mark = address_mark(line)
                found.append(Run(f"address {mark.strip()}, unless it is there", address_argv(ip, line, name), [Lacks(asked[part], mark)]))
    return found


def _routes(ip, asked, state, name):
    """Steps that restore routes: first those without a gateway, because gateways are resolved through them."""
    found = []
    for gateway in (False, True):
        for family in (4, 6):
            part = "routes%d" % family
            for line in state[part]:
                words = fields(line)
                if words[0] in KERNELS_OWN or set(devices(line)) != {name} or ("via" in words) != gateway:
                    continue  # the kernel restores a multipath route that also uses other interfaces
                if words[0] == "fe80::/64" and _value(words, "proto") == "kernel":
                    continue
                found.append(Run(f"route {line}, unless it is there", route_argv(ip, family, line, name), [MissesLine(asked[part], line, name)]))
    return found


# --- what must not be taken down ------------------------------------------------------------------------


def refuse_linked(interface):
    """Errors: AttackError for loopback, for a port of a bridge or bond, and for an interface that carries others."""
    name = interface.name
    if int(Host.read(interface.path + "/flags", "0x0"), 16) & 0x8:
        raise AttackError(f"interface: {name} is a loopback interface, and the host itself needs it", option="interface")
    if os.path.exists(interface.path + "/master"):
        master = os.path.basename(os.path.realpath(interface.path + "/master"))
        raise AttackError(f"interface: {name} is a port of {master}, which would change with it", option="interface")
    above = sorted(each[len("upper_") :] for each in os.listdir(interface.path) if each.startswith("upper_"))
    if above:
        raise AttackError("interface: {} carries {}: take that down instead".format(name, ", ".join(above)), option="interface")
