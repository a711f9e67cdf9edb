# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The links that carry the control path: what SSH connections and control addresses use, what is below that, and the other ends of its tunnels."""

import ipaddress
import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import lines

# Kinds of tunnels as ip -d shows them. Who the other end is: in the same line, in the forwarding table, from wg, or known to a program only.
_REMOTE = ("vxlan", "geneve", "gretap", "ip6gretap", "erspan", "ip6erspan", "gre", "ip6gre", "ipip", "sit", "ip6tnl", "vti", "vti6")
_WIREGUARD, _OPAQUE = "wireguard", ("tun", "ppp", "xfrm", "l2tp", "amt", "bareudp", "gtp")
MOST_ENDS = 64  # other ends of one tunnel
_HELP = "name the other end of that tunnel in control_addresses"


class WayIn:
    """devices: {interface: why the control path needs it}. outer: {address: tunnel that ends there}. unclear: {tunnel: kind} whose end nobody here knows."""

    def __init__(self, host, connections, networks):
        self._host, self._ip = host, host.tool("ip")
        self.devices, self.outer, self.unclear = {}, {}, {}
        self._named = bool(networks)
        for peer in sorted(set(each.peer for each in connections), key=str):
            self._add_way(peer, f"the way back to {peer}")
        shown = self._said(["-o", "addr", "show"]) if connections else ""
        for here, peer in sorted(set((each.address, each.peer) for each in connections), key=str):
            for line in shown.split("\n"):
                if f" {here}/" in line or f" {here} peer " in line:
                    self._add(line.split(" ")[1], f"SSH from {peer} comes in at its address {here}")
        for network in networks:
            there = network.network_address if network.num_addresses == 1 else network.network_address + 1
            self._add_way(there, f"the way to {network} (control_addresses)")

    def _said(self, words):
        rc, out, _err = self._host.run([self._ip, *words], check=False)
        return out if rc == 0 else ""

    def _add_way(self, there, why):
        found = re.search(r" dev ([^ \n]+)", self._said(["-o", "route", "get", str(there)]))
        if found:
            self._add(found.group(1), why)

    def _add(self, name, why, of_bridge=False):
        if name in self.devices:
            return
        self.devices[name] = why
        path = os.path.join("/sys/class/net", name)
        for entry in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            if entry.startswith("lower_"):
                self._add(entry[len("lower_") :], f"below {name}, {why}", os.path.isdir(path + "/bridge"))
        if name != "lo" and not os.path.exists(path + "/device"):
            self._add_tunnel(name, self._said(["-o", "-d", "link", "show", "dev", name]), of_bridge)

    def _add_tunnel(self, name, shown, of_bridge):
        kind = tunnel(shown)
        if kind is None:
            return
        ends = self._ends(name, kind, shown)
        if not ends or len(ends) > MOST_ENDS:
            if not of_bridge:  # there it is the end of a virtual machine, or one way of several
                self.unclear[name] = kind
            return
        for each in ends:
            self.outer[each] = name
            self._add_way(each, f"the way to {each}, the other end of the {kind} tunnel {name}")
        below = re.search(rf" {kind} .* dev ([^ \n]+)", shown)
        if below:
            self._add(below.group(1), f"below the {kind} tunnel {name}")

    def _ends(self, name, kind, shown):
        host = self._host
        texts = re.findall(r" (?:remote|group6?) (\S+)", shown) if kind in _REMOTE else []
        if kind == "vxlan" and host.has_tool("bridge"):
            texts += re.findall(r" dst (\S+)", host.run([host.tool("bridge"), "fdb", "show", "dev", name], check=False)[1])
        if kind == _WIREGUARD and host.has_tool("wg"):
            texts = re.findall(r"\t\[?([0-9a-fA-F:.]+?)\]?:\d+$", host.run([host.tool("wg"), "show", name, "endpoints"], check=False)[1], re.M)
        found = []
        for text in texts:
            try:
                found.append(ipaddress.ip_address(text))
            except ValueError:
                continue  # any
        return sorted(set(each for each in found if not each.is_unspecified), key=str)

    def networks(self):
        """The other ends of tunnels, as networks that pass."""
        return [ipaddress.ip_network(str(each)) for each in sorted(self.outer, key=str)]

    def notes(self):
        return [f"packets to and from {end} pass, because the control path comes by {name}, a tunnel that ends there" for end, name in self.outer.items()] + [
            self._unclear(name) for name in self._nameless()
        ]

    def _nameless(self):
        return [] if self._named else sorted(self.unclear)

    def _unclear(self, name):
        return f"the control path comes by {name}, a tunnel ({self.unclear[name]}) whose other end cannot be told: {_HELP}"

    def refuse_unclear(self, option, attacked=None):
        """Errors: AttackError when a tunnel of the control path may lead over anything. attacked: an interface; the tunnel itself may be attacked."""
        for name in self._nameless():
            if name != attacked:
                raise AttackError(f"{option}: {self._unclear(name)}", option="control_addresses")

    def refuse_end(self, option, networks):
        """Errors: AttackError when the option targets the other end of a tunnel of the control path."""
        for each in networks:
            if each.num_addresses == 1 and each.network_address in self.outer:
                tunnel_name = self.outer[each.network_address]
                raise AttackError(
                    f"{option}: {each.network_address} is the other end of {tunnel_name}, by which the control path comes: it is never attacked", option=option
                )


def spare(host, servers, params, hit, passed, interface=None):
    """Notes. For an attack on packets: adds the other ends of the tunnels of the control path to the networks that pass.

    Errors: AttackError when an end is targeted, or when the attack hits everything on an interface and an end is not known.
    """
    if not host.has_tool("ip"):
        return []
    way = WayIn(host, servers.of_this_task(), [ipaddress.ip_network(each, strict=False) for each in params["control_addresses"]])
    way.refuse_end("peers", hit)
    if interface != "lo" and not any(params[option] for option in ("peers", "ports", "local_ports", "protocols")):
        way.refuse_unclear("interface", interface)
    passed += way.networks()
    return way.notes()


def tunnel(shown):
    """The kind of a tunnel in a line of ip -o -d link, or None."""
    words = re.search(r"(?:\\ +|^)(%s)(?: |\\|$)" % "|".join(_REMOTE + (_WIREGUARD,) + _OPAQUE), shown.rstrip("\n"))
    return words.group(1) if words else None


def vlans(host, place, name):
    """The VLANs on an interface: their frames have a tag, which filters for IP on the interface itself do not look behind."""
    shown = host.run(place.argv([host.tool("ip"), "-o", "-d", "link", "show", "type", "vlan"]), check=False)[1]
    found = [line.split(" ")[1].rstrip(":").rpartition("@") for line in lines(shown)]
    return [own for own, _at, below in found if below == name]


def vlan_notes(host, place, name):
    above = vlans(host, place, name)
    return [f"packets with a VLAN tag are not hit: attack {', '.join(above)} for those"] if above else []
