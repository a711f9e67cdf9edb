# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Programs and files that an attack trusts: nobody but root and its own user can change or replace them."""

import errno
import os
import stat

_LINKS = 40  # as many as the kernel follows


def way_to(path):
    """Every directory, link and file on the way to what an absolute path names: [(path, its lstat)], the file last. Errors: OSError."""
    found, rest, here, links = [("/", os.lstat("/"))], path.split("/"), "/", 0
    while rest:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        place = os.path.join(here, name)
        look = os.lstat(place)
        found.append((place, look))
        if not stat.S_ISLNK(look.st_mode):
            here = place
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(place)
        here = "/" if target.startswith("/") else here
        rest = target.split("/") + rest
    return found


def problem(path):
    """Why somebody else could change or replace what is at a path, with the fix; None when nobody can. Errors: OSError."""
    for place, look in way_to(path):
        if look.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to the user {look.st_uid}, who could change it: chown it"
        if stat.S_ISLNK(look.st_mode) or stat.S_ISDIR(look.st_mode) and look.st_mode & stat.S_ISVTX:
            continue  # of a link the mode says nothing; in a sticky directory only the owner of an entry can replace it
        if _others_write(look):
            return f"others than its owner can write to {place}: chmod go-w"
    return None


def _others_write(look):
    """A user may trust the own group; for root any group is somebody else."""
    ours = os.geteuid() != 0 and look.st_gid == os.getegid()
    return bool(look.st_mode & (0o002 if ours else 0o022))


def small_file(path, most):
    """(text, owner) of a small file that only root, this user or its owner can write: opened once, never waited for.

    Errors: OSError; ValueError says why it is not trusted.
    """
    for place, look in way_to(os.path.dirname(path)):
        if stat.S_ISLNK(look.st_mode) and look.st_uid not in (0, os.geteuid()):
            raise ValueError(f"{place} is a link of the user {look.st_uid}")
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        look = os.fstat(number)
        if not stat.S_ISREG(look.st_mode):
            raise ValueError("it is no regular file")
        if look.st_nlink != 1:
            raise ValueError("it has another name (a hard link), so it may be another program's")
        if look.st_mode & 0o002 or look.st_uid in (0, os.geteuid()) and _others_write(look):
            raise ValueError("others than its owner can write to it: chmod go-w")
        text = os.read(number, most + 1)
        if len(text) > most:
            raise ValueError("it is longer than %d bytes" % most)
        return text.decode("utf-8", "replace"), look.st_uid
    finally:
        os.close(number)
