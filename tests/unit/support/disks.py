# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small file system of a test's own, so that a search of all of it is short."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


def mounted(*words: str) -> bool:
    return os.geteuid() == 0 and subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def disk(point: Path) -> Iterator[Path]:
    """Its root, in memory, with extended attributes; only a directory where nothing can be mounted."""
    point.mkdir()
    is_mount = mounted("-t", "tmpfs", "tmpfs", str(point))
    try:
        (point / "probe").touch()
        os.setxattr(point / "probe", "user.x", b"1")
    except OSError:
        is_mount = is_mount and subprocess.run(["umount", str(point)], check=False).returncode != 0
    (point / "probe").unlink(missing_ok=True)
    try:
        yield point
    finally:
        while is_mount and subprocess.run(["umount", "-l", str(point)], capture_output=True, check=False).returncode == 0:
            pass
