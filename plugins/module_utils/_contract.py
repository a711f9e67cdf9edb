# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What attacks on hosts and attacks on clusters have in common: options, times, ids, identity and the common keys of the result. Pure.

The two lifecycles differ in how they keep a journal and in what reverts an attack; both use these definitions.
"""

import datetime
import hashlib
import json
import re
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

# The options that every attack has. The doc fragments _attack and _kube_attack mirror them.
OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "id": {"type": "str"},
    "run_id": {"type": "str"},
    "duration": {"type": "raw"},
    "max_duration": {"type": "raw", "default": "1h"},
    "lease": {"type": "raw"},
}

_SHORTEST = 1.0  # seconds; the minimum of a duration and of a lease
_LONGEST_DURATION = 86400.0  # seconds; max_duration cannot raise it
_LONGEST_RENEWAL = 3600.0  # seconds

# An attack counts as overdue so many seconds after its deadline; the next attack on its host or namespaces then undoes it first.
# On a host the timer acts within tenths of a second, and recovery 2 s after the deadline.
# In a cluster three controllers act one after another (Job, TTL, garbage collection), and the API server gives its time in whole seconds.
OVERDUE_ON_HOST = 3.0
OVERDUE_IN_CLUSTER = 5.0


# --- times --------------------------------------------------------------------------------------


def read_times(params: dict) -> tuple:
    """(duration, lease) in seconds; the lease is None when it is not set. Errors: AttackError that names the option."""
    cap = _units.duration("max_duration", params["max_duration"], _SHORTEST, _LONGEST_DURATION)
    if params["duration"] is None:
        raise AttackError("duration is required: say when the attack is undone by itself, for example duration: 60s", option="duration")
    duration = _units.duration("duration", params["duration"], _SHORTEST, cap)
    lease = None if params["lease"] is None else _units.duration("lease", params["lease"], _SHORTEST, duration)
    return duration, lease


def read_renewal(params: dict) -> float:
    """For how many seconds from now a lease is renewed. Errors: BadOption."""
    return _units.duration("lease", params["lease"], _SHORTEST, _LONGEST_RENEWAL)


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


# --- ids ----------------------------------------------------------------------------------------


class IdRule:
    """The rule for names that become a part of a directory, a unit, an object or a label."""

    def __init__(self, pattern: str, fix: str):
        self._pattern = pattern
        self._fix = fix

    def allows(self, name: str) -> bool:
        return re.match(self._pattern, name) is not None

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


def check_choice(params: dict, names: tuple) -> None:
    """Check that exactly one of the options that choose attacks is set. Errors: AttackError for none or several, and for an empty one."""
    for name in names:
        if isinstance(params[name], str) and not params[name].strip():
            raise BadOption(name, params[name], "give the name of an attack or a run")
    given = [name for name in names if params[name]]
    if not given:
        raise AttackError("one of {} is needed: say what to act on".format(", ".join(names)))
    if len(given) > 1:
        raise BadOption(given[-1], params[given[-1]], "give one of {} and {}".format(", ".join(names[:-1]), names[-1]))


# --- identity -----------------------------------------------------------------------------------


def identity(name: str, options: dict) -> str:
    """A checksum that identifies an attack: over its module and the options that define its effect.

    The spelling of a value does not count: 50, 50.0 and "50" are the same.
    """
    return checksum_of(name, _plain(options))


def checksum_of(name: str, options: dict) -> str:
    """SHA-256 of a module's name and its options, without normalising them."""
    return hashlib.sha256(json.dumps([name, options], sort_keys=True, default=str).encode("utf-8")).hexdigest()


def _plain(value):
    """A value normalised to one spelling. Text stays as it is, because "1.0" may be a name."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return dict((str(key), _plain(item)) for key, item in value.items())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if value is None or isinstance(value, bool) else str(value)


# --- results ------------------------------------------------------------------------------------
# place: where the undo is kept: {"undo": path} on a host, {"journal": namespace/name} in a cluster.


def planned(attack_id: str, deadman: str, resources: list, notes: list, place: dict) -> dict:
    """The result of an attack before it is applied; check mode returns it."""
    return dict(place, changed=True, id=attack_id, status="planned", deadman=deadman, resources=resources, notes=notes)


def already_active(record: dict, deadline: str, remaining: float, effect: dict, place: dict) -> dict:
    """The result when the same attack is already active. record: from its journal. remaining: seconds until the deadline, renewals included."""
    return dict(
        place,
        changed=False,
        id=record["id"],
        status="active",
        deadline=deadline,
        remaining=round(remaining, 2),
        deadman=record["deadman"],
        resources=record["resources"],
        effect=effect,
        notes=[],
    )


def diff(name: str, where: str, plan, place: dict, undo_text: str) -> dict:
    """The value for --diff: a plan's texts before and after, and the undo with its place. where: for example "on the target"."""
    [kept] = place.values()
    return {
        "before_header": f"{name} {where}",
        "after_header": f"{name} as attacked, and its undo",
        "before": plan.before.rstrip("\n") + "\n",
        "after": "{}\n\n# undo: {}\n{}\n".format(plan.after.rstrip("\n"), kept, undo_text),
    }
