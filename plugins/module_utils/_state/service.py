# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Services of the target under its init system: inspect them, stop them, and start exactly those again that ran before."""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import ancestors
from ansible_collections.faultline.chaos.plugins.module_utils._marks import PREFIX
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Until
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import LinksTo
from ansible_collections.faultline.chaos.plugins.module_utils._undo.programs import Ease
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Fails, Gone, Run, Succeeds, When

NAME = r"^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,200}\Z"
MASKS = "/run/systemd/system"
OPENRC = "/run/openrc"
INIT_SCRIPTS = "/etc/init.d"
START_SECONDS = 300  # a database may take long; systemd gives most services 90 seconds
STARTED = 0
NOT_STARTED = 3  # exit status of "status", defined by the Linux Standard Base

# Never stopped: the control path, the network, the host or its undo needs them. Names without .service; a trailing star matches any text.
PROTECTED = (
    "ssh", "sshd", "ssh@*", "sshd@*", "dropbear", "networking", "network", "NetworkManager*", "connman", "wicked*", "netifd", "dhcpcd*", "dhclient*",
    "ifup@*", "net.*", "wpa_supplicant*", "iwd", "cloud-init*", "cloud-config", "cloud-final", "firewalld", "nftables", "iptables", "ip6tables", "ufw",
    "netfilter-persistent", "shorewall*", "dbus*", "systemd-*", "user@*", "user-runtime-dir@*", PREFIX + "*", "init", "rc-local", "sysinit", "udev",
    "devfs", "localmount", "root", "rescue", "emergency",
    # VPNs through which the controller may reach the host
    "openvpn*", "wg-quick*", "wireguard*", "boringtun*", "strongswan*", "ipsec", "tailscale*", "zerotier*", "nebula", "nebula@*", "tinc", "tinc@*", "tinc.*",
    "tincd", "vpnc*", "openconnect*",
)  # fmt: skip
PROTECTED_WITHOUT_SYSTEMD = ("cron", "crond", "cronie", "dcron", "fcron")  # the undo after a reboot depends on cron

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "UnitFileState", "FragmentPath", "Type", "Transient", "Job", "CanStart", "CanStop", "RefuseManualStart",
    "RefuseManualStop", "NeedDaemonReload", "TriggeredBy", "RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo", "TimersMonotonic",
)  # fmt: skip
_STOP_WITH_IT = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
_TRIGGERS = (".socket", ".path", ".timer")


def manager(host):
    """The manager for the init system of this host. Errors: AttackError when none is supported."""
    if host.has_systemd:
        return Systemd(host)
    if os.path.isdir(OPENRC) and host.has_tool("rc-service"):
        return OpenRc(host)
    if os.path.isdir(INIT_SCRIPTS):
        return SysV(host)
    raise AttackError("the target has neither systemd nor OpenRC nor init scripts: there are no services to stop")


def check_names(option, names):
    """Errors: BadOption for an invalid, duplicate or protected name."""
    if not names:
        raise BadOption(option, names, "name at least one service")
    for name in names:
        if not re.match(NAME, name):
            raise BadOption(option, name, "give the name of a service, such as nginx; no pattern and no path")
        if name.endswith((".socket", ".timer", ".path", ".target", ".mount", ".automount", ".slice", ".scope", ".swap", ".device")):
            raise BadOption(option, name, "only services are stopped; name the service, and what starts it is stopped as well")
        if protected(name, PROTECTED):
            raise BadOption(option, name, "it keeps the host or its control path alive and is protected")
    if len(set(map(short, names))) < len(names):
        raise BadOption(option, names, "name each service once")


def short(name):
    return name[: -len(".service")] if name.endswith(".service") else name


def protected(name, patterns):
    """Whether a name matches one of the patterns, which may end with a star."""
    name = short(name)
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)


class _Manager:
    """What all init systems share."""

    def __init__(self, host):
        self.host = host

    def running(self, name):
        return self.host.run(self.ask(name), check=False)[0] == 0

    def stop_alone(self, option, names):
        """Steps that stop only the given services. Errors: AttackError when others would stop with them."""
        return self.stop(names)

    def ease(self, name):
        """Undo steps without which the init system could refuse to start a service."""
        return []

    def wait(self, _name):
        """Steps after a start, until it is known to run."""
        return []

    def restart(self, undo, name):
        """Add to an undo: start a service unless it runs, and check that it runs."""
        start = [Run(f"start {name} again", self.start(name), seconds=START_SECONDS)]
        undo.steps.append(When([Fails(self.ask(name))], self.ease(name) + start + self.wait(name)))
        undo.checks.append(Gone(name, [Fails(self.ask(name))], "down"))


