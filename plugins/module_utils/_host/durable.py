# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Durable files, which survive a power cut: atomic writes, checksums, and the state directory of attacks."""

import hashlib
import os
import pwd

from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._marks import ROOT_STATE, USER_STATE


def state_dir():
    """The directory of the journals: a fixed one for root, the XDG state directory for any other user."""
    if os.geteuid() == 0:
        return ROOT_STATE
    return os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, USER_STATE)


def write_file(path, text, mode=0o600):
    """Write a file atomically and durably: a new file beside it, fsync, rename."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        # The same bytes in every locale, and no conversion of line ends, because checksums cover them.
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        crash_point("rename:" + os.path.basename(path))
        os.rename(temporary, path)
    except OSError:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    sync_dir(os.path.dirname(path))


def sync_dir(path):
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(text):
    """SHA-256 of a text as hexadecimal digits, as sha256sum prints it."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
