#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: file_fault
version_added: 0.1.0
short_description: Remove, replace, cut, damage or lock away one file
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Does one thing to one plain file, and puts the file back exactly. A copy with mode, owner, times, ACLs, SELinux label, capabilities and
    all other extended attributes is beside the journal before anything is changed.
  - By default (RV(effect.method=aside)) the file gets a second, hidden name in its directory, and a changed copy takes its own name in one step. The
    undo renames it back. It is the very same inode with all it had, and not a byte has to be written. Programs that have it open go on with
    the original until they open it again.
  - Where the file has other names (hard links, bind mounts), its own bytes are changed instead (RV(effect.method=in_place)), so that all names see it. The undo
    writes the saved bytes and attributes into the same inode. O(method) chooses one or the other.
  - A file that somebody else edits during the attack is not overwritten by the undo. It is reported, and stays as it is until
    M(faultline.chaos.revert) is run with C(accept_drift=true), which overwrites it. What is another file by then keeps its own mode.
  - What somebody else does to the mode, the owner, the times or the attributes of the file during the attack is kept, and reported as a difference.
    In place the file just keeps it, otherwise the file itself gets it when it is put back. An extended attribute that was taken away from the changed
    copy is there again then, so for a file with extended attributes any such change is reported.
  - A file or directory that was moved on its file system is found by its inode. The file is put back where it is now, and that is reported as a
    difference. So is what the attack made of it, when somebody moved, linked or mounted that. When the directory is gone,
    C(accept_drift=true) gives the file up.
extends_documentation_fragment:
  - faultline.chaos._attack
  - faultline.chaos._attributes
  - faultline.chaos._attributes.attack
  - faultline.chaos._attributes.actiongroup_attacks
options:
  path:
    description:
      - The file. Absolute, without C(..). Directories, devices, symbolic links, and what logins, the boot and the undo need are
        refused.
      - Mandatory with O(state=present).
    type: str
  op:
    description:
      - V(remove) takes it away.
      - V(replace) gives it O(content) instead, V(append) adds O(content) at its end.
      - V(truncate) makes it O(size) long.
      - V(chmod) gives it O(mode), V(bit_flip) flips O(count) bits and keeps the time of the last change, as a failing disk does.
      - Mandatory with O(state=present).
    type: str
    choices: [remove, replace, append, truncate, chmod, bit_flip]
  content:
    description:
      - Text, in UTF-8, for O(op=replace) and O(op=append).
    type: str
  size:
    description:
      - Length for O(op=truncate), for example V(1KiB). A longer one adds zeros. The default is V(0).
    type: raw
  mode:
    description:
      - Mode for O(op=chmod), in octal and quoted, for example V("0000"). Root can read and write whatever the mode is.
    type: str
  count:
    description:
      - How many different bits are flipped by O(op=bit_flip). The default is V(1).
    type: int
  seed:
    description:
      - Decides which bits are flipped by O(op=bit_flip). The same seed flips the same bits of the same file. A whole number from V(0)
        to below 2^63. The default is V(1).
    type: int
  method:
    description:
      - V(auto) is V(in_place) for O(op=chmod) and for files with several names, else V(aside).
      - V(in_place) also hits programs that have the file open. A program that has it mapped into memory can die when the file is cut.
    type: str
    choices: [auto, aside, in_place]
    default: auto
  max_size:
    description:
      - The largest file that is saved, for example V(16MiB). At most V(256MiB).
    type: raw
    default: 16MiB
notes:
  - The time of the last status change (ctime) and the times of the directory are not put back; nobody can set the former.
  - With RV(effect.method=in_place) the undo of a cut needs the space that the cut has freed. Where others have used it up by then,
    the undo says so and goes on trying.
  - What programs did because of the fault (caches, rewritten files, restarts) is theirs.
  - A hidden file of ours without a journal is found in mount points and in the directories of the history. Elsewhere, look for files named C(.faultline-*).
seealso:
  - module: faultline.chaos.disk_fill
  - module: faultline.chaos.revert
"""

EXAMPLES = r"""
- name: What does the application do without its configuration?
  faultline.chaos.file_fault:
    path: /etc/myapp/app.conf
    op: remove
    duration: 1m

