# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Amounts of resources as Kubernetes writes them: 500m, 2, 1.5Gi, 1e3. Pure."""

import re
from decimal import ROUND_CEILING, Decimal

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([eE][-+]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i))?\Z")
_FACTOR = {None: Decimal(1), "n": Decimal(10) ** -9, "u": Decimal(10) ** -6, "m": Decimal(10) ** -3}
_FACTOR.update((letter, Decimal(1000) ** power) for power, letter in enumerate("kMGTPE", 1))
_FACTOR.update((letter + "i", Decimal(1024) ** power) for power, letter in enumerate("KMGTPE", 1))
_MOST = Decimal(2) ** 62  # servers use 64-bit integers


def parse(text):
    """The amount, or None for an invalid value. Accepts only integers and text."""
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        return None
    found = _QUANTITY.match(str(text))
    if not found:
        return None
    amount = Decimal(found.group(1) + (found.group(2) or "")) * _FACTOR[found.group(3)]
    return amount if amount <= _MOST else None


def amount(option, value, minimum=Decimal(0)):
    """Parse the amount of an option. Errors: BadOption."""
    found = parse(value)
    if found is None:
        raise BadOption(option, value, "write an amount as Kubernetes does, such as 500m, 2, 512Mi or 1.5Gi")
    if found < minimum:
        raise BadOption(option, value, f"the least is {minimum}")
    return found


def known(value):
    """The amount of a value from the server; 0 when it is missing."""
    return parse(value) or Decimal(0)


def milli(number):
    """CPUs in the notation of the API: 1.5 -> 1500m."""
    return "%dm" % (number * 1000).to_integral_value(ROUND_CEILING)
