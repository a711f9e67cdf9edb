# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import clean, write
from tests.unit.support import report_records


class TaggedStr(str):
    """What ansible-core 2.19 and later makes of strings."""


class TaggedDict(dict):
    pass


@pytest.mark.parametrize("story", sorted(report_records.ALL))
def test_every_story_is_written_in_every_format(story: str, tmp_path: Path) -> None:
    paths = write.write_reports(report_records.ALL[story](), tmp_path, ["html", "json", "junit"])
    assert {name: Path(path).name for name, path in paths.items()} == {
        "record": "record.json",
        "html": "report.html",
        "json": "journal.json",
        "junit": "junit.xml",
    }
    for path in paths.values():
        content = Path(path).read_text(encoding="utf-8")
        assert content.endswith("\n")
        assert "hunter2" not in content, "a password is in the report"
        assert not set(content) & set("\x00\x1b\x9b\u202e\u2066\u200b"), "what a terminal or a page would obey"


def test_only_what_was_asked_for_and_the_record(tmp_path: Path) -> None:
    paths = write.write_reports(report_records.held(), tmp_path, ["junit"])
    assert sorted(paths) == ["junit", "record"]
    assert sorted(path.name for path in Path(paths["record"]).parent.iterdir()) == ["junit.xml", "record.json"]


def test_the_record_can_be_read_back(tmp_path: Path) -> None:
    record = report_records.lost_writes()
    paths = write.write_reports(record, tmp_path, [])
    assert json.loads(Path(paths["record"]).read_text(encoding="utf-8")) == record


def test_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    paths = write.write_reports(report_records.held(), tmp_path / "new" / "reports", ["html"])
    for path in map(Path, paths.values()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_later_report_of_the_same_run_replaces_the_earlier_one(tmp_path: Path) -> None:
    record = report_records.held()
    write.write_reports(record, tmp_path, ["html"])
    record["title"] = "Another title"
    paths = write.write_reports(record, tmp_path, ["html"])
    assert "Another title" in Path(paths["html"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "/etc", ".hidden", "a\nb", "x" * 200])
def test_a_run_id_that_leaves_the_directory_is_refused(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run_id"):
        write.write_reports({**report_records.empty(), "run_id": run_id}, tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pdf.*choose from html, json, junit"):
        write.write_reports(report_records.held(), tmp_path, ["html", "pdf"])
    assert not list(tmp_path.iterdir())


def test_one_broken_format_does_not_cost_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_record: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setitem(write.WRITERS, "html", ("report.html", broken))
    with pytest.raises(write.ReportError, match="report.html: RuntimeError: no ink") as caught:
        write.write_reports(report_records.held(), tmp_path, ["html", "junit"])
    assert sorted(caught.value.paths) == ["junit", "record"]
    assert all(Path(path).exists() for path in caught.value.paths.values())


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write.write_atomically(path, "after")
    assert path.read_text() == "before"
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


def test_clean_leaves_only_plain_data() -> None:
    cleaned = clean.clean(
        TaggedDict(
            {
                TaggedStr("name"): TaggedStr("n1"),
                1: [float("nan"), float("inf"), 1.5, True, None],
                "when": datetime(2026, 8, 21, tzinfo=timezone.utc),
                "bytes": b"\xff ok",
                "broken": "\udcff",
                "set": {"b", "a"},
                "tuple": (1, 2),
                "path": Path("/x"),
            }
        )
    )
    assert cleaned == {
        "name": "n1",
        "1": [None, None, 1.5, True, None],
        "when": "2026-08-21T00:00:00+00:00",
        "bytes": "\\xff ok",
        "broken": "\\udcff",
        "set": ["a", "b"],
        "tuple": [1, 2],
        "path": "/x",
    }
    assert not isinstance(cleaned, TaggedDict) and not isinstance(cleaned["name"], TaggedStr)
    assert {type(key) for key in cleaned} == {str}


@pytest.mark.parametrize(
    "given",
    [
        {"password": "hunter2"},
        {"http_password": "hunter2"},
        {"headers": {"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "X-Auth-Token": "hunter2"}},
        {"url": "https://mara:hunter2@shop.example/health"},
        {"argv": ["redis-cli", "--password", "hunter2", "--token=hunter2"]},
        {"argv": ["curl", "-H", "Authorization: Basic hunter2"]},
        [{"deep": [{"client_secret": {"value": "hunter2"}}]}],
    ],
)
def test_secrets_are_masked(given: object) -> None:
    shown = json.dumps(clean.clean(given))
    assert "hunter2" not in shown
    assert clean.MASK in shown


def test_what_only_looks_like_a_secret_is_kept() -> None:
    given = {
        "name": "token service answers",
        "passed": 3,
        "tokens_per_second": 5,
        "password": None,
        "keyspace": "a",
        "url": "http://a.example:80/x@y",
    }
    assert clean.clean(given) == given
