# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was renamed after 0.1: the old words make the same attack, say that they are deprecated, and are refused beside the new ones."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.faultline.chaos.plugins.module_utils._host import host
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import attack as kube_attack
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack as host_attack, journal
from tests.support.paths import CHECKOUT

GROUPS = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())["action_groups"]
PODS = {"namespace": "shop", "label_selector": "app=web"}

# Module, options under their old names, the same under the new ones, and what the deprecations are about.
SAME: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("blackhole", {"cidr": ["192.0.2.0/24"]}, {"peers": ["192.0.2.0/24"]}, ["cidr"]),
    ("blackhole", {"names": ["db.example.com"]}, {"peers": ["db.example.com"]}, ["names"]),
    ("blackhole", {"cidr": ["192.0.2.1"], "names": ["db"]}, {"peers": ["192.0.2.1", "db"]}, ["cidr", "names"]),
    ("blackhole", {"ports": ["80"], "exclude_cidr": ["192.0.2.1"]}, {"ports": ["80"], "exclude": ["192.0.2.1"]}, ["exclude_cidr"]),
    ("blackhole", {"ports": ["80"], "direction": "in"}, {"ports": ["80"], "direction": "ingress"}, ["direction: in"]),
    ("blackhole", {"ports": ["80"], "direction": "out"}, {"ports": ["80"], "direction": "egress"}, ["direction: out"]),
    ("k8s_network_partition", {**PODS, "allow_cidrs": ["10.0.0.0/8"]}, {**PODS, "exclude": ["10.0.0.0/8"]}, ["allow_cidrs"]),
    ("k8s_network_partition", {**PODS, "allow_pods": "a=b"}, {**PODS, "exclude_pods": "a=b"}, ["allow_pods"]),
    ("k8s_network_partition", {**PODS, "allow_namespaces": "a=b"}, {**PODS, "exclude_namespaces": "a=b"}, ["allow_namespaces"]),
]


class Ended(Exception):
    """The module has failed, or came as far as this test looks."""


