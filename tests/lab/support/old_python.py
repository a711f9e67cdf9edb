# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install Python 3.6 on a lab host, for tests of old hosts (see legacy.py)."""

from __future__ import annotations

from pathlib import Path

from tests.lab.support.lab import Lab
from tests.lab.support.legacy import HOME

NEEDED = ("bin/python3.6", "lib/libpython3.6m.so.1.0", "lib/python3.6")
LEFT_OUT = ("test", "config-*", "site-packages", "__pycache__", "idlelib", "lib2to3", "ensurepip", "tkinter")


def python() -> Path:
    """The prefix of a Python 3.6 on this machine, as built by pyenv with a shared library."""
    found = sorted(Path.home().glob(".pyenv/versions/3.6*/bin/python3.6"))
    assert found, "the tests of old hosts need a Python 3.6 to put on them: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install 3.6"
    return found[0].parents[1]


def install(lab: Lab, host: str) -> None:
    if lab.run(host, f"[ -x {HOME}/bin/python3.6 ]", check=False).ok:
        return
    packed = lab.scratch / "python3.6.tar.gz"
    if not packed.exists():
        lab.local(["tar", "-C", str(python()), "-czf", str(packed), *(f"--exclude={name}" for name in LEFT_OUT), *NEEDED])
    lab.driver("cp", host[1:], str(packed), "/tmp/python3.6.tar.gz")
    lab.run(
        host,
        f"""
        mkdir -p {HOME} && tar -C {HOME} -xzf /tmp/python3.6.tar.gz && rm /tmp/python3.6.tar.gz
        mv {HOME}/lib/libpython3.6m.so.1.0 /usr/local/lib && ldconfig
        {HOME}/bin/python3.6 -m compileall -q {HOME}/lib >/dev/null 2>&1 || true
    """,
        timeout=300,
    )
    assert lab.run(host, [f"{HOME}/bin/python3.6", "--version"]).out.startswith("Python 3.6")
