# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""How the iptables of a target takes the lock that all iptables programs share. Determined from the help of the programs, because
distributions have backported newer options to old versions.

iptables waits for the lock (-w) since 1.4.20, with a limit in seconds since 1.4.22, and iptables-restore since 1.6.2. Before, iptables-restore
took no lock: when two programs change a table at the same time, the kernel refuses one, which has to retry. iptables-nft has no lock.
"""

WAIT = ("-w", "20")  # seconds; without it a busy firewall makes the undo fail
TRIES = 5
# Retries iptables-restore with the text from stdin; only the last failure is reported.
_PATIENTLY = r"""
text=$(cat)
for pause in 0.2 0.4 0.8 1.6 3.2; do
    printf '%s\n' "$text" | "$@" >/dev/null 2>&1 && exit 0
    sleep "$pause" 2>/dev/null || sleep 2
done
printf '%s\n' "$text" | "$@"
"""


class Locking:
    """The lock arguments for a pair of programs such as iptables-legacy and iptables-legacy-restore (which may be missing)."""

    def __init__(self, host, program):
        told = _help(host, program + "-restore")
        self.restore = list(WAIT) if "--wait" in told else []
        self.has_lock = "--wait" in told or "--ipv4" in told  # then iptables has it too; or this is iptables-nft, which needs no lock
        self.command = list(WAIT)
        if not self.has_lock:  # run iptables itself only when it is not iptables-nft, which would load kernel modules
            known = [words for words in (WAIT, WAIT[:1]) if host.run([host.tool(program)] + list(words) + ["--version"], check=False)[0] == 0]
            self.command = list(known[0]) if known else []

    def patiently(self, argv):
        """An iptables-restore that retries where the kernel may refuse it. Its input must be one table, which is changed as a whole or not at all."""
        return argv if self.has_lock else ["/bin/sh", "-c", _PATIENTLY, "sh"] + argv


def _help(host, program):
    if not host.has_tool(program):
        return ""
    _rc, out, err = host.run([host.tool(program), "--help"], check=False)
    return out + err
