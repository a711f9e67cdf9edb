# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Times in journals and results: UTC to the second, and when an attack counts as overdue. Pure."""

import datetime
import re
import time

SHORTEST = 1.0  # seconds; the minimum of a duration and of a lease
# An attack counts as overdue so many seconds after its deadline; the next attack on its host or namespaces then undoes it first.
# On a host the timer acts within tenths of a second, and recovery 2 s after the deadline.
# In a cluster three controllers act one after another (Job, TTL, garbage collection), and the API server gives its time in whole seconds.
OVERDUE_ON_HOST = 3.0
OVERDUE_IN_CLUSTER = 5.0


def iso(seconds: float) -> str:
    """Seconds since the epoch as a time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def iso_later(text: str, seconds: float) -> str:
    """A time as iso() writes it, moved by so many seconds. Errors: ValueError for text in another form."""
    parts = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z\Z", text)
    if not parts:
        raise ValueError(f"{text!r} is no time in UTC")
    when = datetime.datetime(*(int(part) for part in parts.groups())) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
