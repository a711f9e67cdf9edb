# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifests in docs/rbac grant what the code asks for, as far as the code says it in tables; tests/cluster/test_rbac.py tries the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import NAMESPACE, OWNERS, Kind
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import residue
from tests.support.paths import CHECKOUT

MANIFESTS = sorted((CHECKOUT / "docs/rbac").glob("k8s_*.yml"))
CHOOSE_PODS = [path for path in MANIFESTS if "POD_OPTIONS" in (CHECKOUT / "plugins/modules" / f"{path.stem}.py").read_text()]


def granted(path: Path) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of all rules of a manifest."""
    document = yaml.safe_load(path.read_text())
    rules = [rule for each in document.get("items", [document]) for rule in each["rules"]]
    return {(group, resource, verb) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}


def right(kind: Kind, verb: str) -> tuple[str, str, str]:
    return kind.api_version.rpartition("/")[0], kind.plural, verb


RBAC = CHECKOUT / "docs/rbac"
LAYERS = {word: RBAC / f"layer_{word}.yml" for word in ("secrets", "exec", "nodes")}
OPT_IN = {("", "secrets"), ("", "pods/exec"), ("", "nodes")}  # never in the base


def test_a_halt_may_revert_and_remove_everything_with_all_layers() -> None:
    wanted = {right(kind, verb) for kind in residue._OURS for verb in ("get", "list", "delete")}
    wanted |= {right(kind, verb) for kind in residue._MARKED for verb in ("get", "list", "patch")}
    wanted |= {("", "pods/exec", "get"), ("", "pods/exec", "create")}  # ending the programs of k8s_pod_stress
    assert wanted - set.union(granted(RBAC / "k8s_revert.yml"), *map(granted, LAYERS.values())) == set()


def test_the_base_is_without_secrets_exec_and_nodes() -> None:
    base = granted(RBAC / "k8s_revert.yml")
    assert {(group, resource) for group, resource, _verb in base} & OPT_IN == set() and not {"create", "*"} & {verb for *_where, verb in base}
    for word, path in LAYERS.items():
        assert {resource for _group, resource, _verb in granted(path)} == {"exec": {"pods/exec"}}.get(word, {word})


@pytest.mark.parametrize("name", ["k8s_config_fault", "k8s_network_partition"])
def test_secrets_and_exec_of_an_attack_are_a_role_of_their_own(name: str) -> None:
    base, more = yaml.safe_load((RBAC / f"{name}.yml").read_text())["items"]
    resources = [{resource for rule in role["rules"] for resource in rule["resources"]} for role in (base, more)]
    assert not resources[0] & {"secrets", "pods/exec"} and len(resources[1]) == 1 and resources[1] < {"secrets", "pods/exec"}


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.stem != "k8s_pod_location_info"], ids=lambda path: path.stem)
def test_what_may_be_made_or_changed_may_be_listed(path: Path) -> None:
    """So that what an attack left is found though its journal was deleted or rewritten."""
    found, kinds = granted(path), {right(kind, "list")[:2] for kind in residue._OURS + residue._MARKED}
    touched = {(group, resource) for group, resource, verb in found if verb in ("create", "patch", "delete") and (group, resource) in kinds}
    assert {(*where, "list") for where in touched} - found == set()


@pytest.mark.parametrize("path", CHOOSE_PODS, ids=lambda path: path.stem)
def test_pods_can_be_chosen_by_any_owner(path: Path) -> None:
    assert {right(kind, "list") for kind in OWNERS.values()} - granted(path) == set()


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.stem != "k8s_revert"], ids=lambda path: path.stem)
def test_a_namespace_can_be_looked_at_for_its_opt_out(path: Path) -> None:
    assert right(NAMESPACE, "get") in granted(path)


@pytest.mark.parametrize("path", [path for path in CHOOSE_PODS if path.stem != "k8s_pod_location_info"], ids=lambda path: path.stem)
def test_a_manifest_for_pods_says_where_the_journal_is_with_several_namespaces(path: Path) -> None:
    assert "For several namespaces" in path.read_text() and "journal_namespace" in path.read_text()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_nobody_may_change_jobs(path: Path) -> None:
    assert ("batch", "jobs", "patch") not in granted(path)
