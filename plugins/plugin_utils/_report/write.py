# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Writes record.json and the requested formats of the report of an experiment, each file atomically."""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.faultline.chaos.plugins.plugin_utils._record import FORMATS, Record
from ansible_collections.faultline.chaos.plugins.plugin_utils._report import html, journal, junit
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean, unseen_escaped

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

WRITERS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "html": ("report.html", html.render),
    "json": ("journal.json", journal.render),
    "junit": ("junit.xml", junit.render),
}


class ReportError(Exception):
    """Some files could not be written; ``paths`` are those that were."""

    def __init__(self, message: str, paths: dict[str, str]):
        super().__init__(message)
        self.paths = paths


def record_text(record: Record) -> Iterator[str]:
    """record.json in pieces, with a line for each sample."""
    # The C encoder of json cannot indent, and the other one takes minutes for long series: these are written apart.
    mark = f"series {secrets.token_hex(16)} "
    found: list[list[Any]] = []
    encode = json.JSONEncoder(ensure_ascii=False).encode

    def without(result: Any) -> Any:
        if not isinstance(result, dict) or not isinstance(result.get("series"), list) or not result["series"]:
            return result
        found.append(result["series"])
        return {**result, "series": f"{mark}{len(found) - 1}"}

    phases = []
    for phase in record.get("phases") or []:
        steady = phase.get("steady_state") if isinstance(phase, dict) else None
        if isinstance(steady, dict) and isinstance(steady.get("probes"), list):
            phase = {**phase, "steady_state": {**steady, "probes": [without(result) for result in steady["probes"]]}}
        phases.append(phase)
    frame = json.dumps({**record, "phases": phases} if phases else record, indent=1, ensure_ascii=False)
    for at, piece in enumerate(re.split(rf'"{mark}([0-9]+)"', frame)):
        if at % 2 == 0:
            yield unseen_escaped(piece)
        else:
            yield "[\n"
            for number, sample in enumerate(found[int(piece)]):
                yield (",\n" if number else "") + unseen_escaped(encode(sample))
            yield "]"
    yield "\n"


def write_atomically(path: Path, content: str | Iterable[str]) -> None:
    """Replaces the file with the whole content or leaves it unchanged. Only its owner can read it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines([content] if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_reports(record: dict[str, Any], directory: str | os.PathLike[str], formats: Iterable[str]) -> dict[str, str]:
    """Writes <directory>/<run_id>/ and returns the path of each format, and of "record".

    Errors: ReportError that names the formats that failed, after all others were written.
    """
    wanted = list(dict.fromkeys(formats))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise ValueError(f"report formats: {', '.join(map(str, unknown))} is refused: choose from {', '.join(FORMATS)}")
    cleaned = clean(record)
    run_id = str(cleaned.get("run_id") or "")
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"run_id: {run_id!r} is refused: it names a directory, so use letters, digits, dots, dashes and underscores only")
    place = Path(os.path.abspath(os.path.expanduser(directory))) / run_id
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    writers: dict[str, tuple[str, Callable[[Record], str | Iterable[str]]]] = {
        "record": ("record.json", record_text),
        **{name: WRITERS[name] for name in wanted},
    }
    paths: dict[str, str] = {}
    errors: list[str] = []
    for name, (file_name, render) in writers.items():
        try:
            write_atomically(place / file_name, render(cleaned))
            paths[name] = str(place / file_name)
        except Exception as error:
            errors.append(f"{file_name}: {type(error).__name__}: {error}")
    if errors:
        raise ReportError("Not every report could be written. " + "; ".join(errors), paths)
    return paths
