# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The target, as an attack sees it: run a program by argv, find tools, read the kernel's files."""

import os
import re
import signal
from contextlib import contextmanager

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import read, uptime

# Tools are searched only in directories that an unprivileged user cannot write to.
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SPACE = " \t\r\f\v"

# tool -> (Debian/Ubuntu package, RHEL-family package); named in errors, never installed by an attack.
PACKAGES = {
    "tc": ("iproute2", "iproute-tc"),
    "ip": ("iproute2", "iproute"),
    "unshare": ("util-linux", "util-linux"),
    "nsenter": ("util-linux", "util-linux"),
    "rtcwake": ("util-linux-extra", "util-linux"),
    "systemctl": ("systemd", "systemd"),
    "systemd-run": ("systemd", "systemd"),
    "date": ("coreutils", "coreutils"),
}


@contextmanager
def within(seconds, what):
    """Errors: AttackError when the block takes longer (0: no limit), also while the kernel lets it wait. An alarm, since timeout(1) is a process more."""

    def late(_number, _frame):
        raise AttackError("%s does not end: %d seconds were not enough" % (what, seconds))

    former = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _end(pid):
    """Kill a process and those it started."""
    for child in read("/proc/%d/task/%d/children" % (pid, pid)).split():
        _end(int(child))
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it has just ended


def lines(text):
    """The lines of foreign text that are not empty. str.splitlines() also splits at \\x1c, \\x85 or \\u2028, which names may hold."""
    return [line for line in text.split("\n") if line]


class Host:
    """Runs programs and reads state. Wraps an AnsibleModule; holds no state of its own but caches."""

    def __init__(self, module):
        self._module = module
        self._tools = {}
        os.environ["PATH"] = SAFE_PATH

    @property
    def check_mode(self):
        return self._module.check_mode

    @property
    def is_root(self):
        return os.geteuid() == 0

    @property
    def has_systemd(self):
        """True when systemd is the running init (sd_booted(3)) and this user (root) may control it."""
        return self.is_root and os.path.isdir("/run/systemd/system")

    def tool(self, name):
        """Path of a program. Errors: AttackError that names the package."""
        if name not in self._tools:
            path = self._module.get_bin_path(name)
            if not path:
                debian, redhat = PACKAGES.get(name, (name, name))
                raise AttackError(f"{name} is not installed on the target: install the package {debian} (Debian, Ubuntu) or {redhat} (RHEL, Rocky, Alma)")
            self._tools[name] = path
        return self._tools[name]

    def has_tool(self, name):
        return self._module.get_bin_path(name) is not None

    def run(self, argv, check=True, data=None, seconds=60):
        """Run argv, never a shell. Returns (rc, stdout, stderr). seconds: its limit, because the caller may hold a lock; 0 for none.

        Errors: AttackError when it cannot be started or takes longer, and with check for rc not 0.
        """
        began, words = [], " ".join(argv)
        try:
            with within(seconds, words):
                rc, out, err = self._module.run_command(
                    list(argv), data=data, environ_update={"LC_ALL": "C", "LANG": "C"}, handle_exceptions=False, before_communicate_callback=began.append
                )
        except OSError as error:  # no process, memory or file left; the undo must still run
            raise AttackError(f"{argv[0]} cannot be run: {error}")
        except AttackError:
            if began and began[0].poll() is None:
                _end(began[0].pid)
            raise
        if check and rc != 0:
            raise AttackError("%s failed with rc %d: %s" % (words, rc, (err or out).strip()), rc=rc)
        return rc, out, err

    def ask(self, argv, seconds=60):
        """As run(), for what only its exit status and output tell."""
        return self.run(argv, check=False, seconds=seconds)

    def output(self, argv, counters=()):
        """Stdout of argv, lines sorted, without "COUNTER number": the form in which states are compared (see Same in _undo/steps.py)."""
        text = self.run(argv)[1]
        for counter in counters:
            text = re.sub(f" {re.escape(counter)} [0-9]*", "", text)
        lines = [line.rstrip(SPACE) for line in text.split("\n")]  # as sed and sort in the C locale see them
        return "\n".join(sorted((line for line in lines if line), key=lambda line: line.encode("utf-8", "surrogateescape")))

    read = staticmethod(read)

    @property
    def boot_id(self):
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    @property
    def uptime(self):
        """Seconds since boot, suspend included; the clock of every deadline, because it cannot be set."""
        return uptime()

    def kernel(self):
        """The running kernel's version as a tuple, (5, 14) for 5.14.0-70.el9."""
        found = re.match(r"(\d+)\.(\d+)", os.uname()[2])
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)
