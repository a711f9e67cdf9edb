# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The journal: the write-ahead record of every attack, on the target itself.

One directory per attack, published by rename once all of it is on disk, so a crash leaves either all of it or nothing:
  record.json  what, why, until when, and a second copy of     revert.sh  the undo, ready to run
               the undo, as data and as a script
  before/NN    the prior state as text                         sums       checksums of the two above
  boot run deadline limit  one value each, for sh              history    the line for history.jsonl, without its end
  lock         held while this attack is being injected or undone: no attack ever waits for another one

The lock beside the journals is held only while an injector decides and publishes, and while recovery is set up or removed.
"""

import fcntl
import json
import os
import re
import stat
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged, JournalGone
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum, state_dir, write_file
from ansible_collections.faultline.chaos.plugins.module_utils._ids import HOST_ID

VERSION = 1
HISTORY_KEPT = 1000  # lines
UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)  # of damaged JSON, which may be nested too deeply
BEGAN = "began"  # the event of a line that records a start; all other lines record an end


def sums(record):
    """Checksums in the format of sha256sum -c."""
    before = record["undo"]["before"]
    found = [(record["script"], "revert.sh")] + [(before[name], "before/" + name) for name in sorted(before)]
    return "".join(f"{checksum(text)}  {name}\n" for text, name in found)


def which(line):
    """The key that the start line and the end line of one attack share."""
    return line.get("id"), line.get("started")


def flock(handle):
    """Try to take the lock. Returns whether that succeeded."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def busy(directory):
    """Whether another process holds a directory's lock: of one attack (its undo), or of all journals (an injector)."""
    try:
        handle = os.open(os.path.join(directory, "lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not flock(handle)
    finally:
        os.close(handle)


def await_lock(directory, free, seconds):
    """Wait until free(). Errors: AttackError after so many seconds; it names the holder."""
    until = time.monotonic() + seconds  # time() may be stepped by an attack
    while not free():
        if time.monotonic() > until:
            end = ":%d" % os.stat(directory + "/lock").st_ino
            locks = map(str.split, Journal.read("/proc/locks").split("\n"))
            pids = [words[4] for words in locks if words[1:2] == ["FLOCK"] and words[5].endswith(end)]
            raise AttackError("another faultline.chaos action (process %s) holds %s/lock; try again" % (", ".join(pids) or "unknown", directory))
        time.sleep(0.1)


class Journal:
    """The journals of this host (root) or user. Reading never changes anything."""

    def __init__(self, path=None):
        self.path = path or state_dir()

    # --- the place ------------------------------------------------------------------------------

    def check_place(self):
        """Whether the state directory exists. Errors: AttackError when another user could write to it."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise AttackError("%s must be a directory of uid %d that nobody else can write to: look at it, then move it away" % (self.path, os.geteuid()))
        return True

    def await_publishing(self, seconds=60):
        """Wait while another injector prepares an attack that has no journal yet. Errors: as await_lock()."""
        await_lock(self.path, lambda: not (self.check_place() and busy(self.path)), seconds)

    # --- one attack -----------------------------------------------------------------------------

    def directory(self, attack_id):
        return os.path.join(self.path, attack_id)

    def script(self, attack_id):
        return os.path.join(self.path, attack_id, "revert.sh")

    def repair(self, attack_id, record):
        """Write revert.sh and the saved state again, from an intact record. Errors: AttackError, also when the attack is gone by now."""
        directory = self.directory(attack_id)
        before = os.path.join(directory, "before")
        try:
            if not os.path.isdir(before):
                os.mkdir(before, 0o700)
            for name, text in record["undo"]["before"].items():
                write_file(os.path.join(directory, "before", name), text)
            write_file(os.path.join(directory, "revert.sh"), record["script"])
            write_file(os.path.join(directory, "sums"), sums(record))
        except OSError as error:
            raise AttackError(f"the journal of {attack_id} cannot be repaired: {error}")

    def ids(self):
        """Ids of the attacks with a journal here."""
        if not self.check_place():
            return []
        return sorted(name for name in os.listdir(self.path) if HOST_ID.allows(name) and os.path.isdir(os.path.join(self.path, name)))

    def load(self, attack_id):
        """The record of an attack. Errors: JournalDamaged when it is torn, changed or of a newer version; JournalGone."""
        path = os.path.join(self.directory(attack_id), "record.json")
        try:
            found = json.loads(self.read(path))
            record = found["record"]
            intact = isinstance(record, dict) and checksum(json.dumps(record, indent=1, sort_keys=True)) == found["sum"]
        except UNREADABLE:
            if not os.path.isdir(self.directory(attack_id)):
                raise JournalGone(f"{attack_id} is not active any more")
            raise JournalDamaged(f"the record of {attack_id} is not readable: {path}")
        if not intact:
            raise JournalDamaged(f"the record of {attack_id} does not match its checksum: {path}")
        if record.get("version") != VERSION:
            raise JournalDamaged(
                "the record of %s has version %s and this is version %d: revert it with the release that made it, or run %s"
                % (attack_id, record.get("version"), VERSION, self.script(attack_id))
            )
        return record

    def note(self, attack_id, name, text):
        """A value that changes while the attack is active (deadline, watchers, effect)."""
        write_file(os.path.join(self.directory(attack_id), name), text)

    def noted(self, attack_id, name):
        return self.read(os.path.join(self.directory(attack_id), name))

    def number(self, attack_id, name):
        """A noted whole number; None when it is not one."""
        text = self.noted(attack_id, name).partition("\n")[0].strip(" \t")  # as read of the shell takes it
        return int(text) if re.match(r"[0-9]{1,15}\Z", text) else None

    def effect(self, attack_id):
        """What the attack measured when it began; {} when that is not readable."""
        try:
            return dict(json.loads(self.noted(attack_id, "effect") or "{}"))
        except UNREADABLE:
            return {}

    def script_intact(self, attack_id, record=None):
        """Whether revert.sh and the saved state are what was written, and their checksums are those of the record (read unless it is given)."""
        directory = self.directory(attack_id)
        text = self.noted(attack_id, "sums")
        try:
            if text != sums(record or self.load(attack_id)):
                return False
        except (JournalDamaged, KeyError):  # release 0.1 kept no script in the record
            pass
        lines = [line.partition("  ") for line in text.split("\n") if line]
        right = all(checksum(self.read(os.path.join(directory, name))) == expected for expected, _space, name in lines)
        return right and any(name == "revert.sh" for _expected, _space, name in lines)

    # --- history --------------------------------------------------------------------------------

    def history(self, last=20):
        """The last reverted attacks, newest last."""
        found = [each for each in self._lines() if each.get("event") != BEGAN]
        return found[-last:] if last else []

    def unended(self):
        """The start lines of attacks that have no end line in the history."""
        lines = self._lines()
        ended = [which(each) for each in lines if each.get("event") != BEGAN]
        return [each for each in lines if each.get("event") == BEGAN and HOST_ID.allows(each.get("id")) and which(each) not in ended]

    def _lines(self):
        """All lines of the history; unreadable lines are skipped."""
        found = []
        for line in self.read(os.path.join(self.path, "history.jsonl")).split("\n"):
            try:
                found.append(json.loads(line.lstrip("\0")))  # on ext4 a power cut leaves zero bytes of the line before
            except UNREADABLE:
                continue
        return [each for each in found if isinstance(each, dict)]

    @staticmethod
    def read(path):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(handle, encoding="utf-8", errors="surrogateescape", newline="") as stream:
                return stream.read()
        except (OSError, ValueError):
            return ""
