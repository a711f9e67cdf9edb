# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Whether and how the kernel of the target supports netem, tried in a throw-away network namespace."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host import trial
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import lines
from ansible_collections.faultline.chaos.plugins.module_utils._marks import TRIAL_INTERFACE


def lacks_redirect(host, words):
    """None, or why redirect cannot work. Errors: AttackError when netem itself cannot.

    In check mode nothing is tried, because that would load kernel modules.
    """
    tc, ip = host.tool("tc"), host.tool("ip")
    if host.check_mode:
        return None
    rc, out, err = trial.run(host, [tc, "qdisc", "add", "dev", "lo", "root", "netem"] + words)
    if rc != 0:
        said = (lines((err or out).strip())[-1:] or ["rc %d" % rc])[0].rstrip(".")
        raise AttackError(
            f"the kernel of the target cannot do this: {said}. netem is the module sch_netem: in the package kernel-modules-extra on RHEL, Rocky and "
            "Alma, linux-modules-extra-... on Ubuntu"
        )
    if host.has_tool("modprobe") and not host.read("/sys/module/ifb/initstate"):
        host.run([host.tool("modprobe"), "-q", "ifb", "numifbs=0"], check=False)  # the default would create ifb0 and ifb1
    if trial.problem(host, [ip, "link", "add", TRIAL_INTERFACE, "type", "ifb"]) is not None:
        return "the kernel has no ifb devices to go around it"
    filters = "qdisc add dev lo clsact\nfilter add dev lo egress protocol ip pref 1 u32 match u32 0 0 action pass\n"
    filters += "filter add dev lo egress protocol ip pref 2 u32 match u32 0 0 action mirred egress redirect dev lo\n"
    if trial.problem(host, [tc, "-batch", "-"], filters) is not None:
        return "the kernel has no clsact hooks (4.5) or no u32 and mirred to go around it"
    return None


def mechanism(host, place, name, directions, words):
    """(redirect, None) where the kernel and the interface allow it, else (band, why); see netem.py. Errors: AttackError, NotRestorable."""
    qdiscs = host.run(place.argv([host.tool("tc"), "qdisc", "show", "dev", name]))[1].split("\n")
    hooked = [line for line in qdiscs if line.startswith(("qdisc clsact", "qdisc ingress"))]
    root = [line.split()[1:3] for line in qdiscs if " root" in line]
    owned = [kind for kind, handle in root if handle != "0:"]
    why = lacks_redirect(host, words)
    if why is None and not hooked:
        return "redirect", None
    if hooked and (why is not None or "ingress" in directions or owned):
        raise NotRestorable(f"interface: {name} has filters of somebody else at its hooks ({hooked[0].strip()}); their order with ours could not be kept")
    if owned:
        raise NotRestorable(f"interface: {name} has a {owned[0]} root qdisc, and {why}")
    return "band", why or f"somebody else has filters at the hooks of {name} ({hooked[0].strip()})"