@pytest.fixture
def run(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """run(MODULE, OPTIONS): {"identity", "resources"} or {"failed"}, and the deprecations."""

    def main(name: str, options: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"deprecations": []}
        module = importlib.import_module(f"ansible_collections.faultline.chaos.plugins.modules.{name}")
        arguments = {"ANSIBLE_MODULE_ARGS": {"duration": "1m", **options, "_ansible_remote_tmp": str(tmp_path)}}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        monkeypatch.setattr(journal, "state_dir", lambda: str(tmp_path / "state"))
        monkeypatch.setattr(host.Host, "is_root", True)

        def look(lifecycle: Any, *_more: Any) -> None:
            identity = lifecycle._identities() if hasattr(lifecycle, "_identities") else lifecycle._identity()
            found["identity"] = identity
            if options.get("state") != "absent":
                found["resources"] = lifecycle.attack.resources()
            raise Ended

        def fail(_module: basic.AnsibleModule, msg: str, **_details: Any) -> None:
            found["failed"] = msg
            raise Ended

        def deprecate(*words: Any, **more: Any) -> None:
            found["deprecations"].append(words[0] if words else more["msg"])
            found["removed_in"] = more.get("version")

        monkeypatch.setattr(basic.AnsibleModule, "fail_json", fail)
        monkeypatch.setattr(basic.AnsibleModule, "deprecate", lambda _module, *words, **more: deprecate(*words, **more))
        for where in (basic, importlib.import_module("ansible.module_utils.common.arg_spec")):
            if hasattr(where, "deprecate"):
                monkeypatch.setattr(where, "deprecate", deprecate)
        monkeypatch.setattr(host_attack._Lifecycle, "_present", look)
        monkeypatch.setattr(host_attack._Lifecycle, "_absent", look)
        monkeypatch.setattr(kube_attack.Lifecycle, "_connect", look)
        with pytest.raises(Ended):
            module.main()
        return found

    return main


@pytest.mark.parametrize(("module", "old", "new", "words"), SAME, ids=lambda value: value if isinstance(value, str) else "-".join(value))
@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_old_words_make_the_same_attack_and_say_so(run, module: str, old: dict, new: dict, words: list[str], state: str) -> None:
    before, after = run(module, {**old, "state": state}), run(module, {**new, "state": state})
    assert "failed" not in before and "failed" not in after, (before, after)
    assert before["identity"] == after["identity"]
    if state == "present":
        assert before["resources"] == after["resources"]
    assert not after["deprecations"]
    assert len(before["deprecations"]) == len(words), before
    assert all(any(word in text for text in before["deprecations"]) for word in words)
    assert before["removed_in"] == "1.0.0"


# Identities that version 0.1 gave to attacks, as printed by its code; the file has those of the examples of all its modules.
OF_0_1: list[tuple[str, dict[str, Any], str]] = [
    ("netem", {"delay": "20ms"}, "d4cefbca836982a5235b4ca0709a707b426e12b726149dace0cb86a7e4dc76e9"),
    ("blackhole", {"cidr": ["192.0.2.1"], "names": ["db"], "direction": "in"}, "04a8eacd87f9fe79f662e188151b454c6ae464d4511603d1935adcb22cefb20c"),
    ("blackhole", {"peers": ["192.0.2.1", "db"], "direction": "ingress"}, "04a8eacd87f9fe79f662e188151b454c6ae464d4511603d1935adcb22cefb20c"),
    ("blackhole", {"names": ["203.0.113.7"]}, "2bc2090dfc49180feb58e128cb252d1efac7593eb9cc08ce611071e05a8524e2"),
    ("blackhole", {"ports": ["80"], "exclude_cidr": ["192.0.2.9"]}, "31538051bbb130f382205250c51c9c333b6b2d13a8c01b731c4b52efbb34f530"),
    ("k8s_network_partition", {**PODS, "allow_cidrs": ["10.0.0.0/8"]}, "a1eff3b8ece47057c848c1b19e164600941c8f144645aaed97e79adcefd03a23"),
]


OF_0_1 += [(module, *each) for module, those in json.loads((CHECKOUT / "tests/unit/data/identities_0_1.json").read_text()).items() for each in those]


@pytest.mark.parametrize(("module", "options", "identity"), OF_0_1, ids=lambda value: value if isinstance(value, str) else None)
def test_an_attack_of_version_0_1_is_found_after_an_upgrade(run, module: str, options: dict[str, Any], identity: str) -> None:
    """Otherwise state: absent would say absent, while the attack is active."""
    found = run(module, {**options, "state": "absent"})["identity"]
    assert identity in (found if isinstance(found, list) else [found])


def test_an_option_that_version_0_1_did_not_have_counts_when_it_is_set(run) -> None:
    plain, more, empty = (run("netem", {"delay": "20ms", "interface": "lo", **each})["identity"] for each in ({}, {"local_ports": ["80"]}, {"local_ports": []}))
    assert plain == empty != more


def kinds() -> list[tuple[str, Any]]:
    found = []
    for name in GROUPS["attacks"] + GROUPS["k8s_attacks"]:
        module = importlib.import_module(f"ansible_collections.faultline.chaos.plugins.modules.{name}")
        found += [(name, each) for each in vars(module).values() if isinstance(each, type) and getattr(each, "name", None) == name]
    return found


BOTH = [(name, alias["name"], option) for name, kind in kinds() for option, spec in kind.options.items() for alias in spec.get("deprecated_aliases", ())]


def test_every_attack_with_old_names_looks_at_what_was_given() -> None:
    assert {module for module, _old, _new in BOTH} == {"blackhole", "k8s_network_partition"}
    assert {name for name, kind in kinds() if kind.renaming is not None} == {module for module, _old, _new in BOTH}


@pytest.mark.parametrize("values", [(["10.0.0.1"], ["10.0.0.1"]), ([], ["10.0.0.1"]), (["10.0.0.1"], [])], ids=["both", "old empty", "new empty"])
@pytest.mark.parametrize(("module", "old", "new"), [*BOTH, ("blackhole", "names", "peers")])
def test_an_old_name_beside_its_new_one_is_refused_and_both_are_named(run, module: str, old: str, new: str, values: tuple) -> None:
    """Ansible would take the value of the alias, be it empty: then a blackhole of one peer would be one of everybody."""
    base = PODS if module.startswith("k8s") else {"ports": ["80"]}
    found = run(module, {**base, old: values[0], new: values[1]})
    assert found["failed"] == f"{new}: {old} is the old name of {new}: give {new} alone, and leave {old} out"


def test_an_error_names_the_option_as_it_was_given(run) -> None:
    assert run("blackhole", {"cidr": ["300.1.1.1"]})["failed"].endswith(" (peers was cidr before)")
    assert run("blackhole", {"names": ["a b"]})["failed"].endswith(" (peers was names before)")
    assert "before" not in run("blackhole", {"peers": ["300.1.1.1"]})["failed"]


@pytest.mark.parametrize("module", ["blackhole", "netem"])
def test_a_protocol_is_the_same_by_name_and_by_number(run, module: str) -> None:
    base = {"delay": "20ms", "interface": "lo"} if module == "netem" else {}
    found = [run(module, {**base, "protocols": [text], "state": "absent"})["identity"] for text in ("vrrp", "VRRP", "112")]
    assert len(set(found)) == 1
    assert run(module, {**base, "protocols": ["nonsense"], "state": "absent"})["identity"] not in found
