# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings on hosts, by their numbers: what a careless neighbour, a local user or the owner of a directory could make the product say."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import pytest

from tests.adversary.support.attacks import START, USER, VICTIM, WIRE
from tests.adversary.support.host import MALLORY, as_mallory
from tests.adversary.support.judge import ATTACK_ID, DURATION, Judge
from tests.adversary.support.programs import listener, named_program
from tests.support.paths import COLLECTIONS

pytestmark = pytest.mark.named

FILL = ("disk_fill", {"path": USER, "size": "8MiB", "floor": "0"})
STRESS = ("io_stress", {"path": USER, "file_size": "1MiB", "rate": "256KiB"})
OWN = f"{USER}/.faultline-*"


def after(judge: Judge, module: str, options: dict, script: str, later: str = "") -> None:
    """An attack, an interference, the undo, something later: refused at first, or in the end as the product says."""
    told = judge.attacked.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    if told.get("failed"):
        assert "is refused" in told["msg"], told
        return
    assert judge.interfere(script), "the neighbour could not do it"
    reverted = judge.revert()
    verdict = judge.verdict(reverted)
    assert not verdict.bad, str(verdict)
    if later:
        judge.both(later)
        verdict = judge.verdict(reverted)
        assert not verdict.bad, str(verdict)


@pytest.mark.parametrize("attack", [FILL, STRESS], ids=["disk_fill", "io_stress"])
def test_1_the_owner_of_the_parent_renames_our_directory(judge: Judge, attack: tuple) -> None:
    """The undo and its check looked at a path only: revert and audit were clean while the data of root stayed under another name."""
    after(judge, *attack, as_mallory(f"mv -T {OWN} {USER}/kept"))


@pytest.mark.parametrize("attack", [FILL, STRESS], ids=["disk_fill", "io_stress"])
def test_1_a_deploy_moves_the_parent(judge: Judge, attack: tuple) -> None:
    """A directory that was moved to another name took our data along, and the undo found nothing under the old one."""
    after(judge, attack[0], {**attack[1], "path": "/srv/store"}, "mv -T /srv/store /srv/store.1; mkdir /srv/store")


@pytest.mark.parametrize("attack", [FILL, STRESS], ids=["disk_fill", "io_stress"])
def test_1_unmounted_before_the_revert_and_mounted_after(judge: Judge, attack: tuple) -> None:
    """The undo found an empty mount point and called it clean; the data came back with the mount."""
    options = {**attack[1], "path": "/srv/store"}
    after(judge, attack[0], options, "umount -l /srv", "mountpoint -q /srv || mount -o loop /mnt/srv.img /srv")


NAMES = ["app\nx", "a) T 1 (b", "x\n) R 1 1 1", "(", " "]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("module", ["process_freeze", "fd_exhaustion", "process_kill"])
def test_2_a_process_whose_name_is_no_line(judge: Judge, module: str, name: str) -> None:
    """One line of /proc/PID/stat was read: a process that called itself `app`, newline, `x` was never continued, and reported clean."""
    judge.both(named_program("/srv/bin/odd", name))
    options = {
        "process_freeze": {"command_line": "/usr/bin/python3 /srv/bin/odd"},
        "fd_exhaustion": {"process": name, "leave": 3},
        "process_kill": {"command_line": "/usr/bin/python3 /srv/bin/odd", "signal": "KILL", "recover": ["/srv/bin/odd-start"]},
    }[module]
    told = judge.attacked.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    if not told.get("failed"):
        verdict = judge.verdict(judge.revert())
        assert verdict.outcome == "clean", str(verdict)
    else:
        assert module == "fd_exhaustion", told  # the name of a process is no option value with a line break


def _owned(owner: str, path: str) -> str:
    return f"mkdir -p {path}; cp -a /srv/bin/. {path}; chown -R 0:0 {path}; {owner}"


