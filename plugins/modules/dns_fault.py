#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: dns_fault
version_added: 0.1.0
short_description: Answer chosen DNS names wrongly, late or not at all
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Redirects the DNS queries of the target's own programs, by UDP and TCP, from the resolvers of the target to a small forwarder on the loopback interface. It
    treats the names in O(domains) as O(mode) says, and passes all others on to the very resolver that was asked.
  - Redirected are queries to the C(nameserver) lines of C(/etc/resolv.conf), stubs such as 127.0.0.53 included, and queries of systemd-resolved to
    its own servers, for programs that ask it without the stub. No file is changed, so it does not matter who manages C(resolv.conf).
  - When the forwarder dies, a watcher of its own reverts the attack at once, so the target is not left without DNS.
  - Answers carry a time to live of 0. The caches of systemd-resolved and nscd are emptied at the beginning and at the end.
  - Needs nftables or iptables, with NAT in the kernel. Every query takes some 0.3 ms longer.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  domains:
    description:
      - The names to treat, for example V(db.example.com). V(*.example.com) is every name below C(example.com), but not C(example.com) itself.
      - A name is compared as it is asked. Where C(search) in C(resolv.conf) completes short names, give the complete one.
      - An alias is known by the name that was asked, not by the one that it leads to.
    type: list
    elements: str
    required: true
  mode:
    description:
      - V(nxdomain) says that there is no such name, V(servfail) that the server has failed, V(block) that the query is refused.
      - V(timeout) never answers. The C library then waits 5 seconds for each resolver, twice.
      - V(delay) passes the query on after O(delay).
      - V(spoof) answers with O(addresses).
    type: str
    choices: [nxdomain, servfail, block, timeout, delay, spoof]
    default: nxdomain
  delay:
    description:
      - How long V(mode=delay) waits, with a unit, for example V(300ms) or V(2s). At most V(60s).
    type: str
  addresses:
    description:
      - The addresses of V(mode=spoof), IPv4 and IPv6. A query of a family without an address is answered with none, as for a name that has none.
    type: list
    elements: str
    default: []
notes:
  - Not hit are names in C(/etc/hosts), DNS over TLS or HTTPS, mDNS and LLMNR, resolvers that a program brings itself, and containers with
    a network of their own.
  - Programs that keep answers themselves, such as Java, browsers or a caching proxy, go on with them for a while, also after the attack where it was V(spoof).
  - A program that keeps one UDP socket open to its resolver is hit only once the kernel has forgotten that connection, after 30 to 120 seconds
    without a query, and freed as late.
  - A stub that validates DNSSEC turns wrong answers for signed domains into V(servfail).
  - Resolvers with link-local addresses are refused.
seealso:
  - module: faultline.chaos.blackhole
  - module: faultline.chaos.netem
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: The database has no name for a minute
  faultline.chaos.dns_fault:
    domains: [db.example.com]
    duration: 1m

- name: Give it back before the minute is over
  faultline.chaos.dns_fault:
    domains: [db.example.com]
    state: absent

- name: Names of a partner resolve half a second late
  faultline.chaos.dns_fault:
    domains: [partner.example, "*.partner.example"]
    mode: delay
    delay: 500ms
    duration: 2m

- name: The payment service is somewhere else
  faultline.chaos.dns_fault:
    domains: [pay.example.net]
    mode: spoof
    addresses: [192.0.2.10, "2001:db8::10"]
    duration: 30s
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: dns_fault-1f2e3d4c5b
status:
  description: V(active), V(planned) in check mode, V(reverted) or V(absent).
  returned: success
  type: str
  sample: active
deadline:
  description:
    - When the target reverts the attack, including renewals of the lease known at that time.
    - In UTC, by the clock that the target had before the attack.
  returned: when active
  type: str
  sample: "2026-11-22T14:03:20Z"
remaining:
  description: Seconds until RV(deadline).
  returned: when active
  type: float
  sample: 59.6
deadman:
  description: What reverts the attack at the deadline, a timer of V(systemd) or a V(watcher) process.
  returned: when active or planned
  type: str
  sample: systemd
