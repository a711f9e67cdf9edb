# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Spared objects: opt-out and opt-in by labels and annotations of an object or its namespace. Also owner and age of an object."""

import calendar
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NAMESPACE
from ansible_collections.faultline.chaos.plugins.module_utils._marks import LABEL_PREFIX, MANAGED_BY, OURS

# Labels and annotations that exclude or include an object: those of this collection, of chaoskube and of kube-monkey.
OPT_OUT = ((LABEL_PREFIX + "opt-out", "true"), ("chaos.alpha.kubernetes.io/enabled", "false"), ("kube-monkey/enabled", "disabled"))
OPT_IN = ((LABEL_PREFIX + "opt-in", "true"), ("chaos.alpha.kubernetes.io/enabled", "true"), ("kube-monkey/enabled", "enabled"))


def opted_out(row):
    """Whether an object opted out, by a label or an annotation."""
    return any(_marks(row).get(key) == value for key, value in OPT_OUT)


def _marks(row):
    return dict(row["metadata"].get("labels") or {}, **(row["metadata"].get("annotations") or {}))


def spared(row, opt_in):
    """The reason why an object must not be attacked, or None."""
    marks = _marks(row)
    if marks.get(MANAGED_BY) == OURS:
        return "belongs to an attack"
    if opted_out(row):
        return "opted out"
    if opt_in and not any(marks.get(key) == value for key, value in OPT_IN):
        return "did not opt in"
    return None


def owner_of(row):
    """(kind, name, uid) of the controller of an object, or None."""
    for reference in row["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return reference["kind"], reference["name"], reference["uid"]
    return None


def check_exists(cluster, option, namespace):
    """Errors: BadOption for a namespace that does not exist or is spared. Accepts it when the credentials may not read namespaces."""
    may_look, found = read_namespace(cluster, namespace)
    if may_look and found is None:
        raise BadOption(option, namespace, "there is no such namespace")
    if found is not None and spared(found, False) is not None:
        raise BadOption(option, namespace, f"this namespace is spared: {spared(found, False)}")


def read_namespace(cluster, name):
    """(whether the credentials may read it, the namespace or None)."""
    try:
        return True, cluster.find(NAMESPACE, name)
    except AttackError as error:
        if getattr(error, "status", 0) != 403:
            raise
        return False, None


def created(meta):
    """The time of creation in seconds since the epoch; 0.0 when it cannot be parsed."""
    try:
        return calendar.timegm(time.strptime(meta["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
    except (KeyError, ValueError, TypeError):
        return 0.0
