# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules on a host without a controller: their files and those of Ansible are installed there, compiled; one ssh call runs one module.

This tests the module and its effects on the host. A playbook would cost three times the CPU time on both sides, because it starts
Ansible and packs the files, and the host unpacks and compiles them. Tests of the controller, of playbooks and of the steps that every
attack passes use ansible-playbook.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tarfile
from pathlib import Path
from typing import Any, Protocol

import ansible

from tests.support import crash
from tests.support.paths import PLUGINS

PYTHON = "/usr/bin/python3"
PLACE = "/usr/lib/fltest"  # outside of the directories in a fingerprint
_OF_CHAOS = "faultline.chaos."
_MODULES = "ansible_collections.faultline.chaos.plugins.modules"
_LACKING = 97  # exit status when the files are missing or have another version
_KILLED = 137  # exit status of sh for a program that SIGKILL ended
_NO_CONNECTION = 255  # exit status of ssh


class Reach(Protocol):
    """The part of the lab that is needed here: a scratch directory on the controller, and access to a host."""

    scratch: Path

    def run(self, host: str, command: str, check: bool = ..., timeout: float = ...) -> Any:
        """See Lab."""

    def send(self, host: str, path: Path, command: str) -> Any:
        """See Lab."""


def full_name(name: str) -> str:
    """The name by which Python imports a module on the host, from its name in a play."""
    return f"{_MODULES}.{name.removeprefix(_OF_CHAOS)}"


def serves(name: str) -> bool:
    """Whether the name is a module of this collection without an action plugin on the controller."""
    short = name.removeprefix(_OF_CHAOS)
    return name.startswith(_OF_CHAOS) and (PLUGINS / "modules" / f"{short}.py").exists() and not (PLUGINS / "action" / f"{short}.py").exists()


def _packed(lab: Reach) -> tuple[Path, str]:
    """An archive of the module files from the checkout, with crash points; and its digest."""
    path, known = lab.scratch / "modules.tar", lab.scratch / "modules.sum"
    if not known.exists():
        chaos = crash.tree(lab.scratch) / "ansible_collections/faultline/chaos"
        trees = {f"ansible_collections/faultline/chaos/plugins/{name}": chaos / "plugins" / name for name in ("modules", "module_utils")}
        trees["ansible/module_utils"] = Path(ansible.__file__).parent / "module_utils"
        content = hashlib.sha256()
        with tarfile.open(path, mode="w", dereference=True) as archive:
            archive.addfile(tarfile.TarInfo("ansible/__init__.py"))  # empty, because the original imports code of the controller
            for name, tree in trees.items():
                files = [Path(directory, each) for directory, _names, those in os.walk(tree, followlinks=True) for each in those]
                for file in sorted(each for each in files if each.suffix == ".py"):
                    content.update(f"{name}/{file.relative_to(tree)}\n".encode() + file.read_bytes())
                    archive.add(file, f"{name}/{file.relative_to(tree)}")
        known.write_text(content.hexdigest())
    return path, known.read_text()


def install(lab: Reach, host: str) -> None:
    """Copy the files to a host unless they are there, and sync the disk, because some tests cut the power."""
    path, known = _packed(lab)
    if lab.run(host, f"cat {PLACE}/.of 2>/dev/null", check=False).out.strip() != known:
        lab.send(host, path, f"rm -rf {PLACE}; mkdir -p {PLACE}; tar -x --no-same-owner -C {PLACE}")
        lab.run(host, f"cd {PLACE} && {PYTHON} -m compileall -q . >/dev/null; echo {known} >.of; sync", timeout=300)


def run(
    lab: Reach, host: str, name: str, args: dict, check: bool = False, diff: bool = False, crash_at: str = "", timeout: float = 180, again: bool = True
) -> dict:
    """Run a module on a host. Returns its result as Ansible would: a lost host has unreachable: true.

    A module that ended without a result has failed: true, and killed: whether SIGKILL ended it.
    """
    variables = f"PYTHONPATH={PLACE}" + (f" {crash.VARIABLE}={shlex.quote(crash_at)}" if crash_at else "")
    # sh does not exec the module, so that an end by a signal gives an exit status; -B: compiled files would count as residue.
    line = f'[ "$(cat {PLACE}/.of 2>/dev/null)" = {_packed(lab)[1]} ] || exit {_LACKING}; {variables} {PYTHON} -B -m {full_name(name)}; exit $?'
    given = {"ANSIBLE_MODULE_ARGS": {**args, "_ansible_check_mode": check, "_ansible_diff": diff}}
    told = lab.run(host, line, check=False, timeout=timeout, stdin=json.dumps(given))
    if told.rc == _LACKING and again:
        install(lab, host)
        return run(lab, host, name, args, check, diff, crash_at, timeout, again=False)
    if isinstance(told.json, dict):
        return told.json
    if told.rc == _NO_CONNECTION:
        return {"unreachable": True, "changed": False, "msg": str(told)}
    return {"failed": True, "changed": False, "rc": told.rc, "killed": told.rc == _KILLED, "msg": f"the module gave no result: {told}"}