undo:
  description: The script that reverts the attack. It can be run by hand at any time.
  returned: when active or planned
  type: str
  sample: /var/lib/faultline/dns_fault-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["dns"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was asked for and what came back.
  returned: when active
  type: dict
  contains:
    mode:
      description: The mode.
      type: str
      sample: nxdomain
    resolvers:
      description: The resolvers whose queries are redirected.
      type: list
      elements: str
      sample: ["192.0.2.53"]
    firewall:
      description: What carries the redirect, V(nft), V(iptables) or one of its kinds.
      type: str
      sample: nft
    measured:
      description: For each resolver, what a query for the first of the domains brought.
      type: dict
      sample: {"192.0.2.53": "NXDOMAIN in 1 ms"}
    others:
      description: For each resolver, what a query for another name brought.
      type: dict
      sample: {"192.0.2.53": "NOERROR in 12 ms"}
"""

import ipaddress
import os
import pwd
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.figures import Figures
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.worker import Worker
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._network import dns, dns_forwarder, firewall, sockets
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import NAT, PASS, REDIRECT, Rule
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Run, Undo

FIRST_UID = 47053  # the server runs under the first unused uid from here on; the firewall recognizes its queries by the uid
FIRST_PORT = 20053
READY = 10.0  # seconds until the forwarder must listen
LOOK = 2.0  # seconds to wait for an answer when the effect is measured
LONGEST = 3.0  # seconds: longest part of a delay to wait for when the effect is measured
TRIES = 2
SILENCE = 1.0  # seconds without an answer that count as a timeout
OTHER = "faultline-probe.invalid"  # a name that no fault attacks, and that every resolver answers
# Programs that cache answers: (tool, arguments, path that exists while it runs).
CACHES = (
    ("resolvectl", ["flush-caches"], "/run/systemd/resolve/stub-resolv.conf"),
    ("systemd-resolve", ["--flush-caches"], "/run/systemd/resolve/stub-resolv.conf"),
    ("nscd", ["--invalidate=hosts"], "/run/nscd/socket"),
)
EXPECTED = {"nxdomain": "NXDOMAIN", "servfail": "SERVFAIL", "block": "REFUSED", "spoof": "NOERROR"}


class DnsFault(Attack):
    name = "dns_fault"
    options = {
        "domains": {"type": "list", "elements": "str", "required": True},
        "mode": {"type": "str", "choices": ["nxdomain", "servfail", "block", "timeout", "delay", "spoof"], "default": "nxdomain"},
        "delay": {"type": "str"},
        "addresses": {"type": "list", "elements": "str", "default": []},
    }
    constraints = {"required_if": [("mode", "delay", ["delay"])]}

    def validate(self):
        params = self.params
        self.mode = params["mode"]
        if not params["domains"]:
            raise BadOption("domains", params["domains"], "name at least one domain")
        self.domains = [dns.domain("domains", each) for each in params["domains"]]
        if OTHER in dns.Domains(self.domains):
            raise BadOption("domains", params["domains"], f"{OTHER} tells whether other names still pass: leave it out")
        self.delay = 0.0
        if params["delay"] is not None:
            if self.mode != "delay":
                raise BadOption("delay", params["delay"], "only mode delay has one")
            self.delay = _units.duration("delay", params["delay"], 0.001, 60.0, unit_needed=True)
        self.addresses = [self._address(each) for each in params["addresses"]]
        if bool(self.addresses) != (self.mode == "spoof"):
            raise BadOption("addresses", params["addresses"], "mode spoof needs at least one, the other modes have none")

    @staticmethod
    def _address(text):
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            raise BadOption("addresses", text, "give an IPv4 or IPv6 address")

    def resources(self):
        return ["dns"]

    def guard(self):
        host = self.host
        self.resolvers = dns.resolvers(host.read(dns.RESOLV_CONF), host.read(dns.UPSTREAM_CONF))
        self.uid = self._free_uid()
        ports = self._free_ports(len(self.resolvers))
        self.endpoints = [dns_forwarder.Endpoint(resolver, port) for resolver, port in zip(self.resolvers, ports)]
        self.firewall = firewall.choose(host, self.id, self._rules())

    @staticmethod
    def _free_uid():
        uid = FIRST_UID
        while True:
            try:
                pwd.getpwuid(uid)
            except KeyError:
                return uid
            uid += 1

    @staticmethod
    def _free_ports(count):
        wanted = range(FIRST_PORT, FIRST_PORT + 1000)
        used = set(port for protocol in ("tcp", "udp") for port in sockets.ports_in_use(protocol, wanted))
        return [port for port in wanted if port not in used][:count]

    def _rules(self):
        """Rules that pass the forwarder's own queries, and redirect all other queries for a resolver to its stand-in."""
        found = []
        for family in sorted(set(each.address.version for each in self.resolvers)):
            found.append(Rule(PASS, "out", family=family, uid=self.uid, table=NAT))
        for each in self.endpoints:
            network = ipaddress.ip_network(each.resolver.address)
            for protocol in ("udp", "tcp"):
                found.append(Rule(REDIRECT, "out", network=network, protocol=protocol, far_ports=(dns.PORT, dns.PORT), to_port=each.port))
        return found

    def snapshot(self):
        """{address: Reply} before the attack: a resolver that did not answer then cannot prove the effect."""
        return dict((str(each.address), dns.ask(each.address, OTHER, dns.A, SILENCE)) for each in self.resolvers)

    def plan(self, before):
        until = uptime() + self.duration
        fault = dns_forwarder.Fault(self.mode, dns.Domains(self.domains), self.delay, self.addresses)
        script = self.journal.script(self.id)
        hits, figures = dns_forwarder.Hits(), Figures(self.journal, self.id)
        worker = Worker("dns", lambda: dns_forwarder.run(self.endpoints, fault, self.uid, script, until, hits, figures))
        undo = Undo()
        self.firewall.undo(undo)
        for argv, sign in self._caches():
            # Flushing twice does no harm, and a failure is ignored because the cache may be gone.
            undo.steps.append(Run(f"empty the cache of {argv[0]}", ["/bin/sh", "-c", '"$@" || :', "sh"] + argv, [Exists(sign)]))
        names = ", ".join(self.domains)
        servers = "\n".join(f"queries to {each.address} port 53" for each in self.resolvers)
        silent = [address for address in sorted(before) if before[address].rcode is None]
        plan = Plan(
            before=servers,
            after=f"{servers}\n  {names}: {self._told()}\n  everything else passes\n{self.firewall.text()}",
            steps=self.firewall.steps(),
            undo=undo,
            workers=[worker],
            workers_last=True,
            notes=[f"the resolver {each} did not answer before the attack either" for each in silent],
        )
        undo.readings.append(figures.reading())  # the last one: the forwarder counts what it hits, the rules count all queries
        plan.answered, plan.hits = before, hits
        return plan

    def _told(self):
        if self.mode == "delay":
            return f"delay {_units.human(self.delay)}"
        return " ".join([self.mode] + [str(each) for each in self.addresses])

    def _caches(self):
        """(argv, sign) of the commands that flush caches on this host; one tool per sign."""
        found = {}
        for tool, words, sign in CACHES:
            if sign not in found and os.path.exists(sign) and self.host.has_tool(tool):
                found[sign] = [self.host.tool(tool)] + words
        return [(argv, sign) for sign, argv in sorted(found.items())]

    def inject(self, plan):
        """Start the forwarder before the redirect, so that no query goes to a closed port."""
        for worker in plan.workers:
            worker.release()
        self._wait_for_forwarder(plan.workers[0])
        for number, (argv, stdin) in enumerate(plan.steps):
            self.host.run(argv, data=stdin)
            crash_point("inject:%d" % number)
        for argv, _sign in self._caches():
            self.host.run(argv, check=False)

    def _wait_for_forwarder(self, worker):
        ports = set(each.port for each in self.endpoints)
        until = time.monotonic() + READY
        while any(sockets.ports_in_use(protocol, ports) != ports for protocol in ("udp", "tcp")):
            if not worker.alive() or time.monotonic() > until:
                raise AttackError("the forwarder does not listen: the target is out of memory, processes or ports")
            time.sleep(0.05)

    def verify(self, plan):
        measured, others = {}, {}
        kind = dns.AAAA if self.mode == "spoof" and self.addresses[0].version == 6 else dns.A
        name = self.domains[0].replace("*", "faultline-probe")
        for each in self.resolvers:
            address = str(each.address)
            answers = plan.answered[address].rcode is not None
            reply = self._ask(each, name, kind, self._patience(), lambda reply, ok=answers: self._as_asked(reply, kind, ok))
            if not self._as_asked(reply, kind, answers):
                raise AttackError(f"{address} asked for {name} should be {self._told()}, and is: {reply}")
            other = self._ask(each, OTHER, dns.A, LOOK, lambda reply, ok=answers: reply.rcode is not None or not ok)
            if other.rcode is None and answers:
                raise AttackError(f"{address} answered to other names before, and does not any more")
            measured[address], others[address] = str(reply), str(other)
        if not plan.workers[0].alive():
            raise AttackError("the forwarder has ended")
        plan.hits.forget()
        return {
            "mode": self.mode,
            "resolvers": [str(each.address) for each in self.resolvers],
            "firewall": self.firewall.name,
            "measured": measured,
            "others": others,
        }

    @staticmethod
    def _ask(resolver, name, kind, patience, good):
        """A Reply; retried when it is not good, because the network may lose a packet."""
        for _each in range(TRIES):
            reply = dns.ask(resolver.address, name, kind, patience)
            if good(reply):
                break
        return reply

    def _patience(self):
        return {"timeout": SILENCE, "delay": min(self.delay, LONGEST) + LOOK}.get(self.mode, LOOK)

    def _as_asked(self, reply, kind, answered):
        """Whether a reply shows the fault. answered: whether the resolver answered before the attack."""
        if self.mode == "timeout":
            return reply.rcode is None
        if self.mode == "delay":
            late = reply.seconds >= min(self.delay, self._patience()) - 0.005
            return late and (reply.rcode is not None or not answered or self.delay > LONGEST)
        wanted = [each for each in self.addresses if each.version == (4 if kind == dns.A else 6)]
        return reply.rcode == EXPECTED[self.mode] and reply.addresses == wanted[: max(1, len(reply.addresses))]


def main():
    run_attack(DnsFault)


if __name__ == "__main__":
    main()
