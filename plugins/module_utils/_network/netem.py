# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The tc commands of a netem attack, and their undo. Pure: text in, text out.

Two ways to put netem into a packet's path:
  redirect  filters on the clsact hooks send chosen packets through a managed ifb device that carries netem. The
            interface's own qdiscs are never touched, so an admin's tree stays as it is, counters included.
  band      for kernels before 4.5, or without ifb: a prio qdisc of four bands replaces the default root qdisc, everything
            goes to the first band and only chosen packets to the fourth, which carries netem. Never over an admin's qdisc.
"""

import hashlib

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.namespace import HERE
from ansible_collections.faultline.chaos.plugins.module_utils._marks import TC_PREF_FIRST
from ansible_collections.faultline.chaos.plugins.module_utils._network import protocols
from ansible_collections.faultline.chaos.plugins.module_utils._network.options import DHCP, ICMPV6, port_masks
from ansible_collections.faultline.chaos.plugins.module_utils._undo.links import FindLink
from ansible_collections.faultline.chaos.plugins.module_utils._undo.marked_links import FindMarked, NotFound, OnMarked
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import OnlyOurFilters
from ansible_collections.faultline.chaos.plugins.module_utils._undo.packets import Packets
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone, OutputHas, Part, Run, When
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

FAULTS = ("delay", "loss", "gilbert_elliott", "corrupt", "duplicate", "rate")  # options, one of which is needed
_PERCENTS = (
    "correlation",
    "loss",
    "loss_correlation",
    "corrupt",
    "corrupt_correlation",
    "duplicate",
    "duplicate_correlation",
    "reorder",
    "reorder_correlation",
)
ROOT_HANDLE = "fa17:"
NETEM_HANDLE = "fa18:"
# ICMPv6 types that always pass, as u32 matches them: packet too big (2), router and neighbour discovery (133 to 137).
_DISCOVERY = ((2, 0xFF), (133, 0xFF), (134, 0xFE), (136, 0xFE))
# Multicast listeners (130 to 132, 143), because switches forward discovery only to them. They follow a hop-by-hop header of 8 bytes.
_LISTENERS = ((130, 0xFE), (132, 0xFF), (143, 0xFF))
_NO_OPTIONS = ["match", "u8", "0x05", "0x0f", "at", "0"]  # IPv4 header without options, so that later fields are at fixed offsets
_FIRST = ["match", "u16", "0x0000", "0x1fff", "at", "6"]  # first fragment or unfragmented


def emulation(params):
    """netem's own arguments from the module's options (tc-netem(8)). Errors: BadOption."""
    values = dict((key, _units.percent(key, params[key])) for key in _PERCENTS if params[key] is not None)
    for key in ("delay", "jitter"):
        if params[key] is not None:
            values[key] = _units.duration(key, params[key], 0.0, 60.0, unit_needed=True)
    if values.get("jitter", 0) > values.get("delay", 0):
        raise BadOption("jitter", params["jitter"], "not more than the delay of {}".format(params["delay"]))
    if params["distribution"] != "uniform" and not values.get("jitter"):
        raise BadOption("distribution", params["distribution"], "a distribution spreads the jitter, so give a jitter")
    burst = params["gilbert_elliott"]
    if burst is not None:
        for key in ("p", "r", "loss_bad", "loss_good"):
            values["ge_" + key] = _units.percent(f"gilbert_elliott.{key}", burst[key])
    if params["rate"] is not None:
        values["rate"] = _sizes.rate("rate", params["rate"])
    if params["reorder_gap"] is not None:
        _units.integer("reorder_gap", params["reorder_gap"], 1, 1000)
    _units.integer("limit", params["limit"], 1, 10000000)
    if not any(values.get(key) for key in ("delay", "loss", "ge_p", "ge_loss_good", "corrupt", "duplicate", "rate")):
        raise BadOption(_first_given(params), 0, "this would disturb nothing: one of {} must be more than 0".format(", ".join(FAULTS)))
    return _words(values, params)


def _first_given(params):
    return next(name for name in FAULTS if params[name] is not None)


def _words(values, params):
    words = ["limit", str(params["limit"])]
    if values.get("delay"):
        words += ["delay", _microseconds(values["delay"])]
        if values.get("jitter"):
            words.append(_microseconds(values["jitter"]))
            if "correlation" in values:
                words.append(_percent(values["correlation"]))
            if params["distribution"] != "uniform":
                words += ["distribution", params["distribution"]]
    if params["gilbert_elliott"] is not None:
        words += ["loss", "gemodel"] + [_percent(values["ge_" + key]) for key in ("p", "r", "loss_bad", "loss_good")]
    for key in ("loss", "corrupt", "duplicate", "reorder"):
        if values.get(key):
            words += (["loss", "random"] if key == "loss" else [key]) + [_percent(values[key])]
            if key + "_correlation" in values:
                words.append(_percent(values[key + "_correlation"]))
    if params["reorder_gap"] is not None and values.get("reorder"):
        words += ["gap", str(params["reorder_gap"])]
    if "rate" in values:
        words += ["rate", "%dbit" % values["rate"]]
    return words


def _microseconds(seconds):
    return "%dus" % round(seconds * 1e6)


def _percent(number):
    return f"{number:g}%"


class Selection:
    """Which packets pass and which are attacked; in this order, the first match wins."""

    def __init__(self, control_ports, passed, hit, ports, protocols, local_ports=(), passed_ports=()):
        self.control_ports = control_ports
        self.passed = passed  # networks
        self.hit = hit  # networks; empty: all
        self.ports = ports  # (low, high), remote; empty: all
        self.local_ports = local_ports  # (low, high), on the target; empty: all
        self.passed_ports = passed_ports  # (low, high), local or remote
        self.protocols = protocols  # as protocols.protocol() returns them; empty: all

    def matches(self, direction):
        """(passes, family, u32 match words) for each filter. Families are tc's protocol names."""
        far, far_port, near_port = ("dst", "dport", "sport") if direction == "egress" else ("src", "sport", "dport")
        for port in self.control_ports:
            for family in ("ip", "ipv6"):
                yield True, family, _protocol(family, 6) + _port(family, near_port, port, 0xFFFF)
        for version, client, server in DHCP:
            family = "ip" if version == 4 else "ipv6"
            yield True, family, _protocol(family, 17) + _port(family, near_port, client, 0xFFFF) + _port(family, far_port, server, 0xFFFF)
        yield True, "ip", _protocol("ip", 1) + _byte(3, 0xFF, 20) + _byte(4, 0xFF, 21) + _NO_OPTIONS + _FIRST  # fragmentation needed
        for value, mask in _DISCOVERY:
            yield True, "ipv6", _protocol("ipv6", ICMPV6) + _byte(value, mask, 40)
        for value, mask in _LISTENERS:
            yield True, "ipv6", _protocol("ipv6", 0) + _byte(ICMPV6, 0xFF, 40) + _byte(0, 0xFF, 41) + _byte(value, mask, 48)
        for each in self.passed:
            yield True, _family(each), _address(each, far)
        for family in ("ip", "ipv6") if self.passed_ports else ():
            for words in self._both(family, self.passed_ports, (far_port, near_port)):
                yield True, family, words
        for family, address in self._hit(far):
            for words in self._protocols(family, far_port, near_port):
                yield False, family, (address + words) or ["match", "u32", "0", "0"]

    def _hit(self, far):
        if self.hit:
            return [(_family(each), _address(each, far)) for each in self.hit]
        return [("ip", []), ("ipv6", [])]

    @staticmethod
    def _both(family, ranges, ends):
        """TCP and UDP with a port in one of the ranges at either end."""
        masks = [pair for low, high in ranges for pair in port_masks(low, high)]
        return [_protocol(family, number) + _port(family, end, *pair) for number in (protocols.TCP, protocols.UDP) for end in ends for pair in masks]

    def _protocols(self, family, far_port, near_port):
        """Matches of the protocols and ports in a family."""
        with_ports = bool(self.ports or self.local_ports)
        names = self.protocols or (protocols.WITH_PORTS if with_ports else ())
        if not names:
            return [[]]
        found = []
        for name in names:
            base = _protocol(family, protocols.number(name, 4 if family == "ip" else 6))
            if not with_ports or name not in protocols.WITH_PORTS:
                found.append(base)
                continue
            far, near = _ports(family, far_port, self.ports), _ports(family, near_port, self.local_ports)
            found += [base + one + other for one in far for other in near]
        return found


