# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Call the API for many objects in parallel."""

from multiprocessing.pool import ThreadPool

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import POOL


def in_pool(function, items):
    """Call a function for many items. Returns [(item, its result or the AttackError it raised)], in the order of the items."""

    def guarded(item):
        try:
            return item, function(item)
        except AttackError as error:
            return item, error

    items = list(items)
    if not items:
        return []
    pool = ThreadPool(min(POOL, len(items)))
    try:
        return pool.map(guarded, items)
    finally:
        pool.close()
        pool.join()
