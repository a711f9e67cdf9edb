# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Check names, namespaces and selectors, and match selectors. Pure."""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

PROTECTED_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_LABEL_KEY = r"(?:[A-Za-z0-9][-A-Za-z0-9.]*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_REQUIREMENT = re.compile(rf"^(?:!?{_LABEL_KEY}|{_LABEL_KEY} ?(?:=|==|!=) ?{LABEL_VALUE}|{_LABEL_KEY} (?:in|notin) ?\({LABEL_VALUE}(?:, ?{LABEL_VALUE})*\))\Z")
_FIELD = re.compile(r"^[A-Za-z][A-Za-z.]* ?(?:=|==|!=) ?[-A-Za-z0-9_.:]*\Z")


def is_protected(namespace, more=()):
    for pattern in PROTECTED_NAMESPACES + tuple(more):
        if pattern == namespace or pattern.endswith("*") and namespace.startswith(pattern[:-1]):
            return True
    return False


def check_name(option, value):
    """Check the name of an object. Errors: BadOption."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise BadOption(option, value, "give one exact name, of a-z, 0-9, - and .; no pattern")


def check_namespace(option, value, protected=()):
    """Check that a namespace may be attacked. Errors: BadOption."""
    check_name(option, value)
    if is_protected(value, protected):
        raise BadOption(option, value, "this namespace is protected")


def check_label_selector(option, value):
    """Check a label selector. Errors: BadOption. Empty and * are refused: selecting everything must be explicit."""
    if not value.strip() or "*" in value:
        raise BadOption(option, value, "write a selector such as app=web; to take everything leave it out and set all: true")
    for part in selector_parts(value):
        if not _REQUIREMENT.match(part):
            raise BadOption(option, value, "write a selector such as app=web,tier!=cache,zone in (a, b)")


def check_field_selector(option, value):
    for part in value.split(","):
        if not _FIELD.match(part.strip()):
            raise BadOption(option, value, "write a selector such as spec.nodeName=node-1,status.phase=Running")


def selector_parts(selector):
    """The requirements of a selector, split at commas outside of parentheses."""
    parts, depth, word = [], 0, ""
    for letter in selector:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(word.strip())
            word = ""
        else:
            word += letter
    return parts + [word.strip()]


def matches(selector, labels):
    """Whether a selector of an object (matchLabels, matchExpressions) matches these labels. None matches nothing, {} everything."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions") or []:
        has, values = each["key"] in labels, each.get("values") or []
        good = {
            "In": has and labels.get(each["key"]) in values,
            "NotIn": not has or labels[each["key"]] not in values,
            "Exists": has,
            "DoesNotExist": not has,
        }
        if not good.get(each["operator"], False):
            return False
    return True
