# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""File systems of the target: paths that may be attacked, their free space, and the attacks' own directories in them."""

import errno
import os
import re
import stat

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host import mounts
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._marks import HIDDEN_PREFIX, ROOT_STATE

KERNEL_TREES = ("/proc", "/sys", "/dev")
# When these are full or slow, timers, logins and the boot fail.
HOST_TREES = KERNEL_TREES + ("/run", "/boot", ROOT_STATE)

FLOOR_BYTES = 1 << 30
FLOOR_INODES = 1000
FLOOR_PERCENT = 5.0
# The free space that journals, SSH logins and Ansible itself need; no option goes below it on their file systems.
HARD_FLOOR = {"bytes": 16 << 20, "inodes": 256}
RESERVE = 256 << 10  # bytes beside the journal, freed first by the undo
MEMORY_PERCENT = 10.0  # of the memory; stays free when the file system is in memory


# --- paths ---------------------------------------------------------------------------------------


def path(option, value, trees=HOST_TREES):
    """A path in its normal form: absolute, no "..", no control characters, not below one of the trees. Touches nothing."""
    if not value.startswith("/"):
        raise BadOption(option, value, "give an absolute path")
    if any(not letter.isprintable() for letter in value):
        raise BadOption(option, value, "control characters and line breaks are not used in paths here")
    if ".." in value.split("/"):
        raise BadOption(option, value, "write the path without ..")
    normal = "/" + "/".join(part for part in value.split("/") if part not in ("", "."))
    _refuse_trees(option, value, normal, trees)
    return normal


def _refuse_trees(option, value, place, trees):
    for tree in trees:
        if mounts.below(place, tree):
            raise BadOption(
                option, value, "{}{} and what is below it is not attacked".format("" if mounts.below(value, tree) else f"it leads to {place}; ", tree)
            )


def real_path(option, value, trees=HOST_TREES):
    """A path with its symbolic links resolved. Errors: BadOption for a link that another user could have created, or that leads into the trees."""
    place = "/"
    for part in value.strip("/").split("/"):
        above, place = place, os.path.join(place, part)
        try:
            found, parent = os.lstat(place), os.stat(above)
        except OSError:
            break  # the caller reports a missing path
        if stat.S_ISLNK(found.st_mode) and (found.st_uid not in (0, os.geteuid()) or _others_write(parent)):
            raise BadOption(option, value, f"{place} is a symbolic link that a user could have put there: name the place itself")
    real = os.path.realpath(value)
    _refuse_trees(option, value, real, trees)
    return real


def _others_write(found):
    """Whether another user can create names in a directory; a sticky one (such as /tmp) counts."""
    return found.st_uid not in (0, os.geteuid()) or bool(found.st_mode & 0o002) or bool(found.st_mode & 0o020 and found.st_gid != 0)


def directory(option, value, trees=HOST_TREES):
    """The real path of a directory of the target."""
    real = real_path(option, value, trees)
    if not os.path.isdir(real):
        raise BadOption(option, value, "there is no such directory on the target" if not os.path.lexists(real) else "it is not a directory")
    return real


# --- space ----------------------------------------------------------------------------


class Space:
    """Used and available space of a file system, in bytes or in inodes, as df counts it: reserved blocks are neither."""

    def __init__(self, used, available, total):
        self.used = used
        self.available = available
        self.total = total

    @property
    def percent(self):
        return 100.0 * self.used / max(1, self.used + self.available)

    def to_add(self, percent=None, size=None, leave_free=None):
        """How much to add to reach the requested fill level; 0 or less when it is reached."""
        if percent is not None:
            return int(percent / 100.0 * (self.used + self.available)) - self.used
        return size if size is not None else self.available - leave_free

    def floor(self):
        """5 % of the total: what stays free by default, and default_floor() caps it at 1 GiB or 1000 inodes."""
        return int(self.total * FLOOR_PERCENT / 100.0)


def space(place, inodes=False):
    found = os.statvfs(place)
    if inodes:
        return Space(found.f_files - found.f_ffree, found.f_favail, found.f_files)
    size = found.f_frsize
    return Space((found.f_blocks - found.f_bfree) * size, found.f_bavail * size, found.f_blocks * size)


