# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The attack's packet filter rules, beside all existing rules, and their undo.

    firewall = choose(host, attack_id, rules, place)   # in guard(): the first back-end that the kernel can carry
    firewall.steps()                                   # in plan(): (argv, stdin), all or nothing in nft, and in each table of iptables
    firewall.undo(undo)                                # in plan(): adds steps and checks
    firewall.read()                                    # in verify(): rules and packets, as the kernel counts them

nft gets a managed table, iptables gets managed chains and a jump to each at the top of a built-in chain. Nothing else is
rewritten, flushed, or deleted by position; foreign rules stay unchanged byte by byte.
A pass rule only ends the evaluation of managed rules: the host's own firewall still judges the packet.
"""

import hashlib
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import trial
from ansible_collections.faultline.chaos.plugins.module_utils._host.namespace import HERE
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CHAIN_PREFIX, TABLE_PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._network import protocols
from ansible_collections.faultline.chaos.plugins.module_utils._network.rule import FILTER, NAT, PASS, REDIRECT, REJECT
from ansible_collections.faultline.chaos.plugins.module_utils._network.xtables import TRIES, Locking
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Feed, Insist
from ansible_collections.faultline.chaos.plugins.module_utils._undo.rules import Rules
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone, OutputHas, Run, When

MOST_RULES = 2000
_PASSES = ("accept", "RETURN")


def digest(attack_id):
    return hashlib.sha256(attack_id.encode("utf-8")).hexdigest()[:12]


def choose(host, attack_id, rules, place=HERE):
    """The first of nft, iptables, iptables-nft and iptables-legacy that is installed and whose rules the kernel supports.

    Tried in a throw-away network namespace; in check mode nothing is tried, because that would load kernel modules.
    Errors: AttackError with the message of each program.
    """
    if len(rules) > MOST_RULES:
        raise AttackError("this makes %d rules, the most is %d: name networks and port ranges instead of single ones" % (len(rules), MOST_RULES))
    said = []
    for kind, suffix in ((Nft, ""), (Iptables, ""), (Iptables, "-nft"), (Iptables, "-legacy")):
        if not all(host.has_tool(name) for name in kind.tools(suffix, rules, host)):
            continue
        firewall = kind(host, attack_id, rules, place, suffix)
        problem = None if host.check_mode else firewall.try_kernel()
        if problem is None:
            return firewall
        said.append(f"{firewall.name}: {problem}")
    if said:
        raise AttackError("the kernel of the target cannot carry the rules ({})".format("; ".join(said)))
    raise AttackError("neither nft nor iptables is on the target: install the package nftables (Debian, Ubuntu, RHEL, Rocky, Alma)")


def has_ipv6(host):
    return host.read("/proc/net/if_inet6", None) is not None


class _Firewall:
    """What both back-ends share. place: the network namespace of the rules (see _host/namespace.py)."""

    def __init__(self, host, attack_id, rules, place, suffix):
        self.host = host
        self.rules = list(rules)
        self.place = place
        self.key = digest(attack_id)
        self._prepare(suffix)

    def try_kernel(self):
        """None, or why this back-end cannot load the rules."""
        for argv, stdin in self._steps():
            problem = trial.problem(self.host, argv, stdin)
            if problem is not None:
                return problem
        return None

    def steps(self):
        """(argv, stdin) of the commands that add all rules."""
        return [(self.place.argv(self._patiently(argv)), stdin) for argv, stdin in self._steps()]

    def more(self, rules):
        """(argv, stdin) of the commands with which a worker appends rules while the attack is active."""
        return [(self.place.argv(self._patiently(argv)), stdin) for argv, stdin in self._more(rules)]

    def _patiently(self, argv):
        return argv

    def text(self):
        """The rules for --diff."""
        return "\n".join(stdin.rstrip("\n") for _argv, stdin in self._steps())

    def _has(self, argv, text):
        return OutputHas(self.place.undo_argv(argv), text)

    def _run(self, title, argv, guards, kind=Run):
        return kind(title, self.place.undo_argv(argv), guards)

    def _reading(self, how, title, rules, more, argv, there):
        """Of some of the rules, which argv shows. there: the guard without which they are gone or do nothing."""
        passes = len([rule for rule in rules if rule.kind == PASS])
        return Rules(how, title, passes, len(rules) - passes, more, self.place.undo_argv(argv), [*self.place.guards, there])

    def _finish(self, undo, steps, checks):
        if self.place.guards:  # look for the namespace once, because that is expensive
            steps, checks = [When(self.place.guards, steps)], [When(self.place.guards, checks)]
        undo.steps += steps
        undo.checks += checks

    def read(self):
        """{"rules": how many, "dropped": packets dropped, rejected or redirected so far, "passed": packets let pass}. Errors: AttackError."""
        found = {"rules": 0, "dropped": 0, "passed": 0}
        for chain, rules, asked in self._chains_read():
            passes = [verdict in _PASSES for verdict, _packets in rules]
            for at, (_verdict, packets) in enumerate(rules):
                found["passed" if passes[at] else "dropped"] += packets
            found["rules"] += len(rules)
            if len(rules) < len(asked) or passes[: len(asked)] != [rule.kind == PASS for rule in asked]:
                raise AttackError(f"the kernel shows other rules in {chain} than those that were added")
        return found

    def _asked(self, table, direction, family=None):
        """The rules of one chain, in order."""
        chain = [rule for rule in self.rules if (rule.table, rule.direction) == (table, direction)]
        return [rule for rule in chain if family is None or family in rule.families]


class Nft(_Firewall):
    """A managed table in the family inet; for nat one in ip and one in ip6, because kernels before 5.2 have no inet nat."""

    name = "nft"
    HOOKS = {(FILTER, "in"): "input", (FILTER, "out"): "output", (NAT, "in"): "prerouting", (NAT, "out"): "output"}

    @staticmethod
    def tools(_suffix, _rules, _host):
        return ["nft"]

    def _prepare(self, _suffix):
        self.nft = self.host.tool("nft")
        self.table = TABLE_PREFIX + self.key

    def _tables(self):
        """Table families that the rules need, in a fixed order."""
        return [each for each in ("inet", "ip", "ip6") if any(each in self._homes(rule) for rule in self.rules)]

    @staticmethod
    def _homes(rule):
        if rule.table == FILTER:
            return ["inet"]
        return ["ip" if family == 4 else "ip6" for family in rule.families]

    def _steps(self):
        lines = []
        for family in self._tables():
            lines.append(f"create table {family} {self.table}")
            hooks = sorted(set((rule.table, rule.direction) for rule in self.rules if family in self._homes(rule)))
            for kind, direction in hooks:
                # Before the chains at the usual priorities, so that the counters also include packets that the host's firewall would accept.
                head = "type %s hook %s priority %d; policy accept;" % (kind, self.HOOKS[(kind, direction)], -5 if kind == FILTER else -105)
                lines.append(f"add chain {family} {self.table} {self._chain(kind, direction)} {{ {head} }}")
        return [([self.nft, "-f", "-"], "\n".join(lines + self._lines(self.rules)) + "\n")]

    def _more(self, rules):
        return [([self.nft, "-f", "-"], "\n".join(self._lines(rules)) + "\n")]

    @staticmethod
    def _chain(kind, direction):
        return f"{kind}_{direction}"

    def _lines(self, rules):
        found = []
        for rule in rules:
            for family in self._homes(rule):
                words = self._match(rule, {"ip": 4, "ip6": 6}.get(family, rule.family)) + ["counter"] + self._verdict(rule)
                found.append("add rule {} {} {} {}".format(family, self.table, self._chain(rule.table, rule.direction), " ".join(words)))
        return found

    @staticmethod
    def _match(rule, family):
        far, near = rule.ends
        words = []
        if rule.interface is not None:
            words += ["oifname" if rule.direction == "out" else "iifname", f'"{rule.interface}"']
        if rule.network is not None:
            words += ["ip" if family == 4 else "ip6", far + "addr", str(rule.network)]
        elif family is not None and rule.table == FILTER and rule.icmp is None:
            words += ["meta", "nfproto", "ipv%d" % family]
        if rule.icmp is not None:
            words += ["icmp" if family == 4 else "icmpv6", "type", str(rule.icmp)]
            words += ["icmp" if family == 4 else "icmpv6", "code", str(rule.icmp_code)] if rule.icmp_code is not None else []
        elif rule.protocol == "icmp" and family is None:
            words += ["meta", "l4proto", "{ %d, %d }" % (protocols.ICMP, protocols.ICMPV6)]
        elif rule.protocol == protocols.AH and family == 6:
            words += ["ip6", "nexthdr", str(protocols.AH)]  # l4proto is the protocol after the AH header
        elif rule.protocol is not None:
            words += ["meta", "l4proto", str(protocols.number(rule.protocol, family))]
        for end, ports in ((far, rule.far_ports), (near, rule.near_ports)):
            if ports is not None:
                words += [rule.protocol, end + "port", _range(ports, "-")]
        if rule.reset:
            words += ["tcp", "flags", "&", "rst", "==", "rst"]
        if rule.uid is not None:
            words += ["meta", "skuid", str(rule.uid)]
        if rule.mark is not None:
            words += ["meta", "mark", str(rule.mark)]
        return words

    @staticmethod
    def _verdict(rule):
        if rule.kind == REJECT:
            return ["reject", "with"] + (["tcp", "reset"] if rule.protocol == "tcp" else ["icmpx", "type", "port-unreachable"])
        if rule.kind == REDIRECT:
            return ["redirect", "to", ":%d" % rule.to_port]
        return ["accept" if rule.kind == PASS else "drop"]

    def undo(self, undo, more=False):
        """Add steps, checks and readings to an Undo. more: a worker adds rules that are no passes."""
        steps, checks = [], []
        for family in self._tables():
            there = self._has([self.nft, "list", "tables"], f"table {family} {self.table}")
            steps.append(self._run(f"delete our table {self.table}", [self.nft, "delete", "table", family, self.table], [there]))
            checks.append(Gone(f"table {family} {self.table}", [there]))
            rules = [rule for rule in self.rules if family in self._homes(rule)]
            title = f"our rules in table {family} {self.table}"
            undo.readings.append(self._reading("nft", title, rules, more, [self.nft, "list", "table", family, self.table], there))
        self._finish(undo, steps, checks)

    def _chains_read(self):
        for family in self._tables():
            text = self.host.run(self.place.argv([self.nft, "list", "table", family, self.table]))[1]
            for kind, direction in sorted(self.HOOKS):
                asked = self._asked(kind, direction, {"ip": 4, "ip6": 6}.get(family)) if (kind == FILTER) == (family == "inet") else []
                name = self._chain(kind, direction)
                shown = re.search(rf"chain {name} \{{(.*?)\n\t\}}", text, re.S)
                if asked:
                    counted = re.findall(r"counter packets (\d+) bytes \d+ (\w+)", shown.group(1) if shown else "")
                    yield f"{family} {self.table} {name}", [(verdict, int(packets)) for packets, verdict in counted], asked


class Iptables(_Firewall):
    """Managed chains, and a jump to each at the top of a built-in chain."""

    BUILT_IN = {(FILTER, "in"): ("INPUT", "I"), (FILTER, "out"): ("OUTPUT", "O"), (NAT, "in"): ("PREROUTING", "P"), (NAT, "out"): ("OUTPUT", "N")}

    @staticmethod
    def tools(suffix, rules, host):
        return [f"{tool}{suffix}{end}" for tool in _families(rules, host).values() for end in ("", "-restore")]

    def _prepare(self, suffix):
        self.name = "iptables" + suffix
        self.comment = ["-m", "comment", "--comment", CHAIN_PREFIX + self.key]
        self.programs, self.locking = {}, None
        for family, tool in sorted(_families(self.rules, self.host).items()):
            self.programs[family] = (self.host.tool(tool + suffix), self.host.tool(f"{tool}{suffix}-restore"))
            self.locking = self.locking or Locking(self.host, tool + suffix)  # the same program serves both families

    def try_kernel(self):
        if super().try_kernel() is None:
            return None
        self.comment = []  # it may be only this match that is missing
        return super().try_kernel()

    def _patiently(self, argv):
        return self.locking.patiently(argv)

    def _chains(self):
        """(family, table, built-in chain, managed chain), in a fixed order."""
        found = set()
        for rule in self.rules:
            for family in rule.families:
                if family in self.programs:
                    found.add((family, rule.table) + self.BUILT_IN[(rule.table, rule.direction)])
        return [(family, table, built_in, CHAIN_PREFIX + self.key + end) for family, table, built_in, end in sorted(found)]

    def _steps(self):
        """One run of iptables-restore for each family and table adds chains, rules and jumps."""
        found = []
        for family in sorted(self.programs):
            for table in (FILTER, NAT):
                chains = [(built_in, ours) for version, name, built_in, ours in self._chains() if (version, name) == (family, table)]
                if chains:
                    lines = ["*" + table] + [f":{ours} - [0:0]" for _built_in, ours in chains]
                    lines += self._lines([rule for rule in self.rules if rule.table == table], family, self.comment)
                    lines += ["-I {} 1 -j {}".format(*chain) for chain in chains] + ["COMMIT"]
                    found.append((self._restore(family), "\n".join(lines) + "\n"))
        return found

    def _more(self, rules):
        for family in sorted(self.programs):
            for table in (FILTER, NAT):
                lines = self._lines([rule for rule in rules if rule.table == table], family)
                if lines:
                    yield self._restore(family), "\n".join(["*" + table] + lines + ["COMMIT"]) + "\n"

    def _lines(self, rules, family, comment=()):
        """comment: for the first rule of each chain, by which the chain is known when somebody renames it."""
        found, known = [], set()
        for rule in rules:
            if family in rule.families:
                chain = CHAIN_PREFIX + self.key + self.BUILT_IN[(rule.table, rule.direction)][1]
                words = self._match(rule, family) + ([] if chain in known else list(comment))
                known.add(chain)
                found.append(" ".join(["-A", chain] + words + ["-j"] + self._target(rule, family)))
        return found

    @staticmethod
    def _match(rule, family):
        far, near = rule.ends
        words = []
        if rule.interface is not None:
            words += ["-o" if rule.direction == "out" else "-i", rule.interface]
        if rule.network is not None:
            words += ["-" + far, str(rule.network)]
        if rule.icmp is not None:
            kind = str(rule.icmp) if rule.icmp_code is None else "%d/%d" % (rule.icmp, rule.icmp_code)
            words += ["-p", "icmp", "--icmp-type", kind] if family == 4 else ["-p", "icmpv6", "--icmpv6-type", kind]
        elif rule.protocol == protocols.AH and family == 6:
            words += ["-m", "ah"]  # for ip6tables the protocol is the one after the AH header
        elif rule.protocol is not None:
            words += ["-p", str(protocols.number(rule.protocol, family))]
        for end, ports in ((far, rule.far_ports), (near, rule.near_ports)):
            if ports is not None:
                words += [f"--{end}port", _range(ports, ":")]
        if rule.reset:
            words += ["--tcp-flags", "RST", "RST"]
        if rule.uid is not None:
            words += ["-m", "owner", "--uid-owner", str(rule.uid)]
        if rule.mark is not None:
            words += ["-m", "mark", "--mark", str(rule.mark)]
        return words

    @staticmethod
    def _target(rule, family):
        if rule.kind == REJECT:
            unreachable = "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable"
            return ["REJECT", "--reject-with", "tcp-reset" if rule.protocol == "tcp" else unreachable]
        if rule.kind == REDIRECT:
            return ["REDIRECT", "--to-ports", str(rule.to_port)]
        return ["RETURN" if rule.kind == PASS else "DROP"]

    def _command(self, family, table):
        return [self.programs[family][0]] + self.locking.command + ["-t", table]

    def _restore(self, family):
        return [self.programs[family][1], "--noflush"] + self.locking.restore

    def undo(self, undo, more=False):
        """For each table: remove everything in one run, which is quick. If that is refused because part is gone already, remove
        the jumps first, which ends the attack, then the chains. more: as above."""
        steps, checks = [], []
        chains = self._chains()
        kind, tries = (Run, 1) if self.locking.has_lock else (Insist, TRIES)
        for family, table in sorted(set(chain[:2] for chain in chains)):
            command = self._command(family, table)
            mine = [chain[2:] for chain in chains if chain[:2] == (family, table)]
            where = "of %s, IPv%d" % (table, family)
            inner = []
            for built_in, ours in mine:
                jump = self._has(command + ["-S", built_in], f"-A {built_in} -j {ours}")
                rules = self._asked(table, "out" if built_in == "OUTPUT" else "in", family)
                shown = command + ["-n", "-v", "-x", "-L", ours]
                undo.readings.append(self._reading("iptables", f"our jump from {built_in} and rules in {ours} {where}", rules, more, shown, jump))
                inner.append(self._run(f"take our jump out of {built_in} {where}", command + ["-D", built_in, "-j", ours], [jump], kind))
            for _built_in, ours in mine:
                there = self._has(command + ["-S"], f"-N {ours}")
                inner.append(self._run(f"empty our chain {ours} {where}", command + ["-F", ours], [there], kind))
                inner.append(self._run(f"delete our chain {ours} {where}", command + ["-X", ours], [there], kind))
            left = self._has(command + ["-S"], CHAIN_PREFIX + self.key)
            lines = ["-D {} -j {}".format(*chain) for chain in mine] + [f"{act} {ours}" for act in ("-F", "-X") for _built_in, ours in mine]
            text = "\n".join(["*" + table] + lines + ["COMMIT"])
            at_once = Feed(f"take out all that is ours {where}", self.place.undo_argv(self._restore(family)), text, tries)
            steps.append(When([left], [at_once, When([left], inner)]))
            title = "what %s shows with %s, the name and the comment of our chains" % (" ".join(command + ["-S"]), CHAIN_PREFIX + self.key)
            checks.append(Gone(title, [left]))
        self._finish(undo, steps, checks)

    def _chains_read(self):
        for hook, (_built_in, end) in sorted(self.BUILT_IN.items()):
            for family in sorted(self.programs):
                asked = self._asked(hook[0], hook[1], family)
                if asked:
                    ours = CHAIN_PREFIX + self.key + end
                    text = self.host.run(self.place.argv(self._command(family, hook[0]) + ["-n", "-v", "-x", "-L", ours]))[1]
                    shown = re.findall(r"^ *([0-9]+) +[0-9]+ +(\S+) ", text, re.M)
                    yield "%s IPv%d" % (ours, family), [(verdict, int(packets)) for packets, verdict in shown], asked


def _families(rules, host):
    """{4: "iptables", 6: "ip6tables"}, as far as the rules need them; rules for both families skip IPv6 where the kernel lacks it."""
    found = {}
    if any(4 in rule.families for rule in rules):
        found[4] = "iptables"
    if any(rule.family == 6 and rule.network is not None for rule in rules) or (has_ipv6(host) and any(6 in rule.families for rule in rules)):
        found[6] = "ip6tables"
    return found


def _range(ports, between):
    low, high = ports
    return str(low) if low == high else "%d%s%d" % (low, between, high)