class Systemd(_Manager):
    kind = "systemd"
    protected = PROTECTED

    def __init__(self, host):
        super().__init__(host)
        self.tool = host.tool("systemctl")

    def ask(self, name):
        return [self.tool, "is-active", "--quiet", name]

    def start(self, name):
        return [self.tool, "start", name]

    def ease(self, name):
        return [Ease("after too many starts or failures systemd would refuse", [self.tool, "reset-failed", name])]

    def stop(self, names):
        """Steps that stop units in one transaction."""
        return [([self.tool, "stop"] + list(names), None)]

    def stop_alone(self, option, names):
        """Without the units that require them: a plain stop would also stop those, and nothing would start them again."""
        for name, unit in zip(names, self.show(names)):
            bound = [each["Id"] for each in self.show(unit["BoundBy"].split()) if each["ActiveState"] not in ("inactive", "failed")]
            if bound:
                raise AttackError(
                    "{}: {} would stop with {}, for it is bound to it: stop it yourself first".format(option, ", ".join(bound), name), option=option
                )
        return [([self.tool, "stop", "--job-mode=ignore-dependencies"] + list(names), None)]

    def active(self, names):
        """Canonical names of the services that run now, without unknown services and aliases. Errors: AttackError, NotRestorable."""
        units = self.show([_unit(name) for name in names])
        for unit in units:
            if unit["ActiveState"] in ("activating", "deactivating", "reloading"):
                raise AttackError("{} is {} at this moment: try again".format(unit["Id"], unit["ActiveState"]))
            if unit["ActiveState"] == "active" and unit["LoadState"] != "loaded":
                raise NotRestorable("{} runs, but its unit is {}: it could not be started again".format(unit["Id"], unit["LoadState"]))
        return sorted(set(unit["Id"] for unit in units if unit["ActiveState"] == "active"))

    def show(self, names):
        """The properties of units, as one dict per name."""
        if not names:
            return []
        out = self.host.run([self.tool, "show", "--property=" + ",".join(_PROPERTIES), "--"] + list(names))[1]
        found = []
        for block in out.strip("\n").split("\n\n"):
            unit = dict.fromkeys(_PROPERTIES, "")
            for line in block.split("\n"):
                key, _equals, value = line.partition("=")
                unit[key] = (unit[key] + " " + value).strip() if key in unit else value
            found.append(unit)
        return found

    def plan_for(self, option, asked):
        """{"services", "triggers", "others", "units"}: canonical names of the units to stop: those requested, units that would start them,
        units that require them; and the properties of all.

        Errors: AttackError for units that must not be stopped, NotRestorable for units that could not be started again exactly.
        """
        ours = _own_units(self.host)
        services = []
        for name, unit in zip(asked, self.show([_unit(name) for name in asked])):
            if unit["LoadState"] == "not-found":
                raise AttackError(f"{option}: {name} is not a service of the target", option=option)
            if unit["ActiveState"] != "active":
                raise AttackError("{}: {} does not run ({}): there is nothing to stop".format(option, name, unit["ActiveState"]), option=option)
            services.append(unit)
        seen, rest = {}, list(services)
        while rest:
            unit = rest.pop(0)
            if unit["Id"] in seen:
                continue
            seen[unit["Id"]] = unit
            self._refuse(option, unit, ours)
            wanted = unit["TriggeredBy"].split() + [name for key in _STOP_WITH_IT for name in unit[key].split()]
            rest += [each for each in self.show(sorted(set(wanted))) if each["ActiveState"] not in ("inactive", "failed")]
        ids = [unit["Id"] for unit in services]
        triggers = sorted(name for name in seen if name not in ids and name.endswith(_TRIGGERS))
        return {"services": ids, "triggers": triggers, "others": sorted(set(seen) - set(ids) - set(triggers)), "units": seen}

    def _refuse(self, option, unit, ours):
        name = unit["Id"]
        if protected(name, self.protected) or name in ours or short(name) in ("ssh.socket", "sshd.socket"):
            raise AttackError(f"{option}: {name} would stop, which keeps the host or its control path alive", option=option)
        if not name.endswith((".service",) + _TRIGGERS):
            raise AttackError(f"{option}: {name} would stop as well, which is more than a service", option=option)
        if unit["ActiveState"] != "active" or unit["Job"] not in ("", "0"):
            raise AttackError(f"{option}: {name} is changing its state at this moment: try again", option=option)
        if unit["LoadState"] != "loaded":
            raise NotRestorable("{}: {} runs, but its unit is {}: it could not be started again".format(option, name, unit["LoadState"]), option=option)
        if unit["Transient"] == "yes":
            raise NotRestorable(f"{option}: {name} is a transient unit: it would be gone for good", option=option)
        if unit["Type"] == "oneshot":
            raise NotRestorable(f"{option}: {name} is a oneshot: what it did when it was started cannot be put back exactly", option=option)
        if "yes" in (unit["RefuseManualStart"], unit["RefuseManualStop"]) or "no" in (unit["CanStart"], unit["CanStop"]):
            raise AttackError(f"{option}: {name} refuses to be started or stopped by hand", option=option)
        if "OnActiveUSec" in unit["TimersMonotonic"] or "OnActiveSec" in unit["TimersMonotonic"]:
            raise NotRestorable(f"{option}: {name} counts from its own start, which would not be the same again; stop it yourself first", option=option)

    def restore(self, undo, found):
        """Add the undo of a stop. Triggers are started first, because a socket cannot be started while its service runs."""
        for trigger in found["triggers"]:
            for service in found["services"]:
                if trigger.endswith(".socket") and trigger in found["units"][service]["TriggeredBy"].split():
                    undo.steps.append(
                        Run(
                            f"{trigger} must be first",
                            [self.tool, "stop", service],
                            [Fails(self.ask(trigger)), Succeeds(self.ask(service))],
                        )
                    )
        for name in found["triggers"] + found["services"] + found["others"]:
            self.restart(undo, name)

    def mask(self, option, found, undo):
        """Steps that mask services until the next boot, and their undo. Errors: AttackError where a mask would have no effect."""
        steps = []
        for name in found["services"]:
            unit, link = found["units"][name], os.path.join(MASKS, name)
            if not unit["FragmentPath"].startswith(("/lib/", "/usr/")) or os.path.lexists("/etc/systemd/system/" + name):
                raise AttackError(
                    "{}: {} has its unit file in {}, over which a mask that ends with this boot has no effect: use self_heal: false instead".format(
                        option, name, os.path.dirname(unit["FragmentPath"]) or "no place on the disk"
                    ),
                    option=option,
                )
            if os.path.lexists(link):
                raise AttackError(f"{option}: {link} is there already, and not ours", option=option)
            if unit["NeedDaemonReload"] == "yes":
                raise NotRestorable(f"{option}: the unit file of {name} was changed and not loaded yet; run systemctl daemon-reload first", option=option)
            ours = [LinksTo(link, "/dev/null")]
            undo.steps.append(Run(f"unmask {name}", [self.tool, "unmask", "--quiet", "--runtime", name], ours))
            undo.checks.append(Gone(f"the mask of {name}", ours))
            steps.append(([self.tool, "mask", "--quiet", "--runtime", name], None))
        return steps


