# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Options and values that were renamed. The old names work until REMOVED_IN, with a deprecation warning, and make the same attack as the new ones.

    class Blackhole(Attack):
        options = {"peers": renamed("cidr", type="list", elements="str", default=[])}
        renaming = Renaming(values={"direction": {"in": "ingress"}}, merged={"names": ("peers", is_name)})

Ansible itself only warns when an option and its alias are both given, takes the value of the alias, and keeps both names in module.params.
"""

from ansible.module_utils import basic

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

REMOVED_IN = "1.0.0"
COLLECTION = "faultline.chaos"


def renamed(*old_names, **spec):
    """The spec of an option that was renamed. The documentation of the module lists the old names as aliases."""
    deprecated = [{"name": name, "version": REMOVED_IN, "collection_name": COLLECTION} for name in old_names]
    return dict(spec, aliases=list(old_names), deprecated_aliases=deprecated)


def replaced(**spec):
    """The spec of a deprecated option that was merged into another one (see merged in Renaming)."""
    return dict(spec, removed_in_version=REMOVED_IN, removed_from_collection=COLLECTION)


class Renaming:
    """The renamed options and values of an attack. Every attack with options of renamed() or replaced() has one.

    values: {option: {old value: new value}}. merged: {old option: (new option, whether an item was one of the old option)}, both lists:
    the old one is appended to the new one.
    """

    def __init__(self, values=None, merged=None):
        self.values, self.merged = values or {}, merged or {}
        self.given = set()
        self._moved = {}  # {old option: the items that the task gave it}

    def look(self):
        """Note the names that the task has. Before AnsibleModule is made, which writes the value of an alias over that of the option."""
        self.given = set(basic._load_params() or ())  # none where a sanity test reads the options

    def modernise(self, module):
        """Convert module.params to the new names and values. Errors: AttackError when an old name and its new one are both set."""
        for old, new in self._pairs(module):
            if old in self.given and new in self.given:
                raise AttackError(f"{new}: {old} is the old name of {new}: give {new} alone, and leave {old} out", option=new)
        params = module.params
        for old, (new, _was) in self.merged.items():
            self._moved[old] = params[old] or []
            params[new], params[old] = (params[new] or []) + self._moved[old], []
        for option, table in self.values.items():
            old = params[option]
            if old in table:
                params[option] = table[old]
                module.deprecate(f"{option}: {old} is the old word for {table[old]}", version=REMOVED_IN, collection_name=COLLECTION)

    def explain(self, error, module):
        """The message of an AttackError, with the old name of its option when the task uses that one."""
        option = error.details.get("option")
        old = [old for old, new in self._pairs(module) if new == option and old in self.given and new not in self.given]
        return f"{error} ({option} was {' and '.join(old)} before)" if old else str(error)

    def former(self, spec, options):
        """The options as version 0.1 had them, by their names and values there: from these an identity is made, so that an attack of 0.1
        is recognised after an upgrade, and a task makes the same attack with either names."""
        told = dict(options)
        for old, (new, was) in self.merged.items():
            of_old = self._moved.get(old) or [item for item in told[new] if was(item)]
            told[new], told[old] = [item for item in told[new] if item not in of_old], of_old
        for option, table in self.values.items():
            told[option] = dict((new, old) for old, new in table.items()).get(told[option], told[option])
        for old, new in _aliases(spec):
            if new in told:
                told[old] = told.pop(new)
        return told

    def _pairs(self, module):
        """(old name, new name) of each option."""
        return _aliases(module.argument_spec) + [(old, new) for old, (new, _was) in self.merged.items()]


def _aliases(spec):
    return [(alias["name"], name) for name in spec for alias in spec[name].get("deprecated_aliases") or ()]
