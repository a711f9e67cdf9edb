# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Turns a run record into plain data that every report writer accepts, with secrets masked.

The data comes from Ansible: strings may be tagged subclasses, numbers may be NaN, text may contain bytes that are not UTF-8.
``clean`` returns only dict, list, str, int, float, bool and None.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MASK = "********"
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")

_SECRET_KEY = re.compile(
    r"(^|[_.-])(pass|passwd|password|passphrase|token|secret|credentials?|authorization|cookie|api[_-]?key|access[_-]?key|private[_-]?key|key[_-]data)$",
    re.IGNORECASE,
)
_SECRET_ARGUMENT = re.compile(r"^(--?[a-z0-9-]*(?:password|passwd|token|secret|api-?key)=).+", re.IGNORECASE | re.DOTALL)
_SECRET_FLAG = re.compile(r"^--?[a-z0-9-]*(?:password|passwd|token|secret|api-?key)$", re.IGNORECASE)
_SECRET_HEADER = re.compile(r"^((?:proxy-)?authorization|x-[a-z-]*(?:token|key)|cookie): .+", re.IGNORECASE | re.DOTALL)
_URL_USER = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@", re.IGNORECASE)


def text(value: Any) -> str:
    """A plain str that can be encoded as UTF-8; other characters become backslash escapes."""
    if type(value) is str and value.isascii():  # pylint: disable=unidiomatic-typecheck
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str.__str__(value).encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else text(str(value))


def as_json(value: Any, indent: int) -> str:
    """JSON that can be shown on a terminal: what visible() would escape is escaped as JSON does it, so that the data stay exact."""
    return unseen_escaped(json.dumps(value, indent=indent, ensure_ascii=False)) + "\n"


def unseen_escaped(text: str) -> str:
    """A piece of JSON, likewise."""
    return _UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text)


def _masked_text(value: str) -> str:
    value = _URL_USER.sub(lambda found: f"{found.group(1)}{MASK}@", value)
    found = _SECRET_ARGUMENT.match(value)
    if found:
        return found.group(1) + MASK
    found = _SECRET_HEADER.match(value)
    return f"{found.group(1)}: {MASK}" if found else value


def _clean_list(values: Any) -> list[Any]:
    cleaned: list[Any] = []
    hide_next = False
    for value in values:
        item = clean(value)
        if hide_next and isinstance(item, (str, int, float)):
            item = MASK
        hide_next = isinstance(item, str) and bool(_SECRET_FLAG.match(item))
        cleaned.append(item)
    return cleaned


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_KEY.search(name))


def _clean_mapping(values: Mapping[Any, Any]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for key, value in values.items():
        name = sys.intern(text(key))  # a long record has the names of a sample very often
        secret = _is_secret(name) and value not in (None, "", False, True)
        cleaned[name] = MASK if secret else clean(value)
    return cleaned


def clean(value: Any) -> Any:
    """Plain data with secrets masked. Never fails, for any value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _masked_text(text(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _clean_mapping(value)
    if isinstance(value, (list, tuple)):
        return _clean_list(value)
    if isinstance(value, (set, frozenset)):
        return _clean_list(sorted(value, key=str))
    if hasattr(value, "isoformat"):
        return text(value.isoformat())
    return _masked_text(text(value))