- name: End that before the minute is over
  faultline.chaos.file_fault:
    path: /etc/myapp/app.conf
    op: remove
    state: absent

- name: Three bits of a data file go wrong
  faultline.chaos.file_fault:
    path: /var/lib/myapp/data.db
    op: bit_flip
    count: 3
    seed: 42
    duration: 2m

- name: Nobody but root can read the certificate
  faultline.chaos.file_fault:
    path: /etc/myapp/tls.pem
    op: chmod
    mode: "0000"
    duration: 1m
"""

RETURN = r"""
id:
  description: The name of the attack on the target.
  returned: success
  type: str
  sample: file_fault-1f2e3d4c5b
status:
  description: V(active), V(planned) in check mode, V(reverted) or V(absent).
  returned: success
  type: str
  sample: active
deadline:
  description:
    - When the target reverts the attack, including renewals of the lease known at that time.
    - In UTC, by the clock that the target had before the attack.
  returned: when active
  type: str
  sample: "2026-11-22T14:03:20Z"
remaining:
  description: Seconds until RV(deadline).
  returned: when active
  type: float
  sample: 59.6
deadman:
  description: What reverts the attack at the deadline, a timer of V(systemd) or a V(watcher) process.
  returned: when active or planned
  type: str
  sample: systemd
undo:
  description: The script that reverts the attack. It can be run by hand at any time.
  returned: when active or planned
  type: str
  sample: /var/lib/faultline/file_fault-1f2e3d4c5b/revert.sh
undo_text:
  description: What that script does, step by step.
  returned: when planned or newly active
  type: str
resources:
  description: What the attack holds. While it is active, another attack on any of these is refused.
  returned: when active or planned
  type: list
  elements: str
  sample: ["file:/etc/myapp/app.conf"]
notes:
  description: What an operator should know about this attack on this target, and the overdue attacks that were undone first.
  returned: success
  type: list
  elements: str
effect:
  description: What was done and how.
  returned: when active
  type: dict
  contains:
    op:
      description: What was asked for.
      type: str
      sample: bit_flip
    method:
      description: V(aside) or V(in_place).
      type: str
      sample: aside
    why:
      description: Why that way.
      type: str
    before:
      description: C(size), C(mode), C(sha256) and C(inode) of the file before.
      type: dict
    after:
      description: The same during the attack. Empty when the file is gone.
      type: dict
    extended_attributes:
      description: Names of the extended attributes that are saved.
      type: list
      elements: str
