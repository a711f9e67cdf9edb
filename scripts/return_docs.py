# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the common keys of RETURN in the modules of attacks equal to scripts/return_docs.yml.

Doc fragments cannot hold RETURN, so each module needs the text itself. Without arguments the modules are rewritten.
With --check nothing is written: the differences are printed, and the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".yml")
MODULES = Path(__file__).parent.parent / "plugins/modules"
BLOCK = re.compile(r'^RETURN = r"""\n(.*?)^"""$', re.MULTILINE | re.DOTALL)
LIFECYCLE = re.compile(r"^from \S+ import .*\brun_(kube_)?attack$", re.MULTILINE)
OWN = "  sample: OWN\n"


def keys_of(text: str) -> dict[str, str]:
    """The top-level keys of a YAML mapping, each with its lines as they stand. Errors: ValueError for text before the first key."""
    before, *parts = re.split(r"^(\w+):\n", text, flags=re.MULTILINE)
    if before.strip():
        raise ValueError(f"text before the first key: {before!r}")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def read_source(path: Path = SOURCE) -> dict[str, dict[str, str]]:
    """Section, key, lines. Comments and empty lines are left out."""
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.strip() and not line.startswith(("#", "---"))]
    sections = keys_of("".join(lines))
    return {section: keys_of("".join(line.removeprefix("  ") for line in body.splitlines(keepends=True))) for section, body in sections.items()}


def own_sample(key: str, body: str) -> str:
    """The lines of the sample that a module gives for a key. Errors: ValueError when it has none."""
    found = re.search(r"^  sample:.*\n(?:   +.*\n)*", body, re.MULTILINE)
    if not found:
        raise ValueError(f"RETURN needs a sample of {key}")
    return found.group()


def updated(name: str, text: str, source: dict[str, dict[str, str]]) -> str:
    """The text of a module, with the common keys as they should be. A module that is no attack comes back as it is. Errors: ValueError."""
    lifecycle = LIFECYCLE.search(text)
    if not lifecycle:
        return text
    block = BLOCK.search(text)
    if not block:
        raise ValueError('no RETURN = r"""')
    kube = bool(lifecycle.group(1))
    present = keys_of(block.group(1))
    wanted = dict(source["cluster" if kube else "host"])
    if kube:
        wanted.update({key: body for key, body in source["cluster_optional"].items() if key in present})
    identity = name.removeprefix("k8s_").replace("_", "-") if kube else name
    for key, body in wanted.items():
        if OWN in body:
            body = body.replace(OWN, own_sample(key, present.get(key, "")))
        wanted[key] = body.replace("NAME-", f"{identity}-")
    wanted.update({key: body for key, body in present.items() if key not in wanted})
    lines = "".join(f"{key}:\n{body}" for key, body in wanted.items())
    return text[: block.start(1)] + lines + text[block.end(1) :]


def main(argv: list[str] | None = None, modules: Path = MODULES) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, print the differences")
    check = parser.parse_args(argv).check
    source = read_source()
    failed = False
    for path in sorted(modules.glob("*.py")):
        before = path.read_text()
        try:
            after = updated(path.stem, before, source)
        except ValueError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            failed = True
            continue
        if after == before:
            continue
        if check:
            failed = True
            sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), str(path), f"{path} by {SOURCE.name}"))
        else:
            path.write_text(after)
            print(path.name)
    if failed and check:
        print("RETURN differs from scripts/return_docs.yml: run scripts/return_docs.py", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
