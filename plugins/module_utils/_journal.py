# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The journal: the write-ahead record of every attack, on the target itself.

One directory an attack, published by rename when all of it is on the disk, so a crash leaves all of it or nothing:
  record.json  what, why, until when, and the undo as data     revert.sh  the undo, ready to run
  before/NN    the prior state as text                         sums       checksums of the two above
  boot run deadline limit  one value each, for sh              history    the line for history.jsonl, but for its end
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import stat
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, JournalDamaged
from ansible_collections.faultline.chaos.plugins.module_utils._undo_sh import CONTROL

VERSION = 1
ROOT_STATE = "/var/lib/faultline"
HISTORY_KEPT = 1000  # lines


def state_dir():
    """Where journals live: one place for root, the XDG state directory for a user without root."""
    if os.geteuid() == 0:
        return ROOT_STATE
    return os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".local", "state", "faultline")


def write_file(path, text, mode=0o600):
    """Write all of a file or nothing: a new file beside it, fsync, rename."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)


def sync_dir(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sums(record, script):
    """Checksums in the format of sha256sum -c."""
    before = record["undo"]["before"]
    return "%s  revert.sh\n" % checksum(script) + "".join(
        "%s  before/%s\n" % (checksum(before[name]), name) for name in sorted(before)
    )


def checksum(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class Journal(object):
    """The journals of this host (root) or user. Reading never changes anything."""

    def __init__(self, path=None):
        self.path = path or state_dir()

    # --- the place ------------------------------------------------------------------------------

    def check_place(self):
        """Refuse a state directory that somebody else could write to. True when it is there."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise AttackError(
                "%s must be a directory of uid %d that nobody else can write to: look at it, then move it away"
                % (self.path, os.geteuid())
            )
        return True

    def open_place(self):
        """Make the state directory and what stays in it. Errors: AttackError when it cannot be made or written."""
        try:
            if not self.check_place():
                os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
                os.mkdir(self.path, 0o700)
            for name in os.listdir(self.path):  # left by a crash before publishing or after an undo: nothing hangs on them
                if name.startswith((".new-", ".gone-")):
                    shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)
            control = os.path.join(self.path, "control.sh")
            if self._read(control) != CONTROL:
                write_file(control, CONTROL)
            self._trim_history()
        except (IOError, OSError) as error:
            raise AttackError("the journal cannot be written to %s: %s" % (self.path, error))

    @contextlib.contextmanager
    def locked(self, seconds=60):
        """The host's one lock, shared with revert.sh."""
        if not self.check_place():
            os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
            os.mkdir(self.path, 0o700)
        handle = os.open(
            os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            until = time.time() + seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except (IOError, OSError):
                    if time.time() > until:
                        raise AttackError("another faultline.chaos action holds %s/lock; try again" % self.path)
                    time.sleep(0.1)
            yield
        finally:
            os.close(handle)

    # --- one attack -----------------------------------------------------------------------------

    def directory(self, attack_id):
        return os.path.join(self.path, attack_id)

    def script(self, attack_id):
        return os.path.join(self.path, attack_id, "revert.sh")

    def publish(self, record, script):
        """Write an attack's journal and make it visible in one step; on the disk when this returns."""
        attack_id = record["id"]
        new = os.path.join(self.path, ".new-%s" % attack_id)
        text = json.dumps(record, indent=1, sort_keys=True)
        history = json.dumps(
            dict((key, record[key]) for key in ("id", "module", "run_id", "started", "deadline")), sort_keys=True
        )
        files = {
            "record.json": json.dumps({"sum": checksum(text), "record": json.loads(text)}, indent=1, sort_keys=True),
            "revert.sh": script,
            "history": history[:-1],
            "boot": record["boot_id"] + "\n",
            "run": (record["run_id"] or "") + "\n",
            "deadline": "%d\n" % record["deadline_cs"],
            "limit": "%d\n" % record["limit_cs"],
            "sums": _sums(record, script),
        }
        try:
            shutil.rmtree(new, ignore_errors=True)
            os.mkdir(new, 0o700)
            os.mkdir(os.path.join(new, "before"), 0o700)
            for name, text in record["undo"]["before"].items():
                write_file(os.path.join(new, "before", name), text)
            for name, content in files.items():
                write_file(os.path.join(new, name), content)
            sync_dir(os.path.join(new, "before"))
            sync_dir(new)
            os.rename(new, self.directory(attack_id))
            sync_dir(self.path)
        except (IOError, OSError) as error:
            shutil.rmtree(new, ignore_errors=True)
            raise AttackError("the journal of %s cannot be written to %s: %s" % (attack_id, self.path, error))

    def repair(self, attack_id, record, script):
        """Write revert.sh and the saved state again, from an intact record."""
        directory = self.directory(attack_id)
        try:
            os.makedirs(os.path.join(directory, "before"), 0o700, exist_ok=True)
            for name, text in record["undo"]["before"].items():
                write_file(os.path.join(directory, "before", name), text)
            write_file(os.path.join(directory, "revert.sh"), script)
            write_file(os.path.join(directory, "sums"), _sums(record, script))
        except (IOError, OSError) as error:
            raise AttackError("the journal of %s cannot be repaired: %s" % (attack_id, error))

    def ids(self):
        """Ids of the attacks with a journal here."""
        if not self.check_place():
            return []
        return sorted(
            name
            for name in os.listdir(self.path)
            if not name.startswith(".") and os.path.isdir(os.path.join(self.path, name))
        )

    def load(self, attack_id):
        """The record of an attack. Errors: JournalDamaged when it is torn, changed or of a newer version."""
        path = os.path.join(self.directory(attack_id), "record.json")
        try:
            found = json.loads(self._read(path))
            record, expected = found["record"], found["sum"]
        except (ValueError, KeyError, TypeError):
            raise JournalDamaged("the record of %s is not readable: %s" % (attack_id, path))
        if checksum(json.dumps(record, indent=1, sort_keys=True)) != expected:
            raise JournalDamaged("the record of %s does not match its checksum: %s" % (attack_id, path))
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
        return self._read(os.path.join(self.directory(attack_id), name))

    def script_intact(self, attack_id):
        """Whether revert.sh and the saved state are what was written."""
        directory = self.directory(attack_id)
        lines = self._read(os.path.join(directory, "sums")).splitlines()
        for line in lines:
            expected, _space, name = line.partition("  ")
            if checksum(self._read(os.path.join(directory, name))) != expected:
                return False
        return bool(lines)

    # --- what was -------------------------------------------------------------------------------

    def history(self, last=20):
        """The last reverted attacks, newest last; lines that cannot be read are passed over."""
        found = []
        for line in self._read(os.path.join(self.path, "history.jsonl")).splitlines()[-last:]:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def _trim_history(self):
        path = os.path.join(self.path, "history.jsonl")
        lines = self._read(path).splitlines(True)
        if len(lines) > HISTORY_KEPT:
            write_file(path, "".join(lines[-HISTORY_KEPT // 2:]))

    @staticmethod
    def _read(path):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (IOError, OSError):
            return ""
        with os.fdopen(handle, errors="surrogateescape") as stream:
            return stream.read()
