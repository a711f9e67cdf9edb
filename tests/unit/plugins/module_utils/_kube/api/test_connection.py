# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who the API server is told it is: user and password, whom they act as; a kubeconfig as a dictionary, and what a proxy is not asked for."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import connection, exec as kube_exec
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.cluster import Cluster
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman
from ansible_collections.faultline.chaos.plugins.modules import k8s_attack_info
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.leases import ClusterRenewal
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import read_probes

PODS = "/api/v1/namespaces/shop/pods"
PASSWORD = "s3cr3t, with: signs"
BASIC = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
USER = {"username": "alice", "password": PASSWORD}
ACTS_AS = {"impersonate_user": "bob@example.com", "impersonate_groups": ["dev", "on call, nights"]}
AS_LINES = [("Impersonate-User", "bob@example.com"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "on call, nights")]
SECRET = "T0PSECRET"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in connection.AUTH_OPTIONS.values():
        monkeypatch.delenv(spec["fallback"][1][0], raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


def sent(kube: Any) -> list[tuple[str, str]]:
    """Those headers of the last request that say who asks."""
    return [(name.title(), value) for name, value in kube.headers[-1] if name.lower() == "authorization" or name.lower().startswith("impersonate")]


def as_dict(url: str, **user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user or {"token": SECRET}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (USER, [("Authorization", BASIC)]),
        ({**USER, "api_key": "t"}, [("Authorization", "Bearer t")]),
        ({"api_key": "t", **ACTS_AS}, [("Authorization", "Bearer t"), *AS_LINES]),
        ({**USER, **ACTS_AS}, [("Authorization", BASIC), *AS_LINES]),
        ({"impersonate_user": "bob"}, [("Impersonate-User", "bob")]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_every_request_says_who_asks(kube, given: dict[str, Any], expected: list, method: str) -> None:
    kube.put(PODS, "a")
    cluster = Cluster({"host": kube.url, **given})
    body = {"metadata": {"name": "b"}} if method == "POST" else {}
    cluster.request(method, PODS if method == "POST" else f"{PODS}/a", body=None if method == "GET" else body)
    assert sorted(sent(kube)) == sorted(expected)


def test_a_kubeconfig_may_be_a_dictionary_and_a_user_goes_before_its_own(kube) -> None:
    kube.put(PODS, "a")
    given = as_dict(kube.url)
    for value in (given, connection.kubeconfig(given)):
        Cluster({"kubeconfig": value, "context": "x"}).get(POD, "a", "shop")
        assert sent(kube) == [("Authorization", f"Bearer {SECRET}")]
    Cluster({"kubeconfig": given, **USER}).get(POD, "a", "shop")
    assert sent(kube) == [("Authorization", BASIC)]
    assert given == as_dict(kube.url), "the dictionary of the task was changed"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"username": "alice"}, "username: 'alice' is refused: it needs password as well"),
        ({"password": PASSWORD}, "password: '(hidden)' is refused: it needs username as well"),
        ({"username": "a:b", "password": "x"}, "username: 'a:b' is refused"),
        ({"username": "a\r\nX: y", "password": "x"}, "username: "),
        ({"username": "a", "password": "x\ny"}, "password: '(hidden)' is refused: write text on one line"),
        ({"impersonate_user": "a\r\nImpersonate-Group: system:masters"}, "impersonate_user: "),
        ({"impersonate_user": "a", "impersonate_groups": ["b\nc"]}, "impersonate_groups: 'b\\nc' is refused"),
        ({"impersonate_user": "a", "impersonate_groups": [""]}, "impersonate_groups: '' is refused"),
        ({"impersonate_groups": ["dev"]}, "impersonate_groups: ['dev'] is refused: it needs impersonate_user as well"),
        ({"kubeconfig": {"clusters": SECRET}}, "kubeconfig: '(a dictionary)' is refused: it cannot be used"),
        ({"kubeconfig": as_dict("http://x"), "context": "y"}, "context: 'y' is refused: the kubeconfig has no such context"),
    ],
)
def test_bad_input(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption) as error:
        connection.configuration({"host": None if "kubeconfig" in given else "http://x", **given})
    assert words in str(error.value) and PASSWORD not in str(error.value)


