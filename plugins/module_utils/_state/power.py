# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""How a host is rebooted, powered off or crashed with its own means, and the hardware clock that can wake it."""

import os
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host

SYSRQ = "/proc/sysrq-trigger"
CLOCK = "/sys/class/rtc/rtc0"

# Names of init in /proc/1/comm; another process 1 means a container or an unusual machine.
INITS = ("systemd", "init", "linuxrc", "openrc-init", "runit", "runit-init", "s6-svscan", "s6-linux-init", "dinit", "finit")
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # the same number on every Linux: PID_NS_INIT_INO in the kernel's nsfs.h

# Without systemd, in order of preference. shutdown of SysV, upstart and util-linux accepts these arguments; busybox has no shutdown.
_PROGRAMS = {
    "reboot": (("shutdown", "-r", "now"), ("reboot",)),
    "poweroff": (("shutdown", "-h", "-P", "now"), ("poweroff",)),
}
# SysRq keys: sync, remount read-only, then reboot, power off or crash. They always work for root.
_KEYS = {"reboot": "sub", "poweroff": "suo", "crash": "c"}


def refuse_no_host():
    """Errors: AttackError where process 1 or its namespace shows that this is not a whole host."""
    first = Host.read("/proc/1/comm").strip()
    if first not in INITS:
        raise AttackError("process 1 of the target is %s, which is no init: nothing here can be shut down" % (first or "unknown"))
    if _namespace() != _FIRST_PID_NAMESPACE:
        raise AttackError("the target is a container; restart it from the machine it runs on, for a container's power is not its own")


def _namespace():
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def command(host, action):
    """The argv for an action, or None when it needs SysRq keys."""
    if action == "crash":
        return None
    if host.has_systemd:
        return [host.tool("systemctl"), "--no-wall", action]
    for words in _PROGRAMS[action]:
        if host.has_tool(words[0]):
            return [host.tool(words[0])] + list(words[1:])
    return None


def keys(action):
    """The SysRq keys for an action. Errors: AttackError when the kernel has none."""
    if not os.access(SYSRQ, os.W_OK):
        raise AttackError(f"{SYSRQ} cannot be written to: this kernel cannot be made to {action}")
    return _KEYS[action]


def press(keys_):
    """Sync the disks, then press the SysRq keys with one write per key."""
    os.sync()
    for number, key in enumerate(keys_):
        if number:
            time.sleep(1)  # the kernel handles a key in the background
        with open(SYSRQ, "w") as handle:
            handle.write(key)


def after_crash():
    """What the kernel does after a crash, as text; None when it hangs until someone resets the host."""
    if Host.read("/sys/kernel/kexec_crash_loaded").strip() == "1":
        return "kdump is loaded: the host writes a dump and then reboots"
    seconds = Host.read("/proc/sys/kernel/panic").strip() or "0"
    if seconds == "0":
        return None
    return f"kernel.panic is {seconds}: the host reboots by itself"


def clock_now():
    """The time of the hardware clock in seconds, which may differ from the system's. Errors: AttackError when it cannot wake the host."""
    if not os.path.exists(CLOCK + "/wakealarm"):
        raise AttackError(f"{CLOCK}/wakealarm is missing: the target has no clock that could wake it")
    set_already = Host.read(CLOCK + "/wakealarm").strip()
    if set_already:
        raise AttackError(f"the alarm of the hardware clock is set already ({set_already}, in its own seconds): it belongs to somebody else")
    now = Host.read(CLOCK + "/since_epoch").strip()
    if not now.isdigit():
        raise AttackError(f"{CLOCK}/since_epoch cannot be read: the hardware clock does not work")
    return int(now)


def set_alarm(seconds):
    """Set the alarm of the hardware clock. Errors: AttackError when the clock refuses it."""
    try:
        with open(CLOCK + "/wakealarm", "w") as handle:
            handle.write("%d\n" % seconds)
    except OSError as error:
        raise AttackError(f"the alarm of the hardware clock cannot be set: {error}")
    if Host.read(CLOCK + "/wakealarm").strip() != str(seconds):
        raise AttackError("the hardware clock did not keep its alarm")
