# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requested and measured magnitudes of attacks, as a table at the end of the session and in tests/output/measured.md.

Tests report them with the fixture `tell`. Lines are written to a file at once, so that none is lost when a worker of pytest-xdist dies;
the process that started the workers reads them at the end.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support.paths import CHECKOUT

OUTPUT = CHECKOUT / "tests" / "output"
LINES = "FAULTLINE_LAB_MEASURED"  # environment variable with the file of this session, inherited by its workers
HEAD = ("attack", "what", "asked", "measured", "unit", "error")


def begin() -> None:
    """Choose a file for this session; concurrent sessions in this checkout use other files."""
    OUTPUT.mkdir(exist_ok=True)
    os.environ[LINES] = str(OUTPUT / f"measured-{os.getpid()}.jsonl")


def tell(attack: str, what: str, asked: float, measured: float, unit: str) -> None:
    """Add one line to the table. measured: the value that the test itself measured, not the one that the module reports."""
    line = {"attack": attack, "what": what, "asked": float(asked), "measured": float(measured), "unit": unit}
    print(" | ".join(row(line)))
    if LINES in os.environ:
        with open(os.environ[LINES], "a", encoding="utf-8") as stream:  # one short write, so that lines of several workers do not mix
            stream.write(json.dumps(line) + "\n")


def error(line: dict) -> str:
    """The deviation in percent of the requested value; for the unit % and a requested 0, the difference."""
    off = line["measured"] - line["asked"]
    if line["unit"] == "%":
        return f"{off:+.2f} points"
    return f"{100 * off / abs(line['asked']):+.2f} %" if line["asked"] else f"{off:+.6g} {line['unit']}"


def row(line: dict) -> tuple[str, ...]:
    return (line["attack"], line["what"], f"{line['asked']:.6g}", f"{line['measured']:.6g}", line["unit"], error(line))


def end() -> list[tuple[str, ...]]:
    """The rows of this session, sorted, after the head; empty when no test reported any. Writes measured.md."""
    path = Path(os.environ.pop(LINES, ""))
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.unlink()
    rows = [HEAD, *sorted(row(line) for line in lines)]
    texts = ["| " + " | ".join(word.replace("|", "\\|") for word in each) + " |" for each in rows]
    texts.insert(1, "|---|---|---:|---:|---|---:|")
    (OUTPUT / "measured.md").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return rows


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """The rows as text for a terminal: numbers right-aligned, words left-aligned."""
    widths = [max(len(each[column]) for each in rows) for column in range(len(HEAD))]
    right = {HEAD.index(name) for name in ("asked", "measured", "error")}
    return [
        "  ".join(word.rjust(width) if column in right else word.ljust(width) for column, (word, width) in enumerate(zip(each, widths, strict=True)))
        for each in rows
    ]
