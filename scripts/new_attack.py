# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""new_attack.py NAME: makes the files of a new attack on hosts, from the templates beside this file.

They pass lint, and their tests fail with "write me" until they are written. docs/adding-an-attack.md says what belongs into each.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LICENCE = "".join(line + "\n" for line in Path(__file__).read_text().splitlines()[:3])  # of every file that is made
FILES = {
    "module.py.in": "plugins/modules/NAME.py",
    "unit.py.in": "tests/unit/plugins/modules/test_NAME.py",
    "netns.py.in": "tests/netns/test_NAME.py",
    "lab.py.in": "tests/lab/test_NAME.py",
}
ROW = "| `NAME` | write me: what it does | `victim` | write me: what comes back | write me: tools and packages | write me |\n"
FAULT = """    Attack(
        "NAME",
        {"victim": "write me"},
        active="write_me",
    ),
"""
# file -> a pattern of what stands behind the place for the new attack, the text that is put there, and what that is
PLACES = {
    "meta/runtime.yml": (r"^  k8s_attacks:", "    - NAME\n", "its line"),
    "docs/attacks.md": (r"^\| `custom` \|", ROW, "its row; move it to the right table"),
    "README.md": (r"`custom`: \[all attacks\]", "`NAME`, ", "its name; move it to the right row"),
    "tests/faults/support/attacks.py": (r"^\]\nBY_NAME", FAULT, "its entry"),
}


def refusal(name: str, root: Path) -> str | None:
    """Why there can be no new attack of that name, or None."""
    if not re.match(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", name) or len(name) > 40:
        return f"NAME: {name!r} is refused: give a word such as route_fault, of a-z, 0-9 and _"
    if name.startswith("k8s_"):
        return f"NAME: {name!r} is refused: attacks on clusters have another shape, see docs/adding-an-attack.md"
    for path in FILES.values():
        if (root / path.replace("NAME", name)).exists():
            return f"NAME: {name!r} is refused: {path.replace('NAME', name)} is there already"
    return None


def next_version(root: Path) -> str:
    """The version of galaxy.yml, or the next minor one when that is released."""
    version = str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])
    released = yaml.safe_load((root / "changelogs/changelog.yaml").read_text())["releases"]
    if version not in released:
        return version
    major, minor, _patch = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def inserted(path: Path, before: str, text: str) -> str:
    """The text of a file with another one in front of an anchor: a pattern. Errors: SystemExit when it is not there."""
    content = path.read_text()
    found = re.search(before, content, re.MULTILINE)
    if not found:
        raise SystemExit(f"{path}: nothing matches {before!r}, which the new attack is put in front of")
    return content[: found.start()] + text + content[found.start() :]


def texts(name: str, root: Path) -> dict[str, str]:
    """All files with the text that they get. Writes nothing."""
    found = {}
    for template, place in FILES.items():
        text = (HERE / "new_attack" / template).read_text()
        for word, meant in (("NAME", name), ("CLASS", "".join(part.capitalize() for part in name.split("_"))), ("VERSION", next_version(root))):
            text = text.replace(word, meant)
        found[place.replace("NAME", name)] = ("#!/usr/bin/python\n" if template == "module.py.in" else "") + LICENCE + "\n" + text
    for path, (before, text, _what) in PLACES.items():
        found[path] = inserted(root / path, before, text.replace("NAME", name))
    return found


def make(name: str, root: Path) -> list[str]:
    """Write all files. Returns their names. Errors: SystemExit; then all files are as they were, so that it can be run again."""
    new = texts(name, root)
    old = {path: (root / path).read_text() for path in PLACES}
    try:
        for path, text in new.items():
            (root / path).write_text(text)
        subprocess.run([sys.executable, str(root / "scripts/return_docs.py")], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        for path in new:
            if path in old:
                (root / path).write_text(old[path])
            else:
                (root / path).unlink(missing_ok=True)
        raise SystemExit(f"nothing is made: {error}") from error
    return [f"{path} ({PLACES[path][2]})" if path in PLACES else path for path in new]


def main() -> int:
    name, root = " ".join(sys.argv[1:]), HERE.parent
    problem = refusal(name, root)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    print("Write, as docs/adding-an-attack.md says:", *make(name, root), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
