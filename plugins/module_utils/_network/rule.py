# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""One rule of a packet filter, whatever program makes it."""

PASS, DROP, REJECT, REDIRECT = "pass", "drop", "reject", "redirect"
FILTER, NAT = "filter", "nat"


class Rule:
    """What happens to packets of one direction that match all given fields. Ports are (low, high).

    network and far_ports belong to the remote end, near_ports to this host. In the table nat (redirect, and pass with table=NAT)
    to_port is the local port that the packet is redirected to; "out" means packets that this host sends itself.
    """

    def __init__(
        self,
        kind,
        direction,
        network=None,
        family=None,
        protocol=None,
        far_ports=None,
        near_ports=None,
        interface=None,
        icmp=None,
        icmp_code=None,
        reset=False,
        uid=None,
        mark=None,
        to_port=None,
        table=None,
    ):
        self.kind = kind
        self.direction = direction  # in, out
        self.network = network  # an ipaddress network
        self.family = network.version if network is not None else family  # 4, 6, None for both
        self.protocol = protocol  # tcp, udp, icmp (ICMPv6 in IPv6), the number of another protocol, None for all
        self.far_ports = far_ports
        self.near_ports = near_ports
        self.interface = interface
        self.icmp = icmp  # ICMP type; needs a family
        self.icmp_code = icmp_code
        self.reset = reset  # only TCP resets
        self.uid = uid  # only packets of this user's processes; direction out
        self.mark = mark  # only packets with this mark
        self.to_port = to_port
        self.table = table or (NAT if kind == REDIRECT else FILTER)

    @property
    def families(self):
        return (self.family,) if self.family else (4, 6)

    @property
    def ends(self):
        """(prefix of the remote end, prefix of the local end), as in "dport"."""
        return ("d", "s") if self.direction == "out" else ("s", "d")
