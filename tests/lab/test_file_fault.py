# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""file_fault on real kernels: the file is as asked for during the attack, and afterwards the same inode with all it had."""

from __future__ import annotations

import base64
import importlib
import random
from collections.abc import Iterator

import pytest
import yaml

from tests.lab.support.lab import Lab, wait_until
from tests.lab.support.steps import steps

DIRECTORY = "/etc/flapp"
FILE = f"{DIRECTORY}/app.conf"
TEXT = "".join(f"key{number} = value {number}\n" for number in range(50))
MAKE = f"""
rm -rf {DIRECTORY}; mkdir {DIRECTORY}; cat >{FILE}
chown daemon:bin {FILE}; chmod 2640 {FILE}
python3 -c "
import os
os.setxattr('{FILE}', 'user.note', b'kept')
os.setxattr('{FILE}', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))"
touch -d 2020-02-03T04:05:06.123456789 {FILE}
"""
# All that is told of a file, but for its time of the last status change.
LOOK = f"""python3 -c "
import hashlib, os
f = '{FILE}'; s = os.stat(f)
print(s.st_ino, s.st_nlink, oct(s.st_mode), s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns, hashlib.sha256(open(f, 'rb').read()).hexdigest())
print({{n: os.getxattr(f, n) for n in sorted(os.listxattr(f))}}, sorted(os.listdir('{DIRECTORY}')))" """


@pytest.fixture
def file(lab: Lab, n1: str) -> Iterator[str]:
    lab.run(n1, MAKE, stdin=TEXT)
    yield lab.run(n1, LOOK).out
    lab.module(n1, "faultline.chaos.revert", {"all": True, "accept_drift": True})
    lab.run(n1, f"umount {FILE}; rm -rf {DIRECTORY}", check=False)


def expected(op: str, options: dict) -> bytes | None:
    """The bytes during the attack, worked out here once more."""
    content = TEXT.encode()
    if op == "bit_flip":
        flipped = bytearray(content)
        for bit in random.Random(options["seed"]).sample(range(len(content) * 8), options["count"]):
            flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)
    return {"remove": None, "replace": b"broken\n", "append": content + b"broken\n", "truncate": content[:10], "chmod": content}[op]


def changed(op: str, options: dict, content: bytes | None, mode: int | None) -> tuple[str, float, float, str]:
    """What was asked for and what the file shows of it: in words, asked, measured, unit."""
    before = TEXT.encode()
    if op == "remove":
        return "bytes that are there", 0, len(content or b""), "bytes"
    assert content is not None and mode is not None
    if op == "chmod":
        return "mode, as a number", int(options["mode"], 8), mode, ""
    if op == "bit_flip":
        bits = sum(bin(a ^ b).count("1") for a, b in zip(before, content, strict=True))
        return "bits that differ", options["count"], bits, "bits"
    asked = {"replace": len(options.get("content", "")), "append": len(before) + len(options.get("content", "")), "truncate": options.get("size")}[op]
    return "size", asked, len(content), "bytes"


OPS = [
    ("remove", {}),
    ("replace", {"content": "broken\n"}),
    ("append", {"content": "broken\n"}),
    ("truncate", {"size": 10}),
    ("chmod", {"mode": "0000"}),
    ("bit_flip", {"count": 3, "seed": 42}),
]


