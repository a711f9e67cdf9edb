# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Drawing by a seed. Pure: the same seed and names give the same order on every machine; used for hosts and for objects in a cluster."""

import hashlib
import math


def rank(seed, names):
    """The names in the order in which the seed draws them."""
    return sorted(set(names), key=lambda name: (hashlib.sha256(("%s\0%s" % (seed, name)).encode("utf-8")).digest(), name))


def share(percent, total):
    """A percentage of a number, rounded down."""
    return int(math.floor(percent * total / 100.0 + 1e-9))
