# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules on a target without a controller: their files and those of Ansible lie there, compiled, and one ssh runs one of them.

What is tested is the module and what it leaves on the target. A playbook would cost three times the processor time of both sides
for it: it starts Ansible, packs the files, and the target unpacks and compiles them. The tests of the controller, and one case of
each attack besides, go through ansible-playbook.
"""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from pathlib import Path

import ansible

from tests.lab.support.lab import Lab, Result
from tests.support import crash

PLACE = "/usr/local/lib/fltest"
_MODULES = "ansible_collections.faultline.chaos.plugins.modules"
_KILLED = 137  # what sh says of a program that SIGKILL ended


def _archive(lab: Lab) -> bytes:
    """The files that modules are made of, as they are in the checkout, with crash points."""
    chaos = crash.tree(lab.scratch) / "ansible_collections/faultline/chaos"
    installed = Path(ansible.__file__).parent
    trees = {f"ansible_collections/faultline/chaos/plugins/{name}": chaos / "plugins" / name for name in ("modules", "module_utils")}
    trees["ansible/module_utils"] = installed / "module_utils"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", dereference=True, compresslevel=1) as archive:
        for name, tree in trees.items():
            archive.add(tree, name, filter=lambda each: None if "__pycache__" in each.name else each)
        archive.addfile(tarfile.TarInfo("ansible/__init__.py"))  # empty: what it has on a controller imports the controller
    return packed.getvalue()


def full_name(name: str) -> str:
    """Of a module by its name in a play: what Python imports it by there."""
    return f"{_MODULES}.{name.rpartition('.')[2]}"


def install(lab: Lab, host: str, python: str) -> None:
    """Bring the files to a host, once for each of its disks, down to the disk, for some tests cut its power."""
    there = lab.run(host, f"cat {PLACE}/.of 2>/dev/null", check=False)
    if there.out.strip() == str(lab.scratch):
        return
    path = lab.scratch / "modules.tar.gz"
    if not path.exists():
        path.write_bytes(_archive(lab))
    lab.send(host, path, f"rm -rf {PLACE}; mkdir -p {PLACE}; tar -xz --no-same-owner -C {PLACE}")
    lab.run(host, f"cd {PLACE} && {python} -m compileall -q . >/dev/null; echo {shlex.quote(str(lab.scratch))} >.of; sync", timeout=300)


def run(lab: Lab, host: str, python: str, name: str, args: dict, crash_at: str, timeout: float = 180) -> tuple[Result, dict]:
    """Run a module there. Returns the end of the call and the result of the module, as Ansible would tell it."""
    # In sh and not by exec, so that its end by a signal has a number; without writing compiled files, which would be found as residue.
    line = f"{crash.VARIABLE}={shlex.quote(crash_at)} PYTHONPATH={PLACE} {python} -B -m {full_name(name)}; exit $?"
    if not crash_at:
        line = line.partition(" ")[2]
    told = lab.run(host, line, check=False, timeout=timeout, stdin=json.dumps({"ANSIBLE_MODULE_ARGS": args}))
    if isinstance(told.json, dict):
        return told, told.json
    return told, {"failed": True, "changed": False, "rc": told.rc, "killed": told.rc == _KILLED, "msg": f"the module gave no result: {told}"}