class _Scripts(_Manager):
    """Init systems that run a script with a verb, without triggers and masks."""

    protected = PROTECTED + PROTECTED_WITHOUT_SYSTEMD

    def ask(self, name):
        return self.command(name, "status")

    def wait(self, name):
        return [Until(f"{name} may need a moment until its script says that it runs", 10, [Succeeds(self.ask(name))])]

    def start(self, name):
        return self.command(name, "start")

    def stop(self, names):
        return [(self.command(name, "stop"), None) for name in names]

    def active(self, names):
        """As Systemd.active(): links to the same script count as one service."""
        found = {}
        for name in names:
            path = os.path.join(INIT_SCRIPTS, name)
            if os.access(path, os.X_OK) and self._status(name) == STARTED:
                found.setdefault(os.path.realpath(path), name)
        return sorted(found.values())

    def _status(self, name):
        return self.host.run(self.ask(name), check=False)[0]

    def plan_for(self, option, asked):
        for name in asked:
            if protected(name, self.protected):
                raise AttackError(f"{option}: {name} is protected: the undo after a reboot needs it", option=option)
            if not os.access(os.path.join(INIT_SCRIPTS, name), os.X_OK):
                raise AttackError(f"{option}: {name} is not a service of the target: there is no {INIT_SCRIPTS}/{name}", option=option)
            status = self._status(name)
            if status == NOT_STARTED:
                raise AttackError(f"{option}: {name} does not run: there is nothing to stop", option=option)
            if status != STARTED:
                raise NotRestorable("%s: the script of %s does not say whether it runs (its status ends with rc %d)" % (option, name, status), option=option)
        self.refuse_needed(option, asked)
        return {"services": list(asked), "triggers": [], "others": [], "units": {}}

    def refuse_needed(self, option, asked):
        """Errors: AttackError when other running services would stop as well."""

    def restore(self, undo, found):
        for name in found["services"]:
            self.restart(undo, name)


class OpenRc(_Scripts):
    kind = "openrc"

    def command(self, name, verb):
        return [self.host.tool("rc-service"), name, verb]

    def stop_alone(self, option, names):
        self.refuse_needed(option, names)
        return self.stop(names)

    def refuse_needed(self, option, asked):
        for name in asked:
            others = self.host.run(self.command(name, "needsme"), check=False)[1].split()
            running = [other for other in others if other not in asked and os.path.lexists(os.path.join(OPENRC, "started", other))]
            if running:
                raise AttackError(
                    "{}: {} would stop with {}: name them too, or stop them first".format(option, ", ".join(sorted(running)), name), option=option
                )


class SysV(_Scripts):
    kind = "sysv"

    def command(self, name, verb):
        """service(8), which cleans the environment, or the script itself where service is missing."""
        return [self.host.tool("service"), name, verb] if self.host.has_tool("service") else [os.path.join(INIT_SCRIPTS, name), verb]


def _unit(name):
    return name if name.endswith(".service") else name + ".service"


def _own_units(host):
    """The units of this process and its ancestors: sshd's under any name, a session, a timer's service."""
    found = set()
    for pid in ancestors():
        for line in host.read("/proc/%d/cgroup" % pid).split("\n"):
            found.update(part for part in line.split(":", 2)[-1].split("/") if part.endswith((".service", ".scope")))
    return found
