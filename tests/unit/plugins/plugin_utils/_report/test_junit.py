# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import junit
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from tests.unit.support import report_records

STORIES = sorted(report_records.ALL)


def xml(story: str) -> ElementTree.Element:
    return ElementTree.fromstring(junit.render(clean(report_records.ALL[story]())))


def outcomes(root: ElementTree.Element, class_name: str) -> dict[str, str]:
    cases = [case for case in root.iter("testcase") if case.get("classname") == f"faultline.{class_name}"]
    return {case.get("name", ""): next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed") for case in cases}


@pytest.mark.parametrize("story", STORIES)
def test_the_counts_are_those_of_the_cases(story: str) -> None:
    root = xml(story)
    for parent in (root, *root.findall("testsuite")):
        assert int(parent.get("tests", "")) == len(list(parent.iter("testcase")))
        assert int(parent.get("failures", "")) == len(list(parent.iter("failure")))
        assert int(parent.get("errors", "")) == len(list(parent.iter("error")))


@pytest.mark.parametrize("story", STORIES)
def test_only_held_is_green(story: str) -> None:
    root = xml(story)
    green = root.get("failures") == "0" and root.get("errors") == "0"
    assert green == (report_records.ALL[story]()["verdict"] == "held")


def test_one_case_per_probe_and_phase() -> None:
    assert outcomes(xml("lost_writes"), "probe") == {
        "shop answers [Baseline]": "passed",
        "no acknowledged write is lost [Baseline]": "passed",
        "a primary is elected [Baseline]": "passed",
        "shop answers [1: primary dies]": "failure",
        "no acknowledged write is lost [1: primary dies]": "failure",
        "a primary is elected [1: primary dies]": "failure",
        "shop answers [Recovery]": "passed",
        "no acknowledged write is lost [Recovery]": "failure",
        "a primary is elected [Recovery]": "passed",
    }


def test_one_case_per_revert() -> None:
    root = xml("not_reverted")
    assert outcomes(root, "revert") == {
        "revert netem on n1 [1: slow links]": "passed",
        "revert netem on n2 [1: slow links]": "failure",
        "revert netem on n3 [1: slow links]": "failure",
    }
    messages = [failure.get("message", "") for failure in root.iter("failure")]
    assert any("left to its timer" in message and "2026-08-21T10:00:59" in message for message in messages)
    assert any("sh /var/lib/faultline/netem-n3-114f2a/revert.sh" in message for message in messages)


def test_a_target_that_was_not_attacked_is_skipped() -> None:
    assert list(outcomes(xml("many_hosts"), "revert").values()).count("skipped") == 1


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("held", "passed"),
        ("lost_writes", "failure"),
        ("aborted", "failure"),
        ("not_reverted", "failure"),
        ("refused", "error"),
        ("failed", "error"),
    ],
)
def test_the_hypothesis_is_a_case(story: str, expected: str) -> None:
    assert list(outcomes(xml(story), "hypothesis").values()) == [expected]


def test_a_no_go_is_a_failure() -> None:
    assert outcomes(xml("refused"), "check")["no attack is active on the targets"] == "failure"


def test_control_characters_are_escaped() -> None:
    shown = ElementTree.tostring(xml("hostile"), encoding="unicode")
    assert "\\x1b[31mred\\x00" in shown and "\u65e5\u672c\u8a9e" in shown
    assert not [character for character in shown if ord(character) < 32 and character not in "\t\n\r"]
