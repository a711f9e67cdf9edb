# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Create managed objects idempotently: when an answer is lost the server may have stored the object, and refuses the retry as a conflict."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, KubeError, Unsure, may_be_done
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import label
from ansible_collections.faultline.chaos.plugins.module_utils._marks import NONCE


def create_ours(cluster, kind, body, namespace):
    """Create an object that bears the nonce of the attack. Returns it; after an error other than Unsure it does not exist.

    Errors: Conflict when a foreign object has this name; Unsure when it is unknown whether the object exists.
    """
    name, nonce = body["metadata"]["name"], body["metadata"]["annotations"][NONCE]
    try:
        return cluster.create(kind, body, namespace)
    except KubeError as error:
        if not isinstance(error, Conflict) and not may_be_done(error):
            raise
        try:
            found = cluster.find(kind, name, namespace)
            if found is not None and (found["metadata"].get("annotations") or {}).get(NONCE) == nonce:
                if isinstance(error, Conflict):
                    return found  # the first try had succeeded
                cluster.delete(kind, name, namespace, found["metadata"]["uid"], grace=0)
        except AttackError as again:
            raise Unsure(f"{error}; whether {label(kind, namespace, name)} was made is not known: {again}")
        raise
