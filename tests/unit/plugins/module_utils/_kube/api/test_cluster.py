# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to a cluster: retries, pages, uids, and errors in one sentence."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import cluster as kube_cluster, connection as kube_connection, errors, many
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.errors import Conflict, KubeError, NotFound, Refused, Unreachable
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD, POD_DISRUPTION_BUDGETS, path
from ansible_collections.faultline.chaos.plugins.module_utils._kube.lifecycle import deadman

PODS = "/api/v1/namespaces/shop/pods"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_cluster, "_WAIT", 0.001)


def answer(status: int, reason: str = "", message: str = ""):
    from tests.unit.support.kube_server import Answer

    return Answer(status, reason, message)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(kube, status: int) -> None:
    kube.put(PODS, "a")
    kube.fail(3, answer(status, "", "busy"))
    assert kube.cluster.get(POD, "a", "shop")["metadata"]["name"] == "a"
    assert len(kube.requests) == 4


def test_a_server_that_stays_busy_is_an_error(kube) -> None:
    kube.fail(99, answer(503, "", "etcd is away"))
    with pytest.raises(KubeError, match=r"get pods a in namespace shop failed \(503\): etcd is away"):
        kube.cluster.get(POD, "a", "shop")
    assert len(kube.requests) == 5


def test_pages_are_read_to_the_end_and_anew_after_410(kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_cluster, "PAGE", 2)
    for name in "abcde":
        kube.put(PODS, name)
    kube.fail(1, answer(410, "Expired", "the continue token is too old"), where="continue=4")
    rows = kube.cluster.rows(POD, "shop")
    assert [row["metadata"]["name"] for row in rows] == list("abcde")
    assert len(kube.requests) == 6


def test_410_for_ever_is_an_error(kube) -> None:
    kube.fail(99, answer(410, "Expired", "too old"))
    with pytest.raises(KubeError, match="changes faster than it can be read"):
        kube.cluster.rows(POD, "shop")


def test_another_object_of_the_same_name_is_kept(kube) -> None:
    kube.put(PODS, "a")
    assert kube.cluster.delete(POD, "a", "shop", "uid-of-yesterday") is False
    assert kube.names("pods") == ["a"]
    assert kube.cluster.delete(POD, "missing", "shop", "x") is False


def test_many_are_deleted_by_uid_and_one_refusal_stops_nobody(kube) -> None:
    rows = [kube.put(PODS, f"p{number}") for number in range(40)]
    rows[7] = {"metadata": {**rows[7]["metadata"], "uid": "other"}}
    kube.fail(99, answer(403, "Forbidden", 'pods "p9" is forbidden: User "x" cannot delete'), "DELETE", "/p9")
    outcomes = [outcome for _row, outcome in many.delete_all(kube.cluster, rows)]
    assert outcomes.count("deleted") == 38 and outcomes[7] == "already gone"
    assert isinstance(outcomes[9], KubeError) and "may not delete pods p9 in namespace shop" in str(outcomes[9])
    assert kube.names("pods") == ["p7", "p9"]


