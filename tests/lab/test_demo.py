# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: with the lab as root, and without a lab as a user who may do nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.support.lab import REPO, Lab

DEMO = REPO / "scripts" / "demo.sh"
NOBODY = 65534


def environment(home: Path, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"HOME": str(home), "PATH": path, "FAULTLINE_REPORTS": str(home / "reports"), "FAULTLINE_CACHE": str(home / "cache"), "ANSIBLE_NOCOLOR": "1"}
    return {**os.environ, **own, **more}


def run(argv: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=REPO, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200, check=False)


def still_running(home: Path) -> list[str]:
    """Processes of this machine that were started for the demo: their command lines name its directories."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line and "ssh" not in line:
            found.append(line)
    return found


def test_demo_on_the_lab(lab: Lab, n1: str, n2: str, n3: str, tmp_path: Path) -> None:
    done = run([str(DEMO)], **environment(tmp_path, FAULTLINE_LAB_DIR=str(lab.dir)))
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    end = done.stdout[done.stdout.rindex("== Redis loses its primary") :]
    assert re.search(r"^ +default +deviated +\d+ of \d+ acknowledged writes are gone", end, re.M)
    assert re.search(r"^ +hardened +held +all \d+ acknowledged writes are there", end, re.M)
    reports = re.findall(r"^ +(/\S+/report\.html)$", end, re.M)
    assert len(reports) == 2 and all(Path(report).exists() for report in reports)
    assert still_running(tmp_path) == []


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that another user can reach; pytest closes its own to others whenever one of its sessions begins."""
    directory = Path(tempfile.mkdtemp(prefix="faultline-demo-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.smoke
def test_demo_without_root_and_lab(everybodys: Path) -> None:
    """As nobody. A mount namespace gives nobody a home; a capability lets it read this checkout and this Python, wherever they are."""
    home = everybodys / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    passwd = everybodys / "passwd"
    passwd.write_text(re.sub(r"^nobody:.*$", f"nobody:x:{NOBODY}:{NOBODY}::{home}:/bin/sh", Path("/etc/passwd").read_text(), flags=re.M))
    drop = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
    argv = ["unshare", "--mount", "sh", "-c", f'mount --bind "$1" /etc/passwd && exec {drop} "$2"', "sh", str(passwd), str(DEMO)]
    done = run(argv, **environment(home))
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    why = [line for line in done.stdout.splitlines() if line.startswith("== No lab on this machine")]
    assert why == ["== No lab on this machine: needs root: run it as root or with sudo"]
    end = done.stdout[done.stdout.rindex("== A service survives") :]
    report = re.search(r"^ +held +(/\S+/report\.html)$", end, re.M)
    assert report and Path(report[1]).exists()
    assert still_running(home) == []
    attacks = home / ".local" / "state" / "faultline"
    assert not [path for path in attacks.iterdir() if path.is_dir()]
