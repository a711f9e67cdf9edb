# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Options and values that were renamed. The old words work until REMOVED_IN, with a deprecation, and make the same attack as the new ones.

    options = {"peers": renamed("cidr", type="list", elements="str", default=[])}

    given = Given()                                # before AnsibleModule, which writes the value of an alias over that of the option
    module = AnsibleModule(argument_spec=options)
    given.modernise(module, values={"direction": {"in": "ingress"}}, merged={"names": "peers"})

Ansible itself only warns when an option and its alias are both given, takes the value of the alias, and keeps both names in module.params.
"""

from ansible.module_utils import basic

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

REMOVED_IN = "1.0.0"
COLLECTION = "faultline.chaos"
_BOTH = "{new}: {old} is the old name of {new}: give {new} alone, and leave {old} out"


def renamed(*old_names, **spec):
    """The spec of an option that had other names. The documentation of the module has the same names as aliases."""
    deprecated = [{"name": name, "version": REMOVED_IN, "collection_name": COLLECTION} for name in old_names]
    return dict(spec, aliases=list(old_names), deprecated_aliases=deprecated)


def replaced(**spec):
    """The spec of an option that another one has taken over (see merged in Given.modernise())."""
    return dict(spec, removed_in_version=REMOVED_IN, removed_from_collection=COLLECTION)


class Given:
    """The names of the options of a task, as the task has them. Make it before AnsibleModule."""

    def __init__(self, names=None):
        self.names = set(basic._load_params() if names is None else names)

    def modernise(self, module, values=None, merged=None):
        """Bring module.params to the new words.

        values: {option: {old value: new value}}. merged: {old option: new option}, of lists that were separate: the old one is added to the new one.
        Errors: AttackError for an old name beside its new one.
        """
        pairs = list(_old_names(module.argument_spec)) + list((merged or {}).items())
        for old, new in pairs:
            if old in self.names and new in self.names:
                raise AttackError(_BOTH.format(old=old, new=new), option=new)
        params = module.params
        for old, new in (merged or {}).items():
            params[new], params[old] = (params[new] or []) + (params[old] or []), []
        for option, table in (values or {}).items():
            old = params[option]
            if old in table:
                params[option] = table[old]
                module.deprecate(f"{option}: {old} is the old word for {table[old]}", version=REMOVED_IN, collection_name=COLLECTION)

    def explain(self, error, module, merged=None):
        """The message of an AttackError; where it names an option that the task has under an old name, that too."""
        option = error.details.get("option")
        pairs = list(_old_names(module.argument_spec)) + list((merged or {}).items())
        old = [old for old, new in pairs if new == option and old in self.names and new not in self.names]
        return f"{error} ({option} was {' and '.join(old)} before)" if old else str(error)


def _old_names(spec):
    """(old name, option) of each deprecated alias."""
    return [(alias["name"], option) for option, entry in sorted(spec.items()) for alias in entry.get("deprecated_aliases") or ()]
