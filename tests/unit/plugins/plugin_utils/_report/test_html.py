# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import re
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ansible_collections.faultline.chaos.plugins.plugin_utils._report import facts, html, plots, svg
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from tests.unit.support import report_records
from tests.unit.support.report_records import HTTP, Story

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "br", "hr", "img", "input"}
STORIES = sorted(report_records.ALL)


@cache
def page(story: str) -> str:
    return html.render(clean(report_records.ALL[story]()))


class Outline(HTMLParser):
    """Checks that elements nest, and collects what the tests look at."""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        self.ids += [known["id"] or ""] if "id" in known else []
        for key in ("aria-labelledby", "href"):
            self.refs += (known.get(key) or "").replace("#", "").split() if (known.get(key) or "#").startswith("#") or key != "href" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.mark.parametrize("story", STORIES)
def test_the_page_is_well_formed(story: str) -> None:
    outline = Outline(page(story))
    assert not outline.open
    assert len(outline.ids) == len(set(outline.ids)), "an id is used twice"
    assert set(outline.refs) <= set(outline.ids)
    assert sum(tag == "h1" for tag, _attrs in outline.tags) == 1


@pytest.mark.parametrize("story", STORIES)
def test_the_page_loads_nothing(story: str) -> None:
    for tag, attrs in Outline(page(story)).tags:
        assert tag not in ("iframe", "object", "embed", "img", "image", "base", "form")
        assert "src" not in attrs and "srcset" not in attrs
        assert (attrs.get("href") or "#").startswith(("#", "data:,")) or attrs["href"] == "record.json"  # a link
        assert not [name for name in attrs if name.startswith("on")]
    style = page(story).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in page(story)


def test_only_our_own_script_may_run() -> None:
    content = page("hostile")
    digest = re.search(r"script-src 'sha256-([^']+)'", content)
    script = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)
    assert digest and len(script) == 1
    assert html.base64.b64encode(html.hashlib.sha256(script[0].encode()).digest()).decode() == digest.group(1)


@pytest.mark.parametrize("story", STORIES)
def test_the_drawings_are_valid_svg(story: str) -> None:
    drawings = re.findall(r'<svg xmlns="http://www.w3.org/2000/svg".*?</svg>', page(story), re.DOTALL)
    assert drawings or story in ("refused", "empty")
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        assert root.find(f"{SVG}title") is not None and root.find(f"{SVG}desc") is not None
        for item in root.iter():
            assert item.tag.startswith(SVG)
            for key in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
                if key in item.attrib:
                    number = float(item.attrib[key])
                    assert math.isfinite(number) and -1 <= number <= max(width, height) + 1, ElementTree.tostring(item)
            assert not re.search(r"nan|inf", item.get("d", ""))


@pytest.mark.parametrize("story", STORIES)
def test_the_data_for_the_readout_is_json(story: str) -> None:
    (written,) = re.findall(r'<script type="application/json" id="points">(.*?)</script>', page(story), re.DOTALL)
    assert len(json.loads(written)["probes"]) == len(facts.tracks(clean(report_records.ALL[story]())))


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        ("held", "held"),
        ("lost_writes", "deviated"),
        ("aborted", "aborted"),
        ("not_reverted", "not_reverted"),
        ("refused", "refused"),
        ("failed", "failed"),
    ],
)
def test_the_verdict_is_a_word_a_colour_and_a_shape(story: str, verdict: str) -> None:
    word, headline = html.VERDICT_WORDS[verdict]
    outline = Outline(page(story))
    assert word in outline.words and headline in outline.words and report_records.ALL[story]()["verdict_reason"] in outline.words
    assert ("body", {"class": f"v-{verdict}"}) in outline.tags
    assert any(tag == "use" and attrs.get("href") == f"#i-{verdict}" for tag, attrs in outline.tags)


def test_an_unknown_verdict_is_shown_as_it_is() -> None:
    words = Outline(html.render({**report_records.empty(), "verdict": "odd"})).words
    assert "odd" in words


def test_key_numbers_of_a_deviation() -> None:
    words = Outline(page("lost_writes")).words
    for expected in ("1 of 3 hosts", "33 % of redis", "not recovered", "0 % 'no acknowledged write is lost', Recovery", "1 of 1"):
        assert expected in words


def test_the_ramp_says_where_it_broke() -> None:
    words = Outline(page("ramp")).words
    assert "held at delay 50ms, delay 100ms; did not hold at delay 500ms." in words
    assert "round 3 of 3" in words


def test_targets_left_behind_come_with_their_deadline_and_what_to_do() -> None:
    words = Outline(page("not_reverted")).words
    assert "1 target stuck" in words and "1 target left to its timer" in words
    assert "sh /var/lib/faultline/netem-n3-114f2a/revert.sh" in words
    assert "2026-08-21 10:00:59" in words
    assert "faultline.chaos.halt -e halt_hosts=n3,n2" in words and "faultline.chaos.audit -e audit_hosts=n3,n2" in words
    assert words.index("left to its timer") < words.index("What happened when"), "it comes before everything else"
    assert "What to do" not in Outline(page("held")).words


