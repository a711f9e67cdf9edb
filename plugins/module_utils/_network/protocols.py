# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""IP protocols as options, by number or name. The names are those of IANA's list and common aliases. /etc/protocols of the target, which
may be missing, is never read, and the programs of the target get numbers."""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._hints import did_you_mean

TCP, UDP, ICMP, ICMPV6, AH = 6, 17, 1, 58, 51
WITH_PORTS = ("tcp", "udp")  # protocols with selectable ports
NUMBERS = {
    "icmp": ICMP,
    "igmp": 2,
    "ipip": 4,
    "tcp": TCP,
    "egp": 8,
    "igp": 9,
    "udp": UDP,
    "dccp": 33,
    "6in4": 41,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": AH,
    "icmpv6": ICMPV6,
    "eigrp": 88,
    "ospf": 89,
    "etherip": 97,
    "pim": 103,
    "ipcomp": 108,
    "vrrp": 112,
    "carp": 112,
    "l2tp": 115,
    "isis": 124,
    "sctp": 132,
    "udplite": 136,
    "mpls": 137,
}
_ALSO = {"ipencap": 4, "ipv6": 41, "sit": 41, "ipv6-icmp": ICMPV6, "ospfigp": 89, "ipsec-esp": 50, "ipsec-ah": AH}
_BY_NAME = dict(NUMBERS, **_ALSO)
_OWN = {TCP: "tcp", UDP: "udp", ICMP: "icmp"}
# Extension headers of IPv6, and the number that means every protocol to iptables.
_HEADERS = {0: "hop-by-hop options", 43: "routing", 44: "fragment", 59: "no next header", 60: "destination options"}


def protocol(option, value):
    """ "tcp", "udp", "icmp" (ICMPv6 in IPv6), or the number of another protocol. Errors: BadOption."""
    text = str(value).lower()
    if re.match(r"(0|[1-9][0-9]{0,17})\Z", text):
        number = int(text)
        if number in _HEADERS:
            raise BadOption(option, value, f"{number} is a header of IPv6 ({_HEADERS[number]}), not a protocol")
        if number > 255:
            raise BadOption(option, value, "the numbers of protocols go from 1 to 255")
    elif text in _BY_NAME:
        number = _BY_NAME[text]
    else:
        near = did_you_mean(text, _BY_NAME)
        raise BadOption(option, value, f"{near}{' ' if near else ''}give a name ({', '.join(NUMBERS)}) or a number from 1 to 255")
    return _OWN.get(number, number)


def spelled(values):
    """Protocols as an identity has them: vrrp and 112, tcp and TCP are the same. Errors: BadOption."""
    return [str(protocol("protocols", value)) for value in values]


def number(known, family):
    """The number in a family (4, 6) of what protocol() returned."""
    if known == "icmp":
        return ICMPV6 if family == 6 else ICMP
    return NUMBERS.get(known, known)


def check_ports(option, values, protocols):
    """Errors: BadOption when ports are given for protocols that have none. TCP or UDP with ports and ICMP beside it is allowed."""
    strange = [each for each in protocols if each not in ("icmp",) + WITH_PORTS]
    if values and (strange or protocols and not set(protocols) & set(WITH_PORTS)):
        without = ", ".join("ICMP" if each == "icmp" else name(each) for each in strange or protocols)
        raise BadOption(option, values, f"{without} has no ports to choose by: ports are for tcp and udp")


def name(known):
    """The usual name of what protocol() returned."""
    return next((word for word, number in NUMBERS.items() if number == known), str(known))