@pytest.mark.parametrize("method", ["auto", "in_place"])
@pytest.mark.parametrize(("op", "options"), OPS, ids=[op for op, _options in OPS])
@pytest.mark.smoke
def test_steps_and_bytes(lab: Lab, n1: str, file: str, op: str, options: dict, method: str, tell) -> None:
    if (op, method) == ("remove", "in_place"):
        method = "aside"
    told = {"path": FILE, "op": op, "method": method, "duration": "10m", **options}
    found = steps(lab, n1, "file_fault", told, measure=["sh", "-c", f"stat -c '%a' {FILE}; base64 -w 0 {FILE}"])
    effect, lines = found["real"]["effect"], found["measured"].split()
    wanted, content = expected(op, options), base64.b64decode(lines[1]) if lines else None
    what, asked, measured, unit = changed(op, options, content, int(lines[0], 8) if lines else None)
    tell("file_fault", f"{op} {method}: {what}", asked, measured, unit)
    print(f"asked {op} {options} {method}: {effect['method']}, {lines or 'gone'}, inode {effect['before']['inode']} -> {effect['after'].get('inode')}")
    if wanted is None:
        assert lines == [] and effect["after"] == {}
    else:
        assert lines[0] == ("0" if op == "chmod" else "2640") and content == wanted
    assert effect["method"] == ("in_place" if op == "chmod" or method == "in_place" else "aside")
    assert (effect["after"].get("inode") == effect["before"]["inode"]) == (effect["method"] == "in_place")
    assert lab.run(n1, LOOK).out == file


def test_hard_links_and_bind_mounts_are_changed_in_place(lab: Lab, n1: str, file: str) -> None:
    lab.run(n1, f"ln {FILE} {DIRECTORY}/second")
    before = lab.run(n1, LOOK).out
    result = lab.module(n1, "faultline.chaos.file_fault", {"path": FILE, "op": "truncate", "duration": "10m"})
    assert result["effect"]["method"] == "in_place" and "2 names" in result["effect"]["why"], result
    assert lab.run(n1, f"wc -c <{DIRECTORY}/second").out.strip() == "0"
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
    assert lab.run(n1, LOOK).out == before
    lab.run(n1, f"rm {DIRECTORY}/second; cp -a {FILE} {DIRECTORY}/source; mount --bind {DIRECTORY}/source {FILE}")
    before = lab.run(n1, LOOK).out
    refused = lab.module(n1, "faultline.chaos.file_fault", {"path": FILE, "op": "remove", "duration": "10m"})
    assert refused["failed"] and "mount of its own" in refused["msg"], refused
    result = lab.module(n1, "faultline.chaos.file_fault", {"path": FILE, "op": "replace", "content": "x", "duration": "10m"})
    assert result["effect"]["method"] == "in_place", result
    assert lab.read(n1, f"{DIRECTORY}/source") == "x"
    assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
    assert lab.run(n1, LOOK).out == before


@pytest.mark.parametrize("op", ["replace", "remove"])
@pytest.mark.parametrize("method", ["aside", "in_place"])
def test_what_somebody_edits_meanwhile_stays(lab: Lab, n1: str, file: str, op: str, method: str) -> None:
    if op == "remove":
        method = "aside"
    told = {"path": FILE, "op": op, "method": method, "duration": "10m"}
    result = lab.module(n1, "faultline.chaos.file_fault", {**told, "content": "x"} if op == "replace" else told)
    lab.write(n1, FILE, "edited by an admin\n")
    stuck = lab.module(n1, "faultline.chaos.revert", {"all": True})
    assert stuck["failed"] and "somebody else changed it" in str(stuck["stuck"]), stuck
    assert lab.read(n1, FILE) == "edited by an admin\n"
    accepted = lab.module(n1, "faultline.chaos.revert", {"id": result["id"], "accept_drift": True})
    assert accepted["drifted"] == [result["id"]], accepted
    assert lab.run(n1, LOOK).out == file


