# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes ``ansible_collections.faultline.chaos`` importable for a plain ``pytest tests/...``, the way ansible-core imports it."""

from __future__ import annotations

import os
import sys

import pytest
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

from tests.support import sample
from tests.support.paths import COLLECTIONS

# ansible-test has already done it, from a real ansible_collections tree.
if not AnsibleCollectionConfig.collection_finder:
    sys.path.insert(0, str(COLLECTIONS))
    init_plugin_loader([str(COLLECTIONS)])


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(sample.SAMPLE) or os.environ.get(sample.SEED):
        config.pluginmanager.register(sample)
