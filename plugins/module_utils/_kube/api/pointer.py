# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Values inside objects, by JSON pointer. Pure.

A segment name=web selects the list item whose field name is web, so a container is found even after the list was reordered.
"""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError


class _Absent:
    """The type of ABSENT, for a missing value; None is a value."""

    def __repr__(self):
        return "absent"


ABSENT = _Absent()


def escape(word):
    """Escape a key as a pointer segment; keys of labels and annotations may contain slashes."""
    return word.replace("~", "~0").replace("/", "~1")


def read(document, pointer):
    """The value at a pointer, or ABSENT."""
    value = document
    for segment in _segments(pointer):
        if isinstance(value, dict):
            value = value.get(segment, ABSENT)
        elif isinstance(value, list):
            at = _index(value, segment)
            value = ABSENT if at is None else value[at]
        else:
            return ABSENT
        if value is ABSENT:
            return ABSENT
    return value


def plain(document, pointer):
    """The same pointer with indexes for list items, as a JSON patch needs it. Errors: AttackError."""
    value, words = document, []
    for segment in _segments(pointer):
        if isinstance(value, list):
            at = _index(value, segment)
            if at is None:
                raise AttackError(f"there is nothing at {pointer}")
            value = value[at]
            words.append(str(at))
        else:
            value = value.get(segment, ABSENT) if isinstance(value, dict) else ABSENT
            words.append(escape(segment))
    return "".join("/" + word for word in words)


def operations(document, pointer, value):
    """JSON patch operations that set a value, or remove it when it is ABSENT. Missing parent maps are created."""
    at = plain(document, pointer)
    if value is ABSENT:
        return [{"op": "remove", "path": at}] if read(document, pointer) is not ABSENT else []
    made, segments = [], at.split("/")[1:]
    for depth in range(1, len(segments)):
        parent = "".join("/" + word for word in segments[:depth])
        if read(document, parent) in (ABSENT, None):
            made.append({"op": "add", "path": parent, "value": {}})
    return made + [{"op": "replace" if read(document, pointer) is not ABSENT else "add", "path": at, "value": value}]


def joined(wanted):
    """Join operations that were computed independently for the same object: a parent map that several need is created once."""
    seen, kept = set(), []
    for each in wanted:
        if each["op"] == "add" and each["value"] == {}:
            if each["path"] in seen:
                continue
            seen.add(each["path"])
        kept.append(each)
    return kept


def _segments(pointer):
    if pointer and not pointer.startswith("/"):
        raise AttackError(f"{pointer!r} is no JSON pointer: it begins with a slash")
    return [word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/")[1:]]


def _index(items, segment):
    if re.match(r"[0-9]{1,18}\Z", segment):
        return int(segment) if int(segment) < len(items) else None
    key, _equals, wanted = segment.partition("=")
    for number, item in enumerate(items):
        if isinstance(item, dict) and str(item.get(key)) == wanted:
            return number
    return None