def test_a_lost_lease_and_the_settling_are_told() -> None:
    record = clean(report_records.held())
    record["phases"][1]["steady_state"]["lease_lost"] = ["n1"]
    record["phases"][2]["steady_state"]["settled_s"] = 4.5
    words = Outline(html.render(record)).words
    assert "lease lost: n1" in words and "settled after 4.5 s" in words


def test_a_run_that_is_still_going_on_can_be_written() -> None:
    record = clean(report_records.held())
    record["ended"] = None
    record["phases"][1].update(ended=None, reverted=None, steady_state=None)
    words = Outline(html.render(record)).words
    assert "not sampled" in words and "The hypothesis held" in words


def test_a_refusal_shows_its_reason_first() -> None:
    words = Outline(page("refused")).words
    assert "no-go n1 has netem-eth0-77aa" in words
    assert words.index("Go or no-go") < words.index("Steady state: not sampled")
    assert "0 hosts nothing was attacked" in words


def test_two_hundred_hosts_show_the_troubled_ones_first() -> None:
    content = page("many_hosts")
    names = re.findall(r'<tr class="o-(\w+)">\s*<th scope="row">([^<]+)<', content)
    assert len(names) == 200
    assert [outcome for outcome, _name in names[:5]] == ["stuck", "left_to_timer", "left_to_timer", "not_injected", "reverted"]
    assert len(content) < 1_000_000


def test_diff_and_undo_of_a_target() -> None:
    content = page("not_reverted")
    assert '<span class="add">+qdisc netem 8001: root delay 50ms</span>' in content
    assert "tc qdisc replace dev &#39;eth0&#39; root fq_codel" in content


def test_probes_that_broke_come_first() -> None:
    shown = re.findall(r'<h3 id="probe-\d+-n">([^<]+)</h3>', page("many_probes"))
    assert len(shown) == 20
    assert shown[:5] == ["service 02 answers", "service 07 answers", "service 12 answers", "service 17 answers", "service 00 answers"]


def test_markup_in_names_stays_text() -> None:
    content = page("hostile")
    assert "<script>alert" not in content and "<img src" not in content and "</svg></style>" not in content
    words = Outline(content).words
    assert "<script>alert(1)</script>" in words and "\u65e5\u672c\u8a9e" in words and "\\x1b[31mred\\x00" in words
    assert "{{ 7 * 7 }}" in words


def test_the_plan_is_there_as_yaml() -> None:
    assert '<span class="key">max_duration</span>: 10m' in page("held")


def test_gaps_break_the_line() -> None:
    story = Story().quiet("before", 60, {HTTP["name"]: lambda t: (True, 20.0, 200)})
    series = story.record["phases"][0]["steady_state"]["probes"][0]["series"]
    del series[20:40]
    (track,) = facts.tracks(story.record)
    drawing = plots.probe_plot(track, plots.frame_of(story.record), "p")
    (path,) = re.findall(r'<path d="([^"]*)" class="series"', drawing)
    assert path.count("M") == 2
    assert drawing.count('class="good"') == 2


def test_failures_are_marked_and_attacks_are_shaded() -> None:
    record = clean(report_records.lost_writes())
    track = facts.tracks(record)[0]
    drawing = plots.probe_plot(track, plots.frame_of(record), "p")
    assert drawing.count('class="failure"') == 6
    assert drawing.count('class="attack"') == 1 and "p95 at most 300 ms" in drawing
    assert ">503<" in drawing, "the value is drawn too"


def test_long_series_stay_small() -> None:
    story = Story().quiet("before", 7200)
    content = html.render(clean(story.done("held", "")))
    assert len(content) < 400_000


def test_a_value_that_counts_is_drawn_as_a_line() -> None:
    record = clean(report_records.lost_writes())
    track = next(track for track in facts.tracks(record) if track.type == "command")
    assert 'class="value-line"' in plots.probe_plot(track, plots.frame_of(record), "p")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.34, "340 ms"),
        (9.96, "10 s"),
        (59.99, "60 s"),
        (95, "1 min 35 s"),
        (3600, "1 h"),
        (90000, "1 d 1 h"),
        (-5, "-5 s"),
    ],
)
def test_durations_for_people(seconds: float | None, expected: str) -> None:
    assert svg.duration(seconds) == expected


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [1.0, 1e6], [0.0, 0.0, 30000.0]])
def test_scales_hold_every_value(values: list[float]) -> None:
    scale = svg.latency_scale(values, [300.0], 10, 100)
    assert all(10 <= scale.y(value) <= 100 for value in [*values, 300.0])
    assert len(scale.ticks()) <= 8


def test_words_are_shortened_only_when_they_do_not_fit() -> None:
    assert svg.shorten("short", 100) == "short"
    assert svg.shorten("a much longer name", 60) == "a much l\u2026"
    assert svg.shorten("a much longer name", 10) == ""