def test_an_eviction_that_a_budget_refuses_is_not_repeated(kube) -> None:
    row = kube.put(PODS, "a")
    kube.fail(99, answer(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget."), "POST")
    ((_row, outcome),) = many.evict_all(kube.cluster, [row])
    assert isinstance(outcome, Refused)
    assert [method for method, _path in kube.requests].count("POST") == 1


def test_evictions_use_the_version_that_the_cluster_has(kube) -> None:
    assert many.eviction_version(kube.cluster) == "policy/v1beta1"
    assert kube.cluster.serving(POD_DISRUPTION_BUDGETS).api_version == "policy/v1beta1"
    ((_row, outcome),) = many.evict_all(kube.cluster, [kube.put(PODS, "a")])
    assert outcome == "evicted" and kube.names("pods") == []


def test_a_failed_test_of_a_patch_is_a_conflict(kube) -> None:
    kube.put(PODS, "a")
    with pytest.raises(Conflict):
        kube.cluster.replace_fields(POD, "a", "shop", [{"op": "test", "path": "/metadata/uid", "value": "other"}])


def test_what_is_invalid_is_no_conflict_although_it_has_the_word_test(kube) -> None:
    kube.put(PODS, "test-1")
    kube.fail(1, answer(422, "Invalid", 'Pod "test-1" is invalid: spec.containers[0].image: the latest is forbidden'))
    with pytest.raises(KubeError, match="the latest is forbidden") as raised:
        kube.cluster.replace_fields(POD, "test-1", "shop", [{"op": "add", "path": "/spec", "value": {}}])
    assert not isinstance(raised.value, Conflict)


@pytest.mark.parametrize("words", ["the server rejected our request due to an error in our request", "Testing value /metadata/uid failed"])
def test_how_servers_say_that_a_test_failed(kube, words: str) -> None:
    kube.put(PODS, "a")
    kube.fail(1, answer(422, "Invalid", words))
    with pytest.raises(Conflict):
        kube.cluster.replace_fields(POD, "a", "shop", [{"op": "add", "path": "/spec", "value": {}}])


@pytest.mark.parametrize(
    ("status", "message", "error", "told"),
    [
        (401, "Unauthorized", KubeError, "missing, wrong or expired"),
        (403, 'User "x" cannot get resource "pods"', KubeError, "forbidden: the credentials may not get pods a in namespace shop"),
        (403, "exceeded quota: pods=0", KubeError, "get pods a in namespace shop is not admitted: exceeded quota"),
        (409, "already exists", Conflict, "already exists"),
    ],
)
def test_refusals_are_one_sentence(kube, status: int, message: str, error: type, told: str) -> None:
    kube.fail(1, answer(status, "", message))
    with pytest.raises(error, match=told) as raised:
        kube.cluster.get(POD, "a", "shop")
    assert "\n" not in str(raised.value)


def test_only_who_names_an_object_says_that_it_is_gone(kube) -> None:
    """A proxy, a kubelet or a server that has this version of the API no more answers 404, too; an undo would read that as gone."""
    assert kube.cluster.find(POD, "a", "shop") is None
    kube.put(PODS, "a")
    uid = kube.objects[f"{PODS}/a"]["metadata"]["uid"]
    kube.fail(3, answer(404, "", "404 page not found"))
    for call in (lambda: kube.cluster.find(POD, "a", "shop"), lambda: kube.cluster.delete(POD, "a", "shop", uid)):
        with pytest.raises(KubeError, match=r"(get|delete) pods a in namespace shop failed \(404\): 404 page not found") as raised:
            call()
        assert not isinstance(raised.value, NotFound)
    assert kube.cluster.serving([POD]) is None, "an API that is not served has no kinds"


def test_a_missing_namespace_is_named(kube) -> None:
    from tests.unit.support.kube_server import Answer

    kube.fail(1, Answer(404, "NotFound", 'namespaces "shop" not found', "namespaces", "shop"))
    with pytest.raises(NotFound, match="there is no namespace shop"):
        kube.cluster.create(CONFIG_MAP, {"metadata": {"name": "a"}}, "shop")


def test_nobody_there_is_one_sentence() -> None:
    cluster = kube_cluster.Cluster({"host": "http://127.0.0.1:1"})
    with pytest.raises(Unreachable, match=r"^the API server http://127.0.0.1:1 cannot be reached: .*[Rr]efused") as raised:
        cluster.create(CONFIG_MAP, {}, "shop")
    assert "\n" not in str(raised.value)


def test_an_answer_that_is_no_json(kube) -> None:
    error = errors.from_answer("GET", "/api/v1/nodes/n", "h", 502, b"<html>bad gateway</html>")
    assert str(error) == "get nodes n failed (502): <html>bad gateway</html>"


@pytest.mark.parametrize("option", ["kubeconfig", "ca_cert", "client_cert", "client_key"])
def test_files_that_are_not_there(option: str) -> None:
    with pytest.raises(BadOption, match=f"^{option}: .*there is no such file"):
        kube_connection.configuration({option: "/nonexistent/file", "host": "https://x"})


def test_a_host_without_scheme() -> None:
    with pytest.raises(BadOption, match="^host: .*give a URL"):
        kube_connection.configuration({"host": "kube.example.com"})


def test_a_broken_kubeconfig_and_an_unknown_context(tmp_path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{")
    with pytest.raises(BadOption, match="^kubeconfig: "):
        kube_connection.configuration({"kubeconfig": str(broken)})
    good = tmp_path / "good"
    good.write_text("{apiVersion: v1, kind: Config, clusters: [], users: [], contexts: [{name: a, context: {}}], current-context: a}")
    with pytest.raises(BadOption, match="^context: 'b' is refused"):
        kube_connection.configuration({"kubeconfig": str(good), "context": "b"})


def test_a_refreshed_token_leaves_our_options_alone(tmp_path) -> None:
    """The library loads the whole kubeconfig again for each request, and puts its own hook back."""
    for name in ("theirs", "ours"):
        (tmp_path / name).write_text("certificate")
    file = tmp_path / "config"
    cluster = {"server": "https://x", "certificate-authority": str(tmp_path / "theirs")}
    users = [{"name": "u", "user": {"token": "first"}}]
    contexts = [{"name": "a", "context": {"cluster": "c", "user": "u"}}]
    clusters = [{"name": "c", "cluster": cluster}]
    told = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users, "contexts": contexts, "current-context": "a"}
    file.write_text(json.dumps(told))
    settings = kube_connection.configuration({"kubeconfig": str(file), "ca_cert": str(tmp_path / "ours"), "validate_certs": False, "proxy": "http://p:1"})
    settings.key_file = "/kept/by/a/watcher"
    for _request in range(2):
        settings.api_key = {key: "expired" for key in settings.api_key}
        assert "first" in [each["value"].split()[-1] for each in settings.auth_settings().values()]
        assert (settings.ssl_ca_cert, settings.verify_ssl, settings.proxy) == (str(tmp_path / "ours"), False, "http://p:1")
        assert settings.key_file == "/kept/by/a/watcher" and settings.host == "https://x"


def test_certificates_that_are_called_alike_are_kept_apart(tmp_path) -> None:
    settings, sources = SimpleNamespace(key_file=None), {"ssl_ca_cert": "authority", "cert_file": "client"}
    for attribute, text in sources.items():
        (tmp_path / attribute).mkdir()
        (tmp_path / attribute / "cert.pem").write_text(text)
        setattr(settings, attribute, str(tmp_path / attribute / "cert.pem"))
    kept = deadman.copy_certificates(settings)
    assert "key_file" not in kept and {attribute: Path(f"/proc/self/fd/{kept[attribute].fileno()}").read_text() for attribute in sources} == sources


def test_a_watcher_that_is_killed_leaves_no_key(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copies have no name; it can read them again and again, as the client does for each connection."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "key.pem").write_text("secret")
    settings = SimpleNamespace(ssl_ca_cert=None, cert_file=None, key_file=str(tmp_path / "key.pem"))
    read_end, write_end = os.pipe()

    def life() -> None:
        os.write(write_end, f"{settings.ssl_ca_cert} {Path(settings.key_file).read_text()} {Path(settings.key_file).read_text()}".encode())
        os.close(write_end)
        time.sleep(30)

    pid = deadman.detach_with_certificates(settings, life, "watcher", write_end)
    os.close(write_end)
    (tmp_path / "key.pem").unlink()
    try:
        with os.fdopen(read_end) as stream:
            assert stream.read() == "None secret secret"
    finally:
        os.kill(pid, signal.SIGKILL)
    assert settings.key_file == str(tmp_path / "key.pem") and list((tmp_path / "tmp").iterdir()) == []


def test_no_cluster_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(AttackError, match="no cluster is given: set kubeconfig or host"):
        kube_connection.configuration({})


def test_certificates_are_verified_unless_told(tmp_path) -> None:
    assert kube_connection.configuration({"host": "https://x"}).verify_ssl is True
    assert kube_connection.configuration({"host": "https://x", "validate_certs": False}).verify_ssl is False


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_connection, "LIBRARY_ERROR", "ImportError")
    with pytest.raises(AttackError, match=r"Python library \(kubernetes\)"):
        kube_connection.configuration({"host": "https://x"})


def test_paths() -> None:
    assert path(NODE, None, "n") == "/api/v1/nodes/n"
    assert path(DEPLOYMENT, "shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert path(POD, "shop", "../x", "exec") == "/api/v1/namespaces/shop/pods/..%2Fx/exec"
    assert path(POD) == "/api/v1/pods"


SAID = [
    ('Operation cannot be fulfilled on pods "web-0": Precondition failed: UID in precondition: a, UID in object meta: b', False),
    ("the UID in the precondition (a) does not match the UID in record (b). The object might have been deleted and then recreated", False),
    ('Operation cannot be fulfilled on pods "druid-0": the object has been modified; please apply your changes to the latest version', True),
    ('Operation cannot be fulfilled on pods "web-0": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (2)', True),
]


@pytest.mark.parametrize(("said", "raised"), SAID)
def test_only_another_uid_is_gone_already(kube, said: str, raised: bool) -> None:
    """A name may have the letters of any word."""
    from tests.unit.support.kube_server import Answer

    kube.fail(9, Answer(409, "Conflict", said), "DELETE")
    if raised:
        with pytest.raises(Conflict):
            kube.cluster.delete(POD, "druid-0", "shop", "a")
    else:
        assert kube.cluster.delete(POD, "druid-0", "shop", "a") is False