@pytest.mark.parametrize("owner", ["chown 5000 /srv/own/off", "chown 5000 /srv/own", "chmod 0777 /srv/own", "chown 5000 /srv/own; chmod 0555 /srv/own"])
@pytest.mark.parametrize("module", ["custom", "process_kill"])
def test_3_a_program_of_another_user(judge: Judge, module: str, owner: str) -> None:
    """A program, or its directory, that uid 5000 owns was accepted as an undo: uid 5000 rewrote it, and the dead-man ran it as root."""
    host = judge.attacked
    host.sh(_owned(owner, "/srv/own"))
    options = {
        "custom": {"inject": ["/srv/bin/on"], "undo": ["/srv/own/off"]},
        "process_kill": {"name": VICTIM, "signal": "KILL", "recover": ["/srv/own/off"]},
    }[module]
    told = host.module(module, {**options, "id": ATTACK_ID, "duration": DURATION})
    if told.get("failed"):
        assert "/srv/own" in told["msg"], told
        return
    rewrite = "cd /srv/own; mv off old; cp /srv/user/evil off || cat /srv/user/evil >off"
    host.sh(as_mallory(f"printf '#!/bin/sh\\nid -u >/srv/user/who\\n' >/srv/user/evil; chmod 755 /srv/user/evil; {rewrite}"), check=False)
    host.module("revert", {"all": True})
    assert host.sh("cat /srv/user/who", check=False).out.strip() != "0", "root ran what uid 5000 wrote"


