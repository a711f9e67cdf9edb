# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""A file of the target: whether it may be changed, what is saved of it, how it is changed and restored (see _undo/files.py).

aside     The file gets a second, managed name, and a changed copy takes the original name. The undo is a rename of the original inode,
          which writes no data. Processes that have the file open keep using the original.
in place  The bytes of the inode change, also for its other names (hard links, bind mounts) and for open files. The undo writes the saved
          bytes and attributes.
"""

import fcntl
import hashlib
import os
import random
import stat
import struct

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes
from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem, mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import sync_dir
from ansible_collections.faultline.chaos.plugins.module_utils._marks import CRON, HIDDEN_PREFIX, PREFIX, ROOT_STATE

# Files that logins, the boot and the undo need.
TREES = filesystem.KERNEL_TREES + (
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/boot",
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/security",
    "/etc/sudoers.d",
    "/run/systemd",
    "/run/dbus",
    "/run/udev",
    "/run/sshd",
    ROOT_STATE,
)
FILES = frozenset(
    "/etc/" + name
    for name in (
        "passwd",
        "shadow",
        "group",
        "gshadow",
        "nsswitch.conf",
        "sudoers",
        "fstab",
        "crypttab",
        "inittab",
        "environment",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.preload",
        "selinux/config",
        "machine-id",
    )
) | {CRON}
_GET_FLAGS = 0x80000000 | struct.calcsize("l") << 16 | 0x6601  # FS_IOC_GETFLAGS
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_SEALS = ("security.ima", "security.evm")  # the kernel renews them whenever the file changes


def path(option, value):
    """A normalized path that may be attacked; does not access the file. Errors: BadOption."""
    normal = filesystem.path(option, value, TREES)
    _refuse_file(option, value, normal)
    return normal


def _refuse_file(option, value, place):
    if place in FILES or "/.ssh/" in place or os.path.basename(place).startswith(HIDDEN_PREFIX) or os.path.basename(place).startswith(PREFIX):
        raise BadOption(option, value, "logins, the boot or an undo need it: it is protected")


def checksum(content):
    return hashlib.sha256(content).hexdigest()


def extended(place):
    """Extended attributes: SELinux label, ACLs, capabilities and user attributes."""
    try:
        return dict((name, os.getxattr(place, name)) for name in os.listxattr(place))
    except OSError:
        return {}  # not supported by the file system


def change(op, content, told):
    """The bytes after an operation."""
    if op == "replace":
        return told["content"]
    if op == "append":
        return content + told["content"]
    if op == "truncate":
        return content[: told["size"]] + b"\0" * (told["size"] - len(content))
    if op == "bit_flip":
        found = bytearray(content)
        for bit in random.Random(told["seed"]).sample(range(len(content) * 8), told["count"]):
            found[bit // 8] ^= 1 << bit % 8
        return bytes(found)
    return content


def _time(nanoseconds):
    """A time as stat(1) prints it with %.9Y."""
    return "{}{}.{:09d}".format("-" if nanoseconds < 0 else "", *divmod(abs(nanoseconds), 10**9))


def look(place, most):
    """(content, stat) of a plain file, of at most so many bytes and one. Errors: OSError."""
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        return stream.read(most + 1) if stat.S_ISREG(found.st_mode) else b"", found


class File:
    """A regular file as it is before the attack. Errors: AttackError when it is not a regular file, or must not be changed."""

    def __init__(self, option, value, place, most):
        parent = filesystem.directory(option, os.path.dirname(place), TREES)
        self.path = os.path.join(parent, os.path.basename(place))
        self.parent, self.name = parent, os.path.basename(place)
        filesystem.path(option, self.path, TREES)
        _refuse_file(option, value, self.path)
        try:
            found = os.lstat(self.path)
        except OSError:
            raise BadOption(option, value, "there is no such file on the target")
        kinds = ((stat.S_ISLNK, "a symbolic link: name the file that it leads to"), (stat.S_ISDIR, "a directory: only plain files can be put back exactly"))
        if not stat.S_ISREG(found.st_mode):
            raise BadOption(option, value, "it is {}".format(next((words for test, words in kinds if test(found.st_mode)), "a device, a pipe or a socket")))
        if found.st_size > most:
            raise BadOption(option, value, f"it has {_sizes.human_size(found.st_size)}, and what can be saved is {_sizes.human_size(most)} (max_size)")
        self.mount = mounts.mount_of(self.path)
        self.mount.refuse(option, value)
        self.is_mount = self.mount.point == self.path
        self.stat = found
        above = os.stat(parent)
        self.parent_id = [above.st_dev, above.st_ino]
        self.id = [found.st_dev, found.st_ino]
        self.content = self._read()
        self.sum = checksum(self.content)
        self.extended = extended(self.path)

    def _read(self):
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            self._refuse_flags(stream.fileno())
            self._same(stream.fileno())
            return stream.read(self.stat.st_size)

    def _refuse_flags(self, handle):
        word = bytearray(struct.calcsize("l"))
        try:
            fcntl.ioctl(handle, _GET_FLAGS, word)
        except OSError:
            return  # not supported by the file system
        flags = struct.unpack_from("=i", word)[0]
        if flags & (_IMMUTABLE | _APPEND_ONLY):
            raise NotRestorable(f"{self.path} is immutable or append-only (chattr): nothing of ours could be put back there")

    def _same(self, handle):
        now = os.fstat(handle)
        if any(getattr(now, key) != getattr(self.stat, key) for key in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_mode", "st_uid")):
            raise AttackError(f"{self.path} is being changed by somebody else at this moment")

    def sum_line(self):
        """What sha256sum prints for it."""
        strange = "\\" in self.path
        return "{}{}  {}".format("\\" * strange, self.sum, self.path.replace("\\", "\\\\"))

    @property
    def mode(self):
        return f"{stat.S_IMODE(self.stat.st_mode):o}"

    def _made(self, journal, attack_id, above, made):
        """Note what the attack has made of it (device and inode), so that the undo can tell what somebody else does to that: was_made in _undo/files.py.

        Mode and owner are those that it should have. When its attributes are others already, no time of the last change will fit.
        """
        handle = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        try:
            found, now = os.fstat(handle), extended(handle)
        finally:
            os.close(handle)
        if [found.st_dev, found.st_ino] == made:
            same = all(now.get(name) == self.extended.get(name) for name in set(now) | set(self.extended) if name not in _SEALS)
            last = _time(found.st_ctime_ns) if same else "-"
            journal.note(attack_id, "made", f"{self._wanted()} {_time(found.st_mtime_ns)} {last}\n")

    def _wanted(self):
        return "{} {} {} {}".format("x" if self.extended else "-", self.mode, self.stat.st_uid, self.stat.st_gid)

    # --- the attack, step by step -----------------------------------------------------------------

    def save(self, journal, attack_id):
        """Save a copy with all attributes beside the journal; it is on the disk when this returns. Errors: NotRestorable."""
        place = os.path.join(journal.directory(attack_id), "saved")
        self._copy(place, None, self.content, self.stat.st_mtime_ns)
        if extended(place) != self.extended:
            raise NotRestorable("{} has extended attributes ({}) that {} cannot hold".format(self.path, ", ".join(sorted(self.extended)), journal.path))
        sync_dir(os.path.dirname(place))
        crash_point("inject:0")

    def _copy(self, place, above, content, mtime):
        """A new file with the given bytes and the attributes of the original. above: handle of its directory."""
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=above)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(handle, self.stat.st_uid, self.stat.st_gid)
            os.fchmod(handle, stat.S_IMODE(self.stat.st_mode))  # after chown, which clears setuid
            for name, value in sorted(self.extended.items()):
                try:
                    os.setxattr(handle, name, value)
                except OSError as error:
                    raise NotRestorable(f"{self.path}: the extended attribute {name} cannot be copied: {error.strerror}")
            if mtime is not None:
                os.utime(handle, ns=(self.stat.st_atime_ns, mtime))
            os.fsync(handle)

    def put_aside(self, journal, attack_id, aside, fresh, content, keep_time):
        """Replace the file by a changed copy, or remove its name when content is None."""
        above = self._enter()
        try:
            copy = ""
            if content is not None:
                self._copy(fresh, above, content, self.stat.st_mtime_ns if keep_time else None)
                found = os.lstat(fresh, dir_fd=above)
                made = [found.st_dev, found.st_ino]
                copy = "%d %d" % tuple(made)
            crash_point("inject:1")
            handle = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
            self._same(handle)
            os.close(handle)
            journal.note(attack_id, "swapped", f"{copy}\n{self._wanted()}\n")
            if content is None:
                os.rename(self.name, aside, src_dir_fd=above, dst_dir_fd=above)
            else:
                self._second_name(above, aside)
                crash_point("inject:2")
                os.rename(fresh, self.name, src_dir_fd=above, dst_dir_fd=above)
                self._made(journal, attack_id, above, made)
            os.fsync(above)
        finally:
            os.close(above)

    def _second_name(self, above, aside):
        """Link the file to its second name, so that the original name always exists. Without hard links it is renamed, and briefly missing."""
        try:
            os.link(self.name, aside, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)
        except OSError:
            os.rename(self.name, aside, src_dir_fd=above, dst_dir_fd=above)

    def _enter(self):
        """A handle of its directory. Errors: AttackError when that is another directory by now."""
        above = os.open(self.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(above)
        if [found.st_dev, found.st_ino] != self.parent_id:
            os.close(above)
            raise AttackError(f"{self.parent} is not the directory any more that it was a moment ago")
        return above

    def write(self, journal, attack_id, content, keep_time):
        """Write other bytes to the same inode."""
        above = self._enter()
        try:
            handle = os.open(self.name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
            with os.fdopen(handle, "r+b", buffering=0) as stream:
                self._write(stream, journal, attack_id, content, keep_time)
            self._made(journal, attack_id, above, self.id)
        finally:
            os.close(above)
        os.unlink(os.path.join(journal.directory(attack_id), "torn"))

    def _write(self, stream, journal, attack_id, content, keep_time):
        handle = stream.fileno()
        journal.note(attack_id, "torn", "\n")
        journal.note(attack_id, "swapped", f"\n{self._wanted()}\n")
        crash_point("inject:1")
        try:
            self._same(handle)
        except AttackError:
            for name in ("swapped", "torn"):  # nothing was written, and nothing is to be put back
                os.unlink(os.path.join(journal.directory(attack_id), name))
            raise
        at = 0
        while at < len(content):
            at += stream.write(content[at : at + (1 << 20)])
        crash_point("inject:2")
        os.ftruncate(handle, len(content))
        for name in set(self.extended).difference(extended(handle)):  # the kernel takes capabilities away from what is written to
            os.setxattr(handle, name, self.extended[name])
        if keep_time:
            os.utime(handle, ns=(self.stat.st_atime_ns, self.stat.st_mtime_ns))
        os.fsync(handle)

    def set_mode(self, mode):
        above = self._enter()
        try:
            handle = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
        try:
            self._same(handle)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