"""

import os
import re
import stat

from ansible_collections.faultline.chaos.plugins.module_utils import _sizes, _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.attack import Attack, Plan, run_attack
from ansible_collections.faultline.chaos.plugins.module_utils._state import file as state_file
from ansible_collections.faultline.chaos.plugins.module_utils._undo.files import FileBack, InPlace, IsFile, Settled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Exists, Fails, Gone, OutputHas, Part, SameBoot, Undo, When

# The operations that use an option.
USES = {"content": ("replace", "append"), "size": ("truncate",), "mode": ("chmod",), "count": ("bit_flip",), "seed": ("bit_flip",)}
NEEDS = {"replace": "content", "append": "content", "chmod": "mode"}
MOST = 256 << 20
SPARE = 1 << 20  # bytes that stay free in addition to the saved copy


class FileFault(Attack):
    name = "file_fault"
    options = {
        "path": {"type": "str"},
        "op": {"type": "str", "choices": ["remove", "replace", "append", "truncate", "chmod", "bit_flip"]},
        "content": {"type": "str"},
        "size": {"type": "raw"},
        "mode": {"type": "str"},
        "count": {"type": "int"},
        "seed": {"type": "int"},
        "method": {"type": "str", "choices": ["auto", "aside", "in_place"], "default": "auto"},
        "max_size": {"type": "raw", "default": "16MiB"},
    }
    constraints = {"required_if": [("state", "present", ["path", "op"])]}

    _place = None

    def validate(self):
        params = self.params
        self.op = params["op"]
        self.path = state_file.path("path", params["path"])
        self.most = _sizes.size("max_size", params["max_size"], 1, MOST)
        for option, users in USES.items():
            if params[option] is not None and self.op not in users:
                raise BadOption(option, params[option], "only op {} uses it".format(" and ".join(users)))
        needed = NEEDS.get(self.op)
        if needed and params[needed] is None:
            raise BadOption(needed, None, f"op {self.op} needs it")
        content = (params["content"] or "").encode("utf-8", "surrogateescape")
        if self.op == "append" and not content:
            raise BadOption("content", params["content"], "give at least one character")
        if len(content) > self.most:
            raise BadOption("content", "%d bytes" % len(content), f"the most is {_sizes.human_size(self.most)} (max_size)")
        self.told = {
            "content": content,
            "size": _sizes.size("size", 0 if params["size"] is None else params["size"], 0, MOST),
            "count": _units.integer("count", 1 if params["count"] is None else params["count"], 1, 1000000),
            "seed": _units.integer("seed", 1 if params["seed"] is None else params["seed"], 0, (1 << 63) - 1),
        }
        if self.op == "chmod":
            if not re.match(r"^[0-7]{3,4}\Z", params["mode"]):
                raise BadOption("mode", params["mode"], 'write three or four octal digits in quotes, such as "0000"')
            if params["method"] == "aside":
                raise BadOption("method", "aside", "a mode is changed in place")
        if self.op == "remove" and params["method"] == "in_place":
            raise BadOption("method", "in_place", "a file is removed by its name")

    def _real(self):
        if self._place is None:
            parent = filesystem.directory("path", os.path.dirname(self.path), state_file.TREES)
            self._place = os.path.join(parent, os.path.basename(self.path))
        return self._place

    def resources(self):
        return [f"file:{self._real()}"]

    def guard(self):
        self.file = file = state_file.File("path", self.params["path"], self.path, self.most)
        self.method, self.why = self._method()
        size = len(file.content)
        if self.op == "bit_flip" and self.told["count"] > size * 8:
            raise BadOption("count", self.told["count"], "the file has only %d bits" % (size * 8))
        self.after = state_file.change(self.op, file.content, self.told)
        self.mode = "{:o}".format(int(self.params["mode"], 8)) if self.op == "chmod" else file.mode
        if self.op != "remove" and self.after == file.content and self.mode == file.mode:
            raise BadOption("op", self.op, "the file is like that already")
        for place, needed in ((self._journal_place(), size), (file.parent, len(self.after) if self.op not in ("remove", "chmod") else 0)):
            free = filesystem.space(place).available
            if free < needed + SPARE:
                raise AttackError(f"{place} has {_sizes.human_size(free)} available, {_sizes.human_size(needed + SPARE)} are needed for a copy")
        if self.method == "in_place" and self.op != "chmod" and "--attributes-only" not in self.host.run([self.host.tool("cp"), "--help"], check=False)[1]:
            raise NotRestorable("the cp of the target cannot restore attributes (it is not from coreutils), so the file cannot be changed in place")

    def _journal_place(self):
        return self.journal.path if os.path.isdir(self.journal.path) else os.path.dirname(self.journal.path)

    def _method(self):
        wanted, file = self.params["method"], self.file
        several = "it is a mount of its own" if file.is_mount else "it has %d names" % file.stat.st_nlink if file.stat.st_nlink > 1 else None
        if self.op == "chmod":
            return "in_place", "a mode is changed in place"
        if file.is_mount and (self.op == "remove" or wanted == "aside"):
            raise NotRestorable(f"path: {file.path} is a mount of its own: it can be changed in place but not be moved")
        if wanted != "auto":
            return wanted, "asked for"
        if several and self.op != "remove":
            return "in_place", f"{several}, and all of them are hit"
        return "aside", "the undo is a rename that gives the same inode back"

    def snapshot(self):
        file = self.file
        if self.op == "chmod":  # the content may change meanwhile
            return [["stat", "-c", "%i %a %u %g", file.path]]
        return [["stat", "-c", "%i %h %a %u %g %s %.9Y", file.path]]

    def plan(self, before):
        file = self.file
        after = "absent" if self.op == "remove" else state_file.checksum(self.after)
        told = {"path": file.parent, "parent": file.parent_id, "name": file.name, "file": file.id, "home": file.mount.home()}
        undo = Undo()
        aside, fresh = (filesystem.own_name(self.id, suffix) for suffix in (".old", ".new"))
        if self.op == "chmod":
            undo.steps.append(InPlace(title=f"the mode of {file.path}", how="mode", before=file.mode, after=self.mode, content=file.sum, **told))
        elif self.method == "in_place":
            undo.steps.append(InPlace(title=f"the bytes of {file.path}", how="bytes", before=file.sum, after=after, **told))
        else:
            undo.steps.append(FileBack(title=f"{file.path} itself", aside=aside, fresh=fresh, before=file.sum, after=after, names=file.stat.st_nlink, **told))
            for name in (aside, fresh):
                hidden = os.path.join(file.parent, name)
                undo.checks.append(Gone(hidden, [Exists(hidden), Settled()]))
        undo.checks.append(Gone(file.path, [Fails(["test", "-e", file.path]), Settled()], "missing"))
        if self.op == "chmod":
            now = [OutputHas(["stat", "-c", "mode %a.", file.path], f"mode {self.mode}.")]
        else:
            now = [Fails(["test", "-e", file.path])] if self.op == "remove" else [IsFile(file.path), OutputHas(["sha256sum", file.path], after)]
        undo.readings.append(Part(f"the {self.op} of {file.path}", now))
        for argv in before:
            undo.same(f"{argv[0]} of {file.path}", argv, self.host.output(argv), [Exists(file.path)])
        if self.op != "chmod":  # from the open file: a program would wait for a pipe that takes its place
            undo.same(f"the bytes of {file.path}", ["sha256sum", file.path], file.sum_line(), [IsFile(file.path)])
        if file.mount.in_memory:  # a reboot removes it, with or without the attack
            undo.steps, undo.checks = [When([SameBoot()], undo.steps)], [When([SameBoot()], undo.checks)]
        plan = Plan(
            before=self._line(len(file.content), file.mode, file.sum),
            after=f"{file.path}  gone, kept as {aside}"
            if self.op == "remove"
            else f"{self._line(len(self.after), self.mode, after)}\n{self.method}: {self.why}",
            undo=undo,
        )
        if self.op == "chmod" and not stat.S_IMODE(int(self.mode, 8)) & 0o400:
            plan.notes.append("programs that run as root are not kept from reading it")
        plan.names = (aside, fresh)
        return plan

    def _line(self, size, mode, digest):
        return "%s  %d bytes  mode %s  sha256 %s" % (self.file.path, size, mode, digest)

    def inject(self, plan):
        file = self.file
        keep_time = self.op == "bit_flip"
        try:
            if self.op == "chmod":
                file.set_mode(int(self.mode, 8))
                return
            file.save(self.journal, self.id)
            if self.method == "in_place":
                file.write(self.journal, self.id, self.after, keep_time)
            else:
                aside, fresh = plan.names
                file.put_aside(self.journal, self.id, aside, fresh, None if self.op == "remove" else self.after, keep_time)
        except OSError as error:
            raise AttackError(f"{file.path} cannot be changed: {error.strerror or error}")

    def verify(self, plan):
        file = self.file
        after = {}
        if os.path.lexists(file.path):
            content, found = state_file.look(file.path, len(self.after))
            after = {"size": found.st_size, "mode": f"{stat.S_IMODE(found.st_mode):o}", "sha256": state_file.checksum(content), "inode": found.st_ino}
        expected = {} if self.op == "remove" else {"mode": self.mode, "sha256": state_file.checksum(self.after)}
        if any(after.get(key) != value for key, value in expected.items()) or bool(after) != bool(expected):
            raise AttackError(f"{file.path} is not what it should be after {self.op}: somebody else changes it as well")
        return {
            "op": self.op,
            "method": self.method,
            "why": self.why,
            "before": {"size": len(file.content), "mode": file.mode, "sha256": file.sum, "inode": file.stat.st_ino},
            "after": after,
            "extended_attributes": sorted(file.extended),
        }


def main():
    run_attack(FileFault)


if __name__ == "__main__":
    main()
