# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The option lease of the modules that renew leases. Pure."""

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._times import SHORTEST

_LONGEST_RENEWAL = 3600.0  # seconds


def read_renewal(params: dict) -> float:
    """For how many seconds from now a lease is renewed. Errors: BadOption."""
    return _units.duration("lease", params["lease"], SHORTEST, _LONGEST_RENEWAL)