def test_a_user_swaps_the_directory_for_a_link(lab: Lab, n1: str) -> None:
    """Root's undo must not follow it: what the link leads to stays as it is. The file is put back where it is now, and that is said."""
    lab.run(n1, "rm -rf /home/ops/app /etc/flapp; mkdir /etc/flapp; echo precious >/etc/flapp/passwd")
    lab.run(n1, "su ops -c 'mkdir /home/ops/app; echo mine >/home/ops/app/passwd'")
    try:
        told = {"path": "/home/ops/app/passwd", "op": "replace", "content": "x", "duration": "10m"}
        result = lab.module(n1, "faultline.chaos.file_fault", told)
        assert result["status"] == "active", result
        lab.run(n1, "su ops -c 'mv /home/ops/app /home/ops/moved; ln -s /etc/flapp /home/ops/app'")
        stuck = lab.module(n1, "faultline.chaos.revert", {"all": True})
        assert stuck["failed"] and "not where it was: /home/ops/moved/passwd" in str(stuck["stuck"]), stuck
        assert lab.read(n1, "/home/ops/moved/passwd") == "mine\n"
        assert lab.read(n1, "/etc/flapp/passwd") == "precious\n"
        lab.run(n1, "rm /home/ops/app; mv /home/ops/moved /home/ops/app")
        assert lab.module(n1, "faultline.chaos.revert", {"all": True})["reverted"] == [result["id"]]
        assert lab.read(n1, "/home/ops/app/passwd") == "mine\n"
    finally:
        lab.run(n1, "rm -rf /home/ops/app /home/ops/moved /etc/flapp")


def test_the_timer_puts_it_back(lab: Lab, n1: str, file: str) -> None:
    result = lab.module(n1, "faultline.chaos.file_fault", {"path": FILE, "op": "remove", "duration": "15s"})
    assert not result.get("failed"), result
    wait_until(lambda: lab.run(n1, f"[ -e {FILE} ]", check=False).ok, 90, "the file is back")
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 60, "the record is closed")
    assert lab.run(n1, LOOK).out == file


def test_after_a_power_cut(lab: Lab, n1: str, file: str) -> None:
    lab.run(n1, "sync")
    result = lab.module(n1, "faultline.chaos.file_fault", {"path": FILE, "op": "truncate", "duration": "10m"})
    assert not result.get("failed"), result
    lab.cut(n1)
    lab.start(n1)
    wait_until(lambda: lab.module(n1, "faultline.chaos.attack_info", {"history": 1})["clean"], 120, "the boot unit puts it back")
    assert lab.run(n1, LOOK).out == file


def test_refused(lab: Lab, n1: str, file: str) -> None:
    lab.run(n1, f"ln -s app.conf {DIRECTORY}/link; mkfifo {DIRECTORY}/pipe; cp {FILE} {DIRECTORY}/fixed; chattr +i {DIRECTORY}/fixed")
    try:
        for path, words in (
            (f"{DIRECTORY}/link", "symbolic link"),
            (f"{DIRECTORY}/pipe", "a pipe"),
            (f"{DIRECTORY}/nothing", "no such file"),
            (DIRECTORY, "a directory"),
            ("/etc/shadow", "protected"),
            (f"{DIRECTORY}/fixed", "immutable"),
        ):
            refused = lab.module(n1, "faultline.chaos.file_fault", {"path": path, "op": "remove", "duration": "60s"})
            assert refused["failed"] and words in refused["msg"], refused
    finally:
        lab.run(n1, f"chattr -i {DIRECTORY}/fixed")


def test_examples_run_as_printed(lab: Lab, n1: str) -> None:
    text = importlib.import_module("ansible_collections.faultline.chaos.plugins.modules.file_fault").EXAMPLES
    lab.run(n1, "mkdir -p /etc/myapp /var/lib/myapp; for f in /etc/myapp/app.conf /etc/myapp/tls.pem /var/lib/myapp/data.db; do echo text >$f; done")
    play = {"name": "examples", "hosts": n1, "gather_facts": False, "tasks": yaml.safe_load(text)}
    try:
        done = lab.playbook([play], must_succeed=True)
        assert [result["status"] for result in done.results(host=n1)] == ["active", "reverted", "active", "active"]
    finally:
        lab.module(n1, "faultline.chaos.revert", {"all": True})
        lab.run(n1, "rm -rf /etc/myapp /var/lib/myapp")
