# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attack on a file up to any step, for tests of its undo."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.faultline.chaos.plugins.module_utils._state import file as state_file
from ansible_collections.faultline.chaos.plugins.module_utils._undo.files import FileBack, InPlace, Settled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Gone, Undo

DRIFTED, STUCK = 6, 4
BEFORE, AFTER = b"one\ntwo\n", b"changed\n"


def revert(bench, shell: list[str], *words: str):
    return bench.sh(shell, bench.state / "a" / "revert.sh", *words)


def attributes(path: Path) -> tuple:
    found = path.stat()
    return found.st_ino, found.st_nlink, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, path.read_bytes()


def accepted(bench, shell) -> None:
    done = revert(bench, shell, "hand", "accept")
    assert done.returncode == 0 and "drifted" in done.stdout, done


class Victim:
    """A file, and the attack on it up to any step."""

    aside, fresh = ".faultline-a.1.old", ".faultline-a.1.new"

    def __init__(self, bench, directory: Path, after: bytes | None, in_place: bool = False, note: bool = True) -> None:
        self.bench, self.after, self.in_place = bench, after, in_place
        self.path = directory / "it's a file"
        self.path.write_bytes(BEFORE)
        self.path.chmod(0o640)
        if note:
            os.setxattr(self.path, "user.note", b"kept")
        os.utime(self.path, ns=(1, 1580702706123456789))
        self.was = attributes(self.path)
        self.file = state_file.File("path", str(self.path), str(self.path), 1 << 20)
        told = {"path": self.file.parent, "parent": self.file.parent_id, "name": self.file.name, "file": self.file.id, "title": "it", "before": self.file.sum}
        told["after"] = "absent" if after is None else state_file.checksum(after)
        told["home"] = self.file.mount.home()
        step = InPlace(how="bytes", **told) if in_place else FileBack(aside=self.aside, fresh=self.fresh, names=1, **told)
        undo = Undo([step], [Gone(name, [Exists(str(directory / name)), Settled()]) for name in (self.aside, self.fresh)])
        argv = ["stat", "-c", "%i %a %u %g %s %Y", str(self.path)]
        undo.same("it", argv, bench.host.output(argv), [Exists(str(self.path))])
        bench.publish("a", undo)

    def attack(self, crash: str = "", monkeypatch=None) -> None:
        if crash:
            monkeypatch.setattr(state_file, "crash_point", lambda name: (one for one in ()).throw(InterruptedError(name)) if name == crash else None)
        try:
            self.file.save(self.bench.journal, "a")
            if self.in_place:
                self.file.write(self.bench.journal, "a", self.after, False)
            else:
                self.file.put_aside(self.bench.journal, "a", self.aside, self.fresh, self.after, False)
        except InterruptedError:
            assert crash

    def as_before(self) -> None:
        assert attributes(self.path) == self.was
        assert os.getxattr(self.path, "user.note") == b"kept"
        assert sorted(os.listdir(self.path.parent)) == [self.path.name]
