# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Ids of attacks and of runs, on hosts and in clusters. Pure."""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption


class IdRule:
    """The rule for names that become a part of a directory, a unit, an object or a label."""

    def __init__(self, pattern: str, fix: str):
        self._pattern = pattern
        self._fix = fix

    def allows(self, name) -> bool:
        return isinstance(name, str) and re.match(self._pattern, name) is not None

    def check(self, option: str, name) -> None:
        """None passes. Errors: BadOption."""
        if name is not None and not self.allows(name):
            raise BadOption(option, name, self._fix)


# On a host: a directory and a systemd unit. faultline-sweep and faultline-recover are the units of recovery.
HOST_ID = HOST_RUN = IdRule(
    r"(?!(?:sweep|recover)\Z)[a-z0-9][a-z0-9_-]{0,63}\Z", "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit, and not sweep or recover"
)
# In a cluster: a part of an object's name, and the value of a label.
CLUSTER_ID = IdRule(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?\Z", "use 1 to 50 of a-z, 0-9 and -, beginning and ending with a letter or digit")
CLUSTER_RUN = IdRule(r"[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?\Z", "use 1 to 63 of a-z, 0-9, - and _, beginning and ending with a letter or digit")


def default_id(name: str, checksum: str) -> str:
    """The id of an attack whose task sets none; the same task always has the same id."""
    return f"{name}-{checksum[:10]}"
