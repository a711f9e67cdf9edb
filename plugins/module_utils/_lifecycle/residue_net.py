# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue of network attacks in the packet filter and in other network namespaces. Part of _lifecycle/residue.py."""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CHAIN_PREFIX, INTERFACE_PREFIX, TABLE_PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._network.xtables import Locking

_TABLE = rf"^table (\w+ {TABLE_PREFIX}[0-9a-f]{{12}}) "
_CHAIN = rf"^(?:-N|\tchain) ({CHAIN_PREFIX}[0-9a-f]{{12}}[A-Z])\b"
_INTERFACE = rf"^\d+: ({INTERFACE_PREFIX}[0-9a-f]{{12}})[:@]"


def rules(host, _journal, _active, claimed):
    """Managed rules in the network namespace of the host."""
    return [f"rules in {each}" for each in _rules(host, namespace.HERE) if _key(each) not in claimed]


def elsewhere(host, _journal, _active, claimed):
    """Managed rules and interfaces in the other network namespaces of the host."""
    found = []
    if not host.has_tool("nsenter"):
        return found
    for door in namespace.doors():
        try:
            place = namespace.Namespace(host, door, door)
        except AttackError:
            continue  # it ended meanwhile
        marks = [f"rules in {each}" for each in _rules(host, place) if _key(each) not in claimed]
        if host.has_tool("ip"):
            names = re.findall(_INTERFACE, _said(host, place, [host.tool("ip"), "-o", "link", "show"]), re.M)
            marks += [f"interface {name}" for name in names if name not in claimed]
        found += [f"{mark} (in the network namespace of {door})" for mark in marks]
    return found


def _key(mark):
    """The hex digits that all names of one attack share."""
    return re.search(r"[0-9a-f]{12}", mark).group(0)


def _said(host, place, argv):
    """The output of a program; empty when it fails, because a foreign namespace may end at any time."""
    rc, out, _err = host.run(place.argv(argv), check=False)
    return out if rc == 0 else ""


def _tables(host, place):
    """The loaded tables of iptables-legacy, by family."""
    names = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
    if place is namespace.HERE:
        return dict((family, set(host.read(path).split())) for family, path in names.items())
    # One grep for both files, which may be missing; its lines are PATH:TABLE.
    lines = host.run(place.argv(["grep", "-s", ""] + sorted(names.values())), check=False)[1].splitlines()
    return dict((family, set(line.partition(":")[2] for line in lines if line.startswith(path + ":"))) for family, path in names.items())


def _rules(host, place):
    """Managed nft tables and iptables chains. Of iptables-legacy only loaded tables are listed, because listing a table loads it."""
    found = []
    if host.has_tool("nft"):
        shown = _said(host, place, [host.tool("nft"), "list", "chains"])
        found += [f"table {each}" for each in re.findall(_TABLE, shown, re.M)] + [f"chain {each} of iptables-nft" for each in re.findall(_CHAIN, shown, re.M)]
    loaded = _tables(host, place)
    for family in ("iptables", "ip6tables"):
        used = loaded[family] & set(("filter", "nat"))
        asked = dict((program, sorted(used)) for program in (family, family + "-legacy"))
        asked[family + "-nft"] = [] if host.has_tool("nft") else ["filter", "nat"]
        for program, tables in sorted(asked.items()):
            if not tables or not host.has_tool(program):
                continue
            waits = Locking(host, program).command
            for table in tables:
                shown = _said(host, place, [host.tool(program)] + waits + ["-t", table, "-S"])
                found += [f"chain {each} of {family}" for each in re.findall(_CHAIN, shown, re.M)]
    return sorted(set(found))
