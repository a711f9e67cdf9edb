# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Residue of network attacks: in the packet filter, on interfaces and in the queues of every network namespace. Part of _lifecycle/residue.py."""

import fcntl
import os
import re
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace
from ansible_collections.faultline.chaos.plugins.module_utils._ids import HOST_ID
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import netlink
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CHAIN_PREFIX, PREFIX, TABLE_PREFIX, TC_PREF_FIRST, TC_PREF_LAST, made_by_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network.xtables import Locking

_TABLE = rf"{TABLE_PREFIX}([0-9a-f]{{12}})\Z"
_CHAIN = rf"{CHAIN_PREFIX}([0-9a-f]{{12}})[A-Z]\Z"
_NAMED = rf"^-N ({CHAIN_PREFIX}([0-9a-f]{{12}})[A-Z])\b"
_COMMENTED = rf'^-A ([^ \n]+) .*--comment "?{CHAIN_PREFIX}([0-9a-f]{{12}})\b'
_OWN, _FOREIGN, _ALL_FOREIGN = 10.0, 0.2, 2.0  # seconds for a namespace of root, for one of another user, and for all of those
_USER_NAMESPACE, _OWNER = 0xB701, 0xB704  # the ioctls NS_GET_USERNS and NS_GET_OWNER_UID


def here(found):
    """Marks in the network namespace of the host."""
    try:
        with_filters = found.host.is_root and _has_nft(found.host)
        network = netlink.Network(_OWN, with_filters)
        try:
            for mark in _marks(found, network):
                found.add(**mark)
        finally:
            network.close()
    except OSError as error:
        found.residue.append(f"the network of the host could not be looked into: {error}")
    if found.host.is_root:
        for mark in _legacy(found, namespace.HERE, _loaded()):
            found.add(**mark)


def elsewhere(found):
    """Marks in the other network namespaces of the host, those of other users last and as long as there is time."""
    closed, until = {}, None
    for uid, door in sorted((_owner(found, door), door) for door in namespace.doors()):
        if uid != 0 and until is None:
            until = time.monotonic() + _ALL_FOREIGN
        try:
            if uid != 0 and time.monotonic() > until:
                raise OSError("no time is left")
            _look(found, door, uid)
        except (OSError, AttackError) as error:
            if namespace.number(door) is None:
                continue  # it ended meanwhile
            if uid == 0:
                found.residue.append(f"the network namespace of {door} could not be looked into: {error}")
            else:
                closed[uid] = closed.get(uid, 0) + 1
    found.unseen += ["%d network namespaces of uid %d" % (count, uid) for uid, count in sorted(closed.items())]


def _owner(found, door):
    """The uid of who made the user namespace that a network namespace is in. 0 for one where an attack in the history acted, and when it is not known."""
    try:
        handle = os.open(door, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        if any("@" + namespace.number(door) in held for held in found.resources):
            return 0
        users = fcntl.ioctl(handle, _USER_NAMESPACE)
        try:
            same = os.fstat(users).st_ino == os.stat("/proc/self/ns/user").st_ino
            return 0 if same else struct.unpack("=I", fcntl.ioctl(users, _OWNER, struct.pack("=I", 0)))[0]
        finally:
            os.close(users)
    except (OSError, TypeError):  # before kernel 4.11, or it ended meanwhile
        return 0
    finally:
        os.close(handle)


def _look(found, door, uid):
    with netlink.inside(door):
        network = netlink.Network(_FOREIGN if uid else _OWN, _has_nft(found.host))
        loaded = _loaded()
    try:
        marks = _marks(found, network)
    finally:
        network.close()
    if uid == 0:
        marks += _legacy(found, namespace.Namespace(found.host, door, door), loaded)
    for mark in marks:
        mark["more"] = mark.get("more", "") + f" (in the network namespace of {door})"
        if "helps" in mark:
            mark["helps"] = ["nsenter", "--net=" + door] + mark["helps"]
        found.add(uid=uid, **mark)
    if uid and any(loaded.values()):
        raise OSError("iptables-legacy is not asked there")


def _has_nft(host):
    """Whether nf_tables is in use here: asking would load it."""
    return os.path.isdir("/sys/module/nf_tables") or host.has_tool("nft") or host.has_tool("iptables-nft")


def _loaded():
    """The loaded tables of iptables-legacy that attacks use, by family, in the network namespace that this process is in."""
    found = {}
    for family, path in (("iptables", "/proc/self/net/ip_tables_names"), ("ip6tables", "/proc/self/net/ip6_tables_names")):
        try:
            with open(path) as names:
                found[family] = sorted(set(names.read(4096).split()) & set(("filter", "nat")))
        except OSError:
            found[family] = []
    return found


def _marks(found, network):
    """What add() takes, for each mark."""
    marks = []
    interfaces = dict((index, (name, described)) for index, name, described in network.interfaces())
    for name, described in sorted(interfaces.values()):
        if made_by_attack(name) and name not in found.claimed:
            marks.append({"kind": "interface", "name": name, "helps": ["ip", "link", "del", name]})
        attack_id = described[len(PREFIX) :]
        if described.startswith(PREFIX) and HOST_ID.allows(attack_id) and attack_id not in found.active:
            helps = ["ip", "link", "set", "dev", name, "alias", ""]
            marks.append({"kind": "interface", "name": name, "more": f" has the description {described}", "attack_id": attack_id, "helps": helps})
    for index, hook in network.hooks():
        name = interfaces.get(index, ("", ""))[0]
        ours = [pref for pref in sorted(network.preferences(index, hook)) if TC_PREF_FIRST <= pref <= TC_PREF_LAST]
        if ours and f'"{name}"' not in found.claimed and f'"number": "{index}"' not in found.claimed:  # it may be renamed by now
            helps = ["tc", "filter", "del", "dev", name] + ([] if hook == "root" else [hook]) + ["pref", str(ours[0])]
            marks.append({"kind": "tc filters on", "name": f"{name} {hook}", "helps": helps})
    for family, table in sorted(set(network.tables())):
        key = re.match(_TABLE, table)
        if key and key.group(1) not in found.claimed:
            marks.append({"kind": "rules in table", "name": f"{family} {table}", "helps": ["nft", "delete", "table", family, table]})
    for chain in sorted(set(chain for _table, chain in network.chains())):
        key = re.match(_CHAIN, chain)
        if key and key.group(1) not in found.claimed:
            marks.append({"kind": "rules in chain", "name": f"{chain} of iptables-nft"})
    return marks


def _legacy(found, place, loaded):
    """Managed chains of iptables-legacy. Only loaded tables are listed, because listing a table loads it."""
    marks = set()
    for family, tables in loaded.items():
        for program in [each for each in (family, family + "-legacy") if tables and found.host.has_tool(each)]:
            waits = Locking(found.host, program).command
            for table in tables:
                rc, out, _err = found.host.run(place.argv([found.host.tool(program)] + waits + ["-t", table, "-S"]), check=False, seconds=_OWN)
                found_there = [mark for pattern in (_NAMED, _COMMENTED) for mark in re.findall(pattern, out, re.M)] if rc == 0 else []
                marks.update((family, chain) for chain, key in found_there if key not in found.claimed)
    return [{"kind": "rules in chain", "name": f"{chain} of {family}"} for family, chain in sorted(marks)]