def test_no_proxy_and_the_environment(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connection.configuration({"host": kube.url, "proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1,.local"})
    assert settings.no_proxy == "127.0.0.1,.local"
    kube.put(PODS, "a")
    assert Cluster({}, settings).get(POD, "a", "shop")
    for name, value in (("HOST", kube.url), ("USERNAME", "alice"), ("PASSWORD", PASSWORD), ("IMPERSONATE_USER", "bob"), ("IMPERSONATE_GROUPS", "dev,ops")):
        monkeypatch.setenv(f"K8S_AUTH_{name}", value)
    told = run_info(monkeypatch, {})
    assert "failed" not in told, told
    expected = [("Authorization", BASIC), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"), ("Impersonate-User", "bob")]
    assert sorted(sent(kube)) == expected
    ClusterRenewal({}).renew(Lease(), 2.0)
    assert sorted(sent(kube)) == expected


class Lease:
    run_id, seconds = "r", 10.0


def run_info(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> dict[str, Any]:
    """What a module prints, invocation included, and what it writes to the log."""
    printed: list[str] = []
    logged: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        patch.setattr("builtins.print", lambda *words, **_more: printed.append(" ".join(map(str, words))))
        patch.setattr(basic.AnsibleModule, "log", lambda _module, msg, log_args=None: logged.append(f"{msg} {log_args}"))
        k8s_attack_info.main()
    return {**json.loads(printed[-1]), "logged": logged}


def test_nothing_secret_is_printed_or_logged(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run_info(monkeypatch, {"kubeconfig": as_dict(kube.url), **USER})
    assert "failed" not in told, told
    assert sent(kube) == [("Authorization", BASIC)] and told["logged"]
    assert SECRET not in json.dumps(told) and PASSWORD not in json.dumps(told)
    if "invocation" in told:  # ansible-core from 2.20 on returns it only when it is asked to
        assert told["invocation"]["module_args"]["kubeconfig"] == "(a dictionary)"


def test_a_program_in_a_container_is_run_as_whom_the_task_acts_as() -> None:
    """The library sends two headers with a websocket, and drops all others: the program would be run with the rights of the one who impersonates."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        got: list[str] = []

        def serve() -> None:
            with listening.accept()[0] as one:
                got.append(one.recv(65536).decode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        cluster = Cluster({"host": f"http://127.0.0.1:{listening.getsockname()[1]}", **USER, **ACTS_AS})
        with pytest.raises(AttackError):
            kube_exec.run(cluster, "shop", "web", "main", ["true"], 2.0)
        thread.join(5)
    lines = got[0].split("\r\n")
    assert [line for line in lines if line.lower().startswith("impersonate")] == [": ".join(each) for each in AS_LINES]
    assert f"authorization: {BASIC}" in lines and "sec-websocket-protocol: v4.channel.k8s.io" in lines


def test_a_probe_takes_the_same_options(kube) -> None:
    kube.put(PODS, "a", status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
    options = {"kubeconfig": as_dict(kube.url), **USER, **ACTS_AS}
    [probe] = read_probes([{"name": "p", "type": "k8s", "kind": "pod", "object": "a", "namespace": "shop", **options}])
    probe.attempt(2.0)
    assert sorted(sent(kube)) == sorted([("Authorization", BASIC), *AS_LINES])


def test_the_watcher_says_who_asks(kube) -> None:
    """It is a fork with the client's settings and the options of the task."""
    kube.put(PODS, "a")
    cluster = Cluster({"host": kube.url, **USER, **ACTS_AS})
    read_end, write_end = os.pipe()

    def life() -> None:
        Cluster(cluster.params, cluster.settings).get(POD, "a", "shop")
        os.write(write_end, b"done")
        os.close(write_end)

    deadman.detach_with_certificates(cluster.settings, life, "fl-test", write_end)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        assert stream.read() == "done"
    assert sorted(sent(kube)) == sorted([("Authorization", BASIC), *AS_LINES])
