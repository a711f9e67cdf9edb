# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What attacks on hosts and attacks on clusters have in common: options, identity and the common keys of the result. Pure.

The two lifecycles differ in how they keep a journal and in what reverts an attack; both use these definitions.
"""

import hashlib
import json

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._times import SHORTEST

# The options that every attack has. The doc fragments _attack and _kube_attack mirror them.
OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "id": {"type": "str"},
    "run_id": {"type": "str"},
    "duration": {"type": "raw"},
    "max_duration": {"type": "raw", "default": "1h"},
    "lease": {"type": "raw"},
}

_LONGEST_DURATION = 86400.0  # seconds; max_duration cannot raise it


# --- times --------------------------------------------------------------------------------------


def read_times(params: dict) -> tuple:
    """(duration, lease) in seconds; the lease is None when it is not set. Errors: AttackError that names the option."""
    cap = _units.duration("max_duration", params["max_duration"], SHORTEST, _LONGEST_DURATION)
    if params["duration"] is None:
        raise AttackError("duration is required: say when the attack is undone by itself, for example duration: 60s", option="duration")
    duration = _units.duration("duration", params["duration"], SHORTEST, cap)
    lease = None if params["lease"] is None else _units.duration("lease", params["lease"], SHORTEST, duration)
    return duration, lease


# --- identity -----------------------------------------------------------------------------------


def identity_options(attack, common) -> dict:
    """The options of an attack that define its effect, as version 0.1 knew them, from its parameters. common: options that do not count."""
    options = dict((name, attack.params[name]) for name in attack.options if name not in common)
    for name in attack.added:
        if options[name] == attack.options[name].get("default"):
            del options[name]
    for name, spell in attack.spellings.items():
        try:
            options[name] = spell(options[name])
        except AttackError:
            pass  # validate() refuses it; state: absent finds nothing
    return attack.renaming.former(attack.options, options) if attack.renaming else options


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
