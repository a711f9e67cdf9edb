# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Attacks of other users of this host: root finds and names them, and never runs or trusts what lies in their directories.

Everything here may be made by somebody hostile: reads are bounded, follow no link to foreign files, and happen in a process that is killed
when a file system does not answer.
"""

import json
import os
import pwd
import re
import select
import signal
import stat
import time
from itertools import islice

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._ids import HOST_ID
from ansible_collections.faultline.chaos.plugins.module_utils._marks import USER_STATE
from ansible_collections.faultline.chaos.plugins.module_utils._times import OVERDUE_ON_HOST, iso
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import words

_DEADMAN = re.compile(rb"\A[^\0]*\0(/[^\0]+/[^/\0]+)/revert\.sh\0timer\0")
_SECONDS, _MOST_HOMES, _MOST_ATTACKS, _MOST_BYTES = 5, 5000, 20, 1 << 20


def names():
    """Yields (pid, name) of every process."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            name = start_of(f"/proc/{pid}/comm", 64).decode("utf-8", "surrogateescape").rstrip("\n")
            if name:
                yield int(pid), name


def deadman_place(pid, name):
    """The directory of the attack whose dead-man a process is, by its command, of which only the beginning is read; None when it is none."""
    found = _DEADMAN.match(start_of("/proc/%d/cmdline" % pid, 4096)) if name == "sh" else None
    return found and os.fsdecode(found.group(1))


def start_of(path, size, directory=None):
    """The first bytes of a regular file; none when it cannot be read, or is something else."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return b""
    try:
        return os.read(handle, size) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


def others(boot_id):
    """(attacks of other users, why they may not be all); to root alone."""
    found = _apart(lambda: _search(boot_id)) if os.geteuid() == 0 else []
    return (found, []) if found is not None else ([], ["attacks of other users: a home did not answer within %d s" % _SECONDS])


def _search(boot_id):
    found, counted = [], {}
    for place in sorted(_places()):
        try:
            handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            owner = os.fstat(handle).st_uid
            for each in _ids(handle, owner) if owner != 0 else []:
                counted[owner] = counted.get(owner, 0) + 1
                if counted[owner] <= _MOST_ATTACKS:
                    found.append(_attack(place, handle, each, owner, boot_id))
        finally:
            os.close(handle)
    return found


def _places():
    """State directories that other users may have: by their homes, and by the dead-men that run."""
    homes = [line.split(":")[5:6] for line in start_of("/etc/passwd", _MOST_BYTES).decode("utf-8", "surrogateescape").split("\n")]
    try:
        with os.scandir("/home") as entries:
            homes += [[each.path] for each in islice(entries, _MOST_HOMES)]
    except OSError:
        pass
    places = set(os.path.join(home, USER_STATE) for found in homes for home in found if home.startswith("/"))
    return places | set(os.path.dirname(place) for place in (deadman_place(pid, name) for pid, name in names()) if place)


def _ids(handle, owner):
    """The first ids in a state directory."""
    with os.scandir("/proc/self/fd/%d" % handle) as entries:
        inside = [each for each in islice(entries, 1000) if HOST_ID.allows(each.name) and each.is_dir(follow_symlinks=False)]
    return sorted(each.name for each in inside if each.stat(follow_symlinks=False).st_uid == owner)[:_MOST_ATTACKS]


def _attack(place, handle, attack_id, owner, boot_id):
    """What little is read of an attack: neither its record nor its script."""
    number = start_of(attack_id + "/deadline", 32, handle).strip()
    left = int(number) / 100 - uptime() if re.match(rb"[0-9]{1,15}\Z", number) else None
    same_boot = start_of(attack_id + "/boot", 64, handle).decode("ascii", "replace").strip() == boot_id
    try:
        user = pwd.getpwuid(owner).pw_name
    except KeyError:
        user = "#%d" % owner
    return {
        "id": attack_id,
        "user": user[:100],
        "uid": owner,
        "status": "active" if same_boot and left is not None and left > -OVERDUE_ON_HOST else "overdue",
        "deadline": iso(time.time() + left) if same_boot and left is not None and abs(left) < 1e8 else None,
        "command": words(["sudo", "-u", user, "sh", place + "/control.sh", "revert-all"])[:2000],
    }


def _apart(function):
    """The result of a function in a process of its own, as JSON; None when it has none in time. An alarm does not end a wait for a dead NFS server."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = json.dumps(function()).encode("ascii")
            while text:
                text = text[os.write(write_end, text) :]
        finally:
            os._exit(0)
    os.close(write_end)
    parts, until = [], time.monotonic() + _SECONDS
    while select.select([read_end], [], [], max(0, until - time.monotonic()))[0]:
        parts.append(os.read(read_end, 1 << 16))
        if not parts[-1]:
            break
    os.close(read_end)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, os.WNOHANG)
    try:
        return json.loads(b"".join(parts).decode("ascii"))
    except ValueError:
        return None