def default_floor(figures, inodes=False):
    return min(figures.floor(), FLOOR_INODES if inodes else FLOOR_BYTES)


def hard_floor(place, state_dir, inodes=False):
    """What must stay free, regardless of options, on a file system that the host itself needs; 0 on any other."""
    device = os.stat(place).st_dev
    for each in ("/", "/etc", "/tmp", "/var/tmp", "/var/log", os.path.expanduser("~"), state_dir, os.path.dirname(state_dir)):
        try:
            if os.stat(each).st_dev == device:
                return HARD_FLOOR["inodes" if inodes else "bytes"]
        except OSError:
            continue
    return 0


def refuse_memory(option, value, mount, size):
    """Errors: BadOption when a file system in memory would take more memory than the host can spare."""
    if not mount.in_memory:
        return
    figures = dict(re.findall(r"^(MemTotal|MemAvailable): +([0-9]+) kB$", Host.read("/proc/meminfo"), re.M))
    spare = int(int(figures["MemAvailable"]) * 1024 - int(figures["MemTotal"]) * 1024 * MEMORY_PERCENT / 100.0)
    if size > spare:
        raise BadOption(
            option, value, f"{mount.point} is in memory, and of that {_sizes.human_size(max(0, spare))} can be spared, not {_sizes.human_size(size)}"
        )


# --- the attacks' own directories ----------------------------------------------------------------


def own_name(attack_id, suffix=""):
    """A unique name that carries the mark and the id of the attack."""
    return "{}{}.{}{}".format(HIDDEN_PREFIX, attack_id, "".join(f"{byte:02x}" for byte in bytearray(os.urandom(4))), suffix)


class OwnDirectory:
    """An attack's own directory in a foreign one, accessible to its owner only. RemoveOwn in _undo/own_directory.py removes it, wherever it was moved to.

    The journal notes its device and inode before anything is written into it; until then the undo removes it only when it is empty. data has the files.
    keep has a second name of each, so that the undo knows them also when they are taken out of data: by their inodes, which nobody else can get meanwhile.
    """

    def __init__(self, parent, attack_id):
        name = own_name(attack_id)
        self.path = os.path.join(parent, name)
        self.data = os.path.join(self.path, "data")
        self.keep = os.path.join(self.path, "keep")
        self.mark = name[1:]  # in keep: only this very directory has it

    def make(self, journal, attack_id):
        """Create it. Errors: AttackError."""
        try:
            reserve(journal, attack_id)
            os.mkdir(self.path, 0o700)
            found, above = os.lstat(self.path), os.lstat(os.path.dirname(self.path))
            made = "%d %d %d" % (found.st_dev, found.st_ino, above.st_ino)
            journal.note(attack_id, "made", made + "\n")
            os.mkdir(self.keep, 0o700)
            os.close(os.open(os.path.join(self.keep, self.mark), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            os.mkdir(self.data, 0o700)
            journal.note(attack_id, "made", "%s %d\n" % (made, os.lstat(self.data).st_ino))
        except OSError as error:
            raise AttackError(f"{self.path} cannot be made: {error.strerror or error}")

    def enter(self):
        """For a worker: make it the working directory, so that later changes to the names above have no effect. Errors: OSError."""
        handle = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(handle)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise OSError(f"{self.data} is not ours any more")
        os.fchdir(handle)
        os.close(handle)

    @staticmethod
    def keep_too(name):
        """For a worker that has entered: the second name of a new file. Errors: OSError."""
        _link(name, os.path.join("..", "keep", name))

    def mark_too(self, place):
        """For a worker that has entered: mark a directory in it, instead of each of its files. Errors: OSError."""
        _link(os.path.join("..", "keep", self.mark), os.path.join(place, "mark"))


def _link(name, second):
    try:
        os.link(name, second, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise  # the others: there are no hard links here, so nobody else can make one


def reserve(journal, attack_id):
    """Reserve space beside the journal that the undo frees first, so that it can write when the file system is full."""
    handle = os.open(os.path.join(journal.directory(attack_id), "reserve"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, os.urandom(RESERVE))  # written, not allocated: that works on every file system
        os.fsync(handle)
    finally:
        os.close(handle)
