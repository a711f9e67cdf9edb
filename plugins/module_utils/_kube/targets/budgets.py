# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The disruption budgets of pods that an attack would hit."""

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD_DISRUPTION_BUDGETS
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.labels import matches


def respect_budgets(cluster, rows):
    """Refuse a selection that exceeds a disruption budget. Errors: AttackError that names the budget."""
    kind = cluster.serving(POD_DISRUPTION_BUDGETS)
    by_namespace = {}
    for row in rows:
        by_namespace.setdefault(row["metadata"]["namespace"], []).append(row)
    for namespace, mine in sorted(by_namespace.items()) if kind else []:
        for budget in cluster.whole(kind, namespace):
            hit = [row for row in mine if matches(budget["spec"].get("selector"), row["metadata"].get("labels") or {})]
            allowed = (budget.get("status") or {}).get("disruptionsAllowed", 0)
            if len(hit) > allowed:
                raise AttackError(
                    "the disruption budget %s/%s allows %d disruption(s) now and %d would be made: take fewer, or set ignore_pdb: true"
                    % (namespace, budget["metadata"]["name"], allowed, len(hit)),
                    option="ignore_pdb",
                )
