# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Locks the journals and adds new records: only a module that injects needs it."""

import contextlib
import json
import os
import shutil
import time

from ansible_collections.faultline.chaos.plugins.module_utils._crash import crash_point
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host.durable import checksum, sync_dir, write_file
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import BEGAN, HISTORY_KEPT, Journal, await_lock, busy, flock, sums, which
from ansible_collections.faultline.chaos.plugins.module_utils._undo.control_sh import CONTROL


def _take(path):
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _close(handle):
    if handle is not None:
        os.close(handle)


class OpenJournal(Journal):
    """Journals that this process may lock and write."""

    def __init__(self, path=None):
        super().__init__(path)
        self._lock = None
        self._held = None

    # --- the place ------------------------------------------------------------------------------

    def open_place(self):
        """Clean up the state directory and write its permanent files; the caller holds the lock. Errors: AttackError when it cannot be written."""
        try:
            for name in os.listdir(self.path):  # left by a crash before publishing or after an undo; not needed any more
                path = os.path.join(self.path, name)
                if name.startswith(".new-") or name.startswith(".gone-") and not busy(path):
                    self._clear(path)
                elif name.startswith(("control.sh.", "history.jsonl.")) and name.endswith(".tmp"):
                    os.unlink(path)
            control = os.path.join(self.path, "control.sh")
            if self.read(control) != CONTROL:
                write_file(control, CONTROL)
            self._trim_history()
        except OSError as error:
            raise self._unwritable(error)

    @contextlib.contextmanager
    def locked(self, seconds=60):
        """Hold the lock of the journals while an injector decides and publishes; release() ends it sooner. Errors: AttackError."""
        try:
            if not self.check_place():
                os.makedirs(self.path, 0o700, exist_ok=True)
                sync_dir(os.path.dirname(self.path))
                self.check_place()
            self._lock = _take(os.path.join(self.path, "lock"))
            await_lock(self.path, lambda: flock(self._lock), seconds)
        except OSError as error:
            raise self._unwritable(error)
        try:
            yield
        finally:
            self.release()

    def _unwritable(self, error):
        fix = "free space or mount it writable" if os.geteuid() == 0 else "give the user a home directory it can write to, or set become: true"
        return AttackError(f"the journal cannot be written to {self.path}: {error}; {fix}")

    def release(self):
        self._lock = _close(self._lock)

    def let_go(self):
        """Release the attack's lock that publish() took, so that an undo need not wait."""
        self._held = _close(self._held)

    # --- one attack -----------------------------------------------------------------------------

    def publish(self, record):
        """Write an attack's journal and make it visible atomically; durable when this returns, and locked until let_go(). Errors: AttackError."""
        attack_id = record["id"]
        new = os.path.join(self.path, f".new-{attack_id}")
        text = json.dumps(record, indent=1, sort_keys=True)
        history = json.dumps(dict((key, record[key]) for key in ("id", "module", "run_id", "started", "resources")), sort_keys=True)
        files = {
            "record.json": json.dumps({"sum": checksum(text), "record": json.loads(text)}, indent=1, sort_keys=True),
            "revert.sh": record["script"],
            "history": history[:-1],
            "boot": record["boot_id"] + "\n",
            "run": (record["run_id"] or "") + "\n",
            "deadline": "%d\n" % record["deadline_cs"],
            "limit": "%d\n" % record["limit_cs"],
            "sums": sums(record),
        }
        try:
            shutil.rmtree(new, ignore_errors=True)
            os.mkdir(new, 0o700)
            os.mkdir(os.path.join(new, "before"), 0o700)
            for name, text in record["undo"]["before"].items():
                write_file(os.path.join(new, "before", name), text)
            for name, content in files.items():
                write_file(os.path.join(new, name), content)
            self._held = _take(os.path.join(new, "lock"))
            flock(self._held)
            self._await_undo(attack_id)
            crash_point("written")
            os.rename(new, self.directory(attack_id))
            sync_dir(self.path)
            self._add_to_history(history[:-1] + f', "event": "{BEGAN}"}}\n')
        except OSError as error:
            self.let_go()
            shutil.rmtree(new, ignore_errors=True)
            raise AttackError(f"the journal of {attack_id} cannot be written to {self.path}: {error}")

    def _await_undo(self, attack_id):
        """Wait up to 60 s for the undo of an earlier attack with this id, because at its end it stops the timer of that id."""
        gone = os.path.join(self.path, f".gone-{attack_id}")
        until = time.monotonic() + 60
        while busy(gone) and time.monotonic() < until:
            time.sleep(0.1)
        self._clear(gone)

    # --- history --------------------------------------------------------------------------------

    def _add_to_history(self, line):
        """Append a line. A failure is ignored, because no undo depends on the history."""
        try:
            handle = os.open(os.path.join(self.path, "history.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, line.encode("utf-8", "surrogateescape"))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            return

    def _clear(self, path):
        """Remove a directory that a crash left; add the history line of an undo that was killed before it did so."""
        line = self.read(os.path.join(path, "history")) if os.path.basename(path).startswith(".gone-") else ""
        try:
            if line and which(json.loads(line + "}")) in [which(each) for each in self.unended()]:
                self._add_to_history(line + ', "ended": null, "by": null, "result": "reverted"}\n')
        except (ValueError, RecursionError):
            pass  # torn
        shutil.rmtree(path, ignore_errors=True)

    def _trim_history(self):
        path = os.path.join(self.path, "history.jsonl")
        quiet = not self.ids() and not any(name.startswith(".gone-") for name in os.listdir(self.path))
        if self.read(path).count("\n") > HISTORY_KEPT and quiet:  # otherwise a line that an undo adds now would be lost
            kept = self.unended() + self.history(HISTORY_KEPT // 2)
            write_file(path, "".join(json.dumps(each, sort_keys=True) + "\n" for each in kept))
