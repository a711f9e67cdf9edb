# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option reader: both ways of refusing names, and what each method accepts."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._options import REQUIRED, MissingOption, Options, plain


def by_path(**data: t.Any) -> Options:
    return Options(data, "plan.safety", ("abort", "grace", "groups", "seed"))


def refusal(call: t.Callable[[], object]) -> str:
    with pytest.raises(BadOption) as error:
        call()
    return str(error.value)


def test_known_names_are_checked_at_once_and_named_by_their_path() -> None:
    words = "plan.safety.abrt: True is refused: there is no such option; did you mean abort? the options are abort, grace, groups, seed"
    assert refusal(lambda: by_path(abrt=True)) == words
    assert refusal(lambda: by_path(grace=None)) == "plan.safety.grace: None is refused: give it a value, or leave the option out"
    assert refusal(lambda: by_path(grace="soon").duration("grace")).startswith("plan.safety.grace: 'soon' is refused: ")
    assert refusal(lambda: Options([], "plan.safety", ("b", "a"))) == "plan.safety: [] is refused: write a dictionary with the options a, b"


def test_names_that_no_method_has_taken_are_refused_at_the_end_and_their_values_are_not_shown() -> None:
    options = Options({"url": "http://shop", "pasword": "s3cret"}, "probe 'x'")
    options.text("url"), options.text("password")
    assert refusal(options.done) == "probe 'x': 'pasword' is refused: there is no such option; did you mean password? the options are password, url"


def test_without_known_names_an_empty_value_is_not_given() -> None:
    options = Options({"timeout": None, "host": None}, "probe 'x'")
    assert not options.has("timeout")
    assert options.duration("timeout", 2.0) == 2.0
    with pytest.raises(MissingOption, match=r"^probe 'x': host is required: name one$"):
        options.text("host", REQUIRED, "name one")
    options.done()


def test_options_of_a_task_have_no_prefix() -> None:
    assert refusal(lambda: Options({"abort": "perhaps"}, "").flag("abort", True)) == "abort: 'perhaps' is refused: write true or false"
    assert refusal(Options({"x": 1}, "").done).startswith("options: 'x' is refused: ")


def test_sections_keep_the_way_of_their_parent_in_their_names() -> None:
    assert refusal(lambda: Options({"expect": {"rc": 300}}, "probe 'x'").section("expect").whole("rc", 0, 255)).startswith("probe 'x': expect: rc: 300")
    inner = Options({"safety": {"grace": -1}}, "plan", ("safety",)).section("safety", ("grace",))
    assert refusal(lambda: inner.duration("grace")).startswith("plan.safety.grace: -1 is refused")
    assert Options({}, "plan", ("safety",)).section("safety", ("grace",)).duration("grace", 15.0) == 15.0


@pytest.mark.parametrize(("given", "read"), [*((word, True) for word in ("yes", "On", "TRUE", True)), *((word, False) for word in ("no", "off", False))])
def test_flags(given: t.Any, read: bool) -> None:
    assert Options({"flag": given}, "x").flag("flag", not read) is read


@pytest.mark.parametrize("given", [1, 0, "1", "", [], None])
def test_flags_that_are_none(given: t.Any) -> None:
    if given is None:
        assert Options({"flag": given}, "x").flag("flag", True) is True
    else:
        assert "write true or false" in refusal(lambda: Options({"flag": given}, "x").flag("flag", True))


def test_a_text_is_left_as_it_was_written_and_a_line_is_trimmed() -> None:
    options = Options({"regex": " ok $", "title": " It holds ", "odd": "a\u2028b"}, "x")
    assert options.text("regex") == " ok $"
    assert options.line("title") == "It holds"
    assert options.text("odd") == "a\u2028b"
    assert "printable" in refusal(lambda: options.line("odd"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "one line of 1 to 10 characters"),
        (" ", "one line of 1 to 10 characters"),
        ("x" * 11, "one line of 1 to 10 characters"),
        ("a\nb", "one line of 1 to 10 characters"),
        (5, "say it; put it in quotes"),
        (True, "say it; put it in quotes"),
    ],
)
def test_bad_texts(given: t.Any, words: str) -> None:
    for read in (Options.text, Options.line):
        assert words in refusal(lambda read=read: read(Options({"name": given}, "x"), "name", REQUIRED, "say it", 10))


def test_quotes_do_not_help_a_list() -> None:
    assert refusal(lambda: Options({"hosts": ["web"]}, "x").line("hosts", None, "name hosts")) == "x: hosts: ['web'] is refused: name hosts"


def test_lists_of_texts_name_the_place_of_the_bad_one() -> None:
    options = by_path(groups=["web", 5], seed="db")
    assert refusal(lambda: options.texts("groups")).startswith("plan.safety.groups[1]: 5 is refused: ")
    assert options.texts("seed") == ["db"]
    assert by_path(groups=[]).texts("groups", may_be_empty=True) == []
    assert refusal(lambda: by_path(groups=[]).texts("groups")).startswith("plan.safety.groups: [] is refused: ")
    assert refusal(lambda: by_path(groups=["a", "c"]).choices("groups", ("a", "b"), ())) == "plan.safety.groups[1]: 'c' is refused: list one or more of a, b"
    assert refusal(lambda: by_path(groups="c").choices("groups", ("a", "b"), ())) == "plan.safety.groups: 'c' is refused: list one or more of a, b"


def test_a_share_is_above_nothing() -> None:
    assert by_path(grace="30%").share("grace") == 30
    assert by_path().share("grace") is None
    assert "a percentage above 0" in refusal(lambda: by_path(grace=0).share("grace"))
    assert by_path(grace=0).percent("grace") == 0


class Tagged(str):
    """As ansible-core tags the strings of a task."""

    def __str__(self) -> str:
        return "not the text"


def test_plain_data_has_only_the_types_of_json() -> None:
    found = plain("plan", {Tagged("a"): [Tagged("x"), (1, 2.5), None, True], "day": datetime.date(2026, 12, 24)})
    assert found == {"a": ["x", [1, 2.5], None, True], "day": "2026-12-24"}
    assert {type(word) for word in (*found, found["a"][0])} == {str}
    assert "put quotes around" in refusal(lambda: plain("plan", {"a": {True: 1}}))
    assert refusal(lambda: plain("plan", {"a": [{1, 2}]})).startswith("plan.a[0]: {1, 2} is refused: ")
    deep: t.Any = "x"
    for _level in range(30):
        deep = [deep]
    with pytest.raises(AttackError, match="nested deeper than 20 levels"):
        plain("plan", deep)
