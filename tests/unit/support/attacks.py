# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An attack object as the lifecycle creates it, without a host, to test what depends only on its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle.journal import Journal


def make(cls, state_dir: Path | None = None, **params):
    defaults = {name: spec.get("default") for name, spec in cls.options.items()}
    found = cls({**defaults, **params}, None)
    found.journal = Journal(str(state_dir or "/var/lib/faultline"))
    found.id, found.duration = "a", 60.0
    return found


def refused(cls, match: str, **params) -> None:
    with pytest.raises(BadOption, match=match):
        make(cls, **params).validate()