def _ports(family, end, ranges):
    """Port matches for one end; without ranges a match for all packets."""
    return [_port(family, end, *pair) for low, high in ranges for pair in port_masks(low, high)] or [[]]


def _family(network):
    return "ip" if network.version == 4 else "ipv6"


def _word(family):
    return "ip" if family == "ip" else "ip6"


def _address(network, end):
    return ["match", _word(_family(network)), end, str(network)]


def _protocol(family, number):
    return ["match", _word(family), "protocol", str(number), "0xff"]


def _byte(value, mask, offset):
    return ["match", "u8", f"0x{value:02x}", f"0x{mask:02x}", "at", str(offset)]


def _port(family, end, value, mask):
    """A port match. In IPv4 only where the offset is fixed: no header options, and not a later fragment."""
    words = ["match", _word(family), end, str(value), f"0x{mask:04x}"]
    if family == "ip":
        words += _NO_OPTIONS + _FIRST
    return words


def _hardware_address(mark, device):
    """A hardware address of our own device, by which it is known when somebody takes name and description away. 02: a local one."""
    return ":".join(["02"] + [f"{byte:02x}" for byte in bytearray(hashlib.sha256(f"{mark} {device}".encode()).digest()[:5])])


class Tree:
    """The commands for one interface: add (for tc -batch), links (ip argvs before them), undo steps and checks.

    What is moved to another network namespace loses its qdiscs and filters there. Our own devices keep their mark, and are looked for everywhere.
    """

    def __init__(self, tools, interface, number, place=HERE, mark=""):
        self.place = place
        self.tc = place.undo_argv([tools[0]])
        self._tool, self._link = tools[1], place.argv([tools[1], "link"])
        self.interface = interface
        self.mark = mark  # the description of our own devices
        self._enter = place.undo_argv([])
        self.guard = FindLink(number, interface, ip=self._where(), enter=self._enter)  # the interface is LINK then
        self.links, self.add, self.undo, self.checks, self.readings = [], [], [], [], []
        self.carriers = []  # devices that carry netem
        self._pref = TC_PREF_FIRST

    def redirect(self, directions, device_of, netem, selection):
        """Redirect through clsact hooks. device_of: direction -> name of the managed ifb."""
        dev = self.interface
        for direction in directions:
            self._carrier(device_of(direction), netem)
        self.add.append(["qdisc", "add", "dev", dev, "clsact"])
        filters = []
        for direction in directions:
            filters += self._filters(direction, [direction], selection, device_of(direction))
        self._undo_hook("clsact", [["egress"], ["ingress"]], filters)

    def ingress(self, device, netem, selection):
        """Ingress for kernels without clsact: the ingress qdisc, and an ifb."""
        dev = self.interface
        self._carrier(device, netem)
        self.add.append(["qdisc", "add", "dev", dev, "handle", "ffff:", "ingress"])
        filters = self._filters("ingress", ["parent", "ffff:"], selection, device)
        self._undo_hook("ingress", [["parent", "ffff:"]], filters)

    def _undo_hook(self, kind, parents, filters):
        """Undo steps of a hook qdisc: remove it as a whole, so that the control path passes until the attack ends. If it now has
        foreign filters, remove only managed filters: those that attack before those that pass."""
        dev = self.interface
        there = OutputHas(self.tc + ["qdisc", "show", "dev", LINK], f"qdisc {kind} ffff:")
        ours = [OnlyOurFilters(self.tc + ["filter", "show", "dev", LINK] + parent) for parent in parents]
        whole = Run(f"remove the {kind} hook of {dev}", self.tc + ["qdisc", "del", "dev", LINK, kind], ours)
        left = When([there], filters[::-1])
        self.undo[:0] = [When([self.guard, there], [whole, left])]

    def band(self, netem, selection):
        """Replace a default root qdisc by prio; egress only."""
        dev = self.interface
        self.add.append(["qdisc", "add", "dev", dev, "root", "handle", ROOT_HANDLE, "prio", "bands", "4", "priomap"] + ["0"] * 16)
        self.add.append(["qdisc", "add", "dev", dev, "parent", ROOT_HANDLE + "4", "handle", NETEM_HANDLE, "netem"] + netem)
        for passes, family, match in selection.matches("egress"):
            flow = ["flowid", ROOT_HANDLE + ("1" if passes else "4")]
            self.add.append(["filter", "add", "dev", dev, "parent", ROOT_HANDLE, "protocol", family, "pref", self._next(), "u32"] + match + flow)
        there = OutputHas(self.tc + ["qdisc", "show", "dev", LINK], f"qdisc prio {ROOT_HANDLE} root")
        self.undo.append(Run(f"remove our root qdisc from {dev}", self.tc + ["qdisc", "del", "dev", LINK, "root", "handle", ROOT_HANDLE], [self.guard, there]))
        self.checks.append(Gone(f"our root qdisc on {dev}", [self.guard, there]))
        self._read(f"the root qdisc on {dev}", [self.guard, there])
        self.carriers.append(dev)

    def _carrier(self, device, netem):
        address = _hardware_address(self.mark, device)
        # Without IPv6 it sends nothing of its own, which would count as something that the attack has met.
        quiet = self.place.argv(["/bin/sh", "-c", '[ ! -e "$1" ] || echo 1 >"$1"', "sh", f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6"])
        self.links += [self._link + ["add", device, "address", address, "type", "ifb"], quiet]
        self.links.append(self._link + ["set", "dev", device, "alias", self.mark, "up"])
        self.add.append(["qdisc", "add", "dev", device, "root", "handle", NETEM_HANDLE, "netem"] + netem)
        there = FindMarked(self.mark, device, address=address, ip=self._where(), enter=self._enter)
        self.undo.append(Run(f"remove the device {device}", self._enter + [self._tool, "link", "del", "dev", LINK], [there]))
        moved = OnMarked(f"or where it was moved to, by its description {self.mark} or its address", self.mark, self._tool, ["link", "del"], address)
        self.undo.append(When([NotFound()], [moved]))
        self.checks.append(Gone(f"device {device}", [there]))
        self._read(f"the device {device}", [there])
        self.carriers.append(device)

    def _read(self, title, there):
        shown = OutputHas(self.tc + ["qdisc", "show", "dev", LINK], f"qdisc netem {NETEM_HANDLE}")
        self.readings += [Part(title, there + [shown]), Packets(NETEM_HANDLE, self.tc + ["-s", "qdisc", "show", "dev", LINK], there)]

    def readings_behind(self, guards):
        for reading in self.readings:
            reading.guards = guards + reading.guards
        return self.readings

    def _where(self):
        """The program ip, for a guard in another network namespace."""
        return self._tool if self._enter else None

    def _filters(self, direction, parent, selection, device):
        """Add the filters of one direction; returns their undo steps."""
        dev = self.interface
        shown = self.tc + ["filter", "show", "dev", LINK] + parent
        undo = []
        for passes, family, match in selection.matches(direction):
            pref = self._next()
            action = ["action", "pass"] if passes else ["action", "mirred", "egress", "redirect", "dev", device]
            self.add.append(["filter", "add", "dev", dev] + parent + ["protocol", family, "pref", pref, "u32"] + match + action)
            argv = self.tc + ["filter", "del", "dev", LINK] + parent + ["protocol", family, "pref", pref]
            there = OutputHas(shown, f" pref {pref} ")
            undo.append(Run(f"remove our {direction} filter {pref}", argv, [there]))
            if not passes:
                last = Part(f"the {direction} filters of {dev}", [self.guard, there])
        self.readings.append(last)  # one is enough: they are added and removed together
        return undo

    def _next(self):
        self._pref += 1
        return str(self._pref)


def count(matches):
    """The number of filters that a selection needs in one direction."""
    return sum(1 for _each in matches)