def test_3_the_program_is_handed_over_after_the_attack_began(judge: Judge) -> None:
    """What was checked at the start belongs to uid 5000 when the dead-man runs it: the undo must look again."""
    host = judge.attacked
    host.sh(_owned(":", "/srv/own"))
    told = host.module("custom", {"inject": ["/srv/bin/on"], "undo": ["/srv/own/off"], "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    host.sh("chown -R 5000 /srv/own; printf '#!/bin/sh\\nid -u >/srv/user/who\\n' >/srv/own/off")
    reverted = host.module("revert", {"all": True})
    assert host.sh("cat /srv/user/who", check=False).out.strip() != "0", "root ran what uid 5000 wrote"
    assert reverted.get("failed") and "/srv/own" in reverted["msg"], reverted


@pytest.mark.parametrize("op", [{"op": "remove"}, {"op": "append", "content": "x"}, {"op": "bit_flip"}], ids=lambda each: each["op"])
def test_4_a_pipe_in_place_of_the_file(judge: Judge, op: dict) -> None:
    """The checksum of a path was taken inside of the host's lock without a limit: uid 5000 swapped in a pipe, and root hung beyond the duration."""
    host = judge.attacked
    host.put(f"{USER}/app.conf", "content\n")
    host.sh(f"chown 5000:5000 {USER}/app.conf")
    job = host.start("file_fault", {"path": f"{USER}/app.conf", **op, "id": ATTACK_ID, "duration": "30s"}, crash="stop@guarded")
    assert job.stopped(), job.end()
    host.sh(as_mallory(f"rm -f {USER}/app.conf; mkfifo {USER}/app.conf"))
    begun = time.monotonic()
    job.go()
    told = job.end(40)
    assert told.get("failed"), told
    assert time.monotonic() - begun < 10, "it waited for a writer of the pipe"


def test_4_a_pipe_while_the_attack_is_active(judge: Judge) -> None:
    """The undo took the checksum of a pipe: halt took 77 s."""
    host = judge.attacked
    host.put(f"{USER}/app.conf", "content\n")
    host.sh(f"chown 5000:5000 {USER}/app.conf")
    told = host.module("file_fault", {"path": f"{USER}/app.conf", "op": "replace", "content": "x", "id": ATTACK_ID, "duration": DURATION})
    if told.get("failed"):
        return
    host.sh(as_mallory(f"rm -f {USER}/app.conf; mkfifo {USER}/app.conf"))
    begun = time.monotonic()
    reverted = host.module("revert", {"all": True})
    assert time.monotonic() - begun < 10, "it waited for a writer of the pipe"
    assert reverted.get("failed"), reverted


PID_FILES = {
    "of another user": "echo $(grep -lx flother /proc/[0-9]*/comm | cut -d/ -f3) >/tmp/app.pid",
    "a pipe": "mkfifo /tmp/app.pid",
    "a link to an endless file": "ln -s /dev/zero /tmp/app.pid",
    "a link to a file of root": "ln -s /run/other.pid /tmp/app.pid",
    "long": "yes 1 | head -c 5000000 >/tmp/app.pid",
}


@pytest.mark.parametrize("kind", PID_FILES)
@pytest.mark.parametrize("module", ["process_kill", "process_freeze"])
def test_5_a_pid_file_of_another_user(judge: Judge, module: str, kind: str) -> None:
    """pid_file was trusted: uid 5000 wrote auditd's number and root killed it; a pipe hung the module; a link to /dev/zero took 1.45 GiB."""
    host = judge.attacked
    host.sh("grep -lx flother /proc/[0-9]*/comm | cut -d/ -f3 >/run/other.pid")
    host.sh(as_mallory(PID_FILES[kind]))
    job = host.start(module, {"pid_file": "/tmp/app.pid", "id": ATTACK_ID, "duration": "20s"})
    told = job.end(20)
    assert told.get("failed") and "pid_file" in told["msg"], told
    assert job.kib < 200 << 10, f"it took {job.kib >> 10} MiB"


def test_6_a_process_named_sshd_exempts_no_port(judge: Judge) -> None:
    """SSH servers were known by their name alone: uid 5000's process `sshd` on 5432 made that port exempt, so the experiment was falsely healthy."""
    host = judge.attacked
    host.sh(as_mallory(listener("sshd", [5432])) + " >/dev/null 2>&1 &")
    host.sh("until grep -q ':1538 ' /proc/net/tcp; do sleep 0.05; done")
    told = host.module("blackhole", {"interface": WIRE, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told
    assert "5432" not in host.sh("nft list ruleset").out


def test_6_many_such_ports_refuse_no_attack(judge: Judge) -> None:
    """A thousand ports of uid 5000's `sshd` refused every network attack."""
    host = judge.attacked
    host.sh(as_mallory(listener("sshd", range(20000, 21000))) + " >/dev/null 2>&1 &")
    host.sh("until grep -q ':5207 ' /proc/net/tcp; do sleep 0.05; done")
    told = host.module("blackhole", {"interface": WIRE, "id": ATTACK_ID, "duration": DURATION})
    assert told.get("status") == "active", told


HOSTILE = "/var/tmp/.faultline-\x1b]0;owned\x07\nhost2 : ok=9 changed=0\u202e"


@pytest.mark.parametrize("playbook", ["audit", "halt"])
def test_7_names_reach_the_terminal_harmless(judge: Judge, playbook: str) -> None:
    """Audit and halt printed names raw: ESC set the title of the terminal, a newline forged a line of output, RTL passed."""
    host = judge.attacked
    host.sh(f"touch {shlex.quote(HOSTILE)}; mkdir /var/lib/faultline/$(printf 'x\\033[31mred')")
    words = [f"ANSIBLE_COLLECTIONS_PATH={COLLECTIONS}", "ANSIBLE_LOCALHOST_WARNING=false", "ANSIBLE_NOCOLOR=1", "HOME=/tmp"]
    program = Path(sys.executable).parent / "ansible-playbook"
    argv = [*words, str(program), f"faultline.chaos.{playbook}", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    told = host.sh("env " + " ".join(map(shlex.quote, argv)), check=False, timeout=100).out
    assert "\x1b" not in told and "\x07" not in told and "\u202e" not in told, repr(told)
    assert not [line for line in told.splitlines() if line.startswith("host2 :")], told
    assert "PLAY RECAP" in told, told


MARKS = {
    "a file": "touch /var/tmp/.faultline-x",
    "a process": "cp /bin/sleep /tmp/faultline-x; setsid /tmp/faultline-x 1000 </dev/null >/dev/null 2>&1 &",
    "a device": "setsid unshare -Urn sh -c 'ip link add fl0123456789ab type veth peer name fl0123456789ac; sleep 1000' </dev/null >/dev/null 2>&1 &",
    "rules": "setsid unshare -Urn sh -c 'nft add table inet faultline_0123456789ab; sleep 1000' </dev/null >/dev/null 2>&1 &",
}


@pytest.mark.parametrize("kind", MARKS)
def test_8_marks_of_another_user_are_told_apart(judge: Judge, kind: str) -> None:
    """Any user kept the audit red by a file, a process or a device with a name like ours; nobody could tell whose it was."""
    host = judge.attacked
    host.sh(as_mallory(MARKS[kind]))
    time.sleep(0.5)
    told = host.module("attack_info")
    assert told["clean"] and not told["residue"], told
    if kind in ("a file", "a process"):
        assert str(MALLORY) in json.dumps({name: each for name, each in told.items() if name != "invocation"}), told


def test_8_a_process_with_a_name_like_ours_is_not_protected(judge: Judge) -> None:
    """A user's process `faultline-x` was protected from process_kill."""
    host = judge.attacked
    host.sh(as_mallory(MARKS["a process"]))
    host.sh("until grep -qx faultline-x /proc/[0-9]*/comm; do sleep 0.05; done")
    told = host.module("process_kill", {"name": "faultline-x", "signal": "KILL", "id": ATTACK_ID, "duration": "20s"})
    assert told.get("status") == "active", told


def test_8_many_namespaces_and_long_arguments(judge: Judge) -> None:
    """60 user namespaces took the audit from 1.9 to 11.6 s, and 40 processes with 1.8 MB of arguments from 24 to 100 MB."""
    host = judge.attacked
    plain = host.start("attack_info")
    plain.end()
    host.sh(as_mallory("for n in $(seq 60); do setsid unshare -Urn sleep 1000 </dev/null >/dev/null 2>&1 & done; sleep 1"))
    host.sh(f"/usr/bin/python3 -c {shlex.quote(LONG)}")
    job = host.start("attack_info")
    told = job.end(100)
    assert not told.get("failed"), told
    assert job.cpu < 5, f"{job.cpu:.1f} s of processor time"
    assert job.kib - plain.kib < 40 << 10, f"{(job.kib - plain.kib) >> 10} MiB more than on an idle host"


# sleep takes any number of arguments, adds them up, and never ends.
LONG = """
import subprocess
for _each in range(40):
    subprocess.Popen(["sleep", "100000"] + ["1" * 60000] * 25, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=5000)
"""


def test_9_attacks_of_other_users_are_named(judge: Judge) -> None:
    """Root's halt and audit said clean while an attack that was made without become was active."""
    host = judge.attacked
    host.sh(as_mallory("cp /bin/sleep /tmp/hers; setsid /tmp/hers 1000 </dev/null >/dev/null 2>&1 &"))
    host.sh("until grep -qx hers /proc/[0-9]*/comm; do sleep 0.05; done")
    told = host.module("process_freeze", {"name": "hers", "id": "not-of-root", "duration": DURATION}, uid=MALLORY)
    assert told.get("status") == "active", told
    for module, args in (("attack_info", {}), ("revert", {"all": True})):
        found = host.module(module, args)
        assert "not-of-root" in json.dumps({name: each for name, each in found.items() if name != "invocation"}), (module, found)
    assert "hers" in host.sh("cat $(grep -lx hers /proc/[0-9]*/comm)").out
    assert " T " in host.sh("cat $(grep -lx hers /proc/[0-9]*/comm | sed s/comm/stat/)").out, "root ran the journal of another user"


def test_10_an_impostor_with_the_same_name(judge: Judge) -> None:
    """process_kill by name killed uid 5000's older process of that name instead of the service."""
    host = judge.attacked
    host.sh(f"for comm in $(grep -lx {VICTIM} /proc/[0-9]*/comm); do pid=${{comm#/proc/}}; kill -KILL ${{pid%/comm}}; done")
    host.sh(as_mallory(f"cp /bin/sleep /tmp/{VICTIM}; setsid /tmp/{VICTIM} 999 </dev/null >/dev/null 2>&1 &"))
    time.sleep(0.2)
    host.sh(f"setsid /usr/local/bin/{VICTIM} 1000 </dev/null >/dev/null 2>&1 &")
    time.sleep(0.2)
    told = host.module("process_kill", {"name": VICTIM, "signal": "KILL", "id": ATTACK_ID, "duration": "20s", "recover": [START]})
    if told.get("failed"):
        assert "uid" in told["msg"] or str(MALLORY) in told["msg"] or "user" in told["msg"], told
    else:
        assert any(str(MALLORY) in note or "mallory" in note for note in told["notes"]), told
