# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The dead-man timer: it reverts an attack on the target when nothing else does.

Two layers, both set up before anything is injected:
1. recovery - a boot unit and a transient timer every 30 s (systemd), or lines for cron, that run "control.sh sweep": it undoes attacks that
   are overdue because their timer was stopped or never started, and attacks that a reboot interrupted. It is set up before the journal
   is published, so that no journal is ever without it, and removes itself when no attack is active.
2. the attack's own timer - a transient systemd timer, or two detached watchers where systemd is not running.
"""

import os

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.detached import detach
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import sync_dir, write_file
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._host.process import processes
from ansible_collections.faultline.chaos.plugins.module_utils._marks import BOOT_UNIT, BOOT_UNIT_FILE, CRON, PREFIX, ROOT_STATE

WATCHERS = 2

# Systemd reads it at the next boot, so nothing needs a daemon-reload now.
_BOOT_UNIT = """[Unit]
Description=faultline.chaos: undo the attacks that a reboot interrupted
RequiresMountsFor={state}

[Service]
Type=oneshot
ExecStart=/bin/sh {state}/control.sh sweep
OOMScoreAdjust=-1000
KillMode=process

[Install]
WantedBy=multi-user.target
"""

_CRON = """# faultline.chaos: undo attacks that are overdue or were interrupted by a reboot; removed when none is active
@reboot root /bin/sh {state}/control.sh sweep
* * * * * root /bin/sh {state}/control.sh sweep
"""


def kind(host):
    """The kind of dead-man timer on this host: "systemd" or the weaker "watcher"."""
    return "systemd" if host.has_systemd else "watcher"


def prepare(host, journal):
    """Set up recovery before the journal is published; the caller holds the journals' lock. Returns notes on weaker protection. Errors: AttackError."""
    try:
        if host.has_systemd:
            _recovery(host, journal.path)
            return []
        notes = ["dead-man: watcher processes (no systemd here); weaker, for they can be killed"]
        if host.is_root and journal.path == ROOT_STATE and os.path.isdir(os.path.dirname(CRON)) and _cron_runs():
            write_file(CRON, _CRON.format(state=journal.path), 0o644)
        else:
            notes.append(f"nothing here runs at boot: after a reboot, run sh {journal.path}/control.sh sweep")
        return notes
    except OSError as error:
        raise AttackError(f"the recovery of interrupted attacks could not be set up, so nothing was injected: {error}")


def arm(host, journal, attack_id, deadline):
    """Arm the attack's own timer for a deadline in seconds since boot. Errors: AttackError; then nothing may be injected."""
    try:
        if host.has_systemd:
            _timer(host, journal, attack_id, deadline)
        else:
            _watchers(journal, attack_id)
    except OSError as error:
        raise AttackError(f"the dead-man could not be armed, so nothing was injected: {error}")


def _cron_runs():
    return any(process.name in ("cron", "crond") for process in processes())


def tidy(host, journal):
    """Remove recovery unless an attack is active."""
    host.run(["/bin/sh", os.path.join(journal.path, "control.sh"), "tidy"], check=False, seconds=0)


def _timer(host, journal, attack_id, deadline):
    unit = PREFIX + attack_id
    # A failed unit of an earlier attack with this id would keep the name in use.
    host.run([host.tool("systemctl"), "reset-failed", unit + ".service"], check=False)
    rc, out, err = host.run(
        [
            host.tool("systemd-run"),
            "--quiet",
            f"--unit={unit}",
            f"--description=faultline.chaos dead-man of attack {attack_id}",
            f"--on-active={max(0.1, deadline - uptime()):.3f}s",
            "--timer-property=AccuracySec=100ms",  # systemd's default is one minute
            "--property=Restart=on-failure",
            "--property=RestartSec=5",
            "--property=OOMScoreAdjust=-1000",
            "--property=KillMode=process",  # services that the undo restarts outlive it
            "/bin/sh",
            journal.script(attack_id),
            "timer",
        ],
        check=False,
    )
    if rc == 0:
        rc, out, err = host.run([host.tool("systemctl"), "is-active", unit + ".timer"], check=False)
    if rc != 0:
        host.run([host.tool("systemctl"), "stop", unit + ".timer"], check=False)
        raise _failed("the dead-man timer could not be armed", rc, out, err)


def _failed(what, rc, out, err):
    return AttackError("%s, so nothing was injected: rc %d, %s" % (what, rc, (err or out).strip() or "no output"))


def _recovery(host, state):
    """The boot unit, and the transient timer that sweeps every 30 s (control.sh starts it, as it does after a boot)."""
    path = BOOT_UNIT_FILE
    text = _BOOT_UNIT.format(state=state)
    link = os.path.join(os.path.dirname(path), "multi-user.target.wants", BOOT_UNIT)
    if host.read(path) != text:
        write_file(path, text, 0o644)
    if not os.path.islink(link):
        os.makedirs(os.path.dirname(link), 0o755, exist_ok=True)
        os.symlink(path, link)
        sync_dir(os.path.dirname(link))
    rc, out, err = host.run(["/bin/sh", os.path.join(state, "control.sh"), "watch"], check=False, seconds=0)
    if rc != 0:
        raise _failed("the recovery timer could not be started", rc, out, err)


def _watchers(journal, attack_id):
    """Start detached shells that wait for the deadline; one alone suffices."""
    argv = ["/bin/sh", journal.script(attack_id), "timer"]
    pids = [detach(lambda: os.execv(argv[0], argv), oom_score=-1000) for _each in range(WATCHERS)]
    lines = ["%d %s" % (pid, start_time(pid)) for pid in pids]
    if any(line.endswith("None") for line in lines):
        raise AttackError("the dead-man's watchers did not start, so nothing was injected")
    journal.note(attack_id, "watchers", "\n".join(lines) + "\n")
