# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access to the cluster for tests: its API with admin rights, workloads, and real runs of the modules of the collection."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config, dynamic
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL

from tests.lab.support.lab import Result, events_env, first_json, read_events, wait_until
from tests.support.paths import CHECKOUT

REPO = CHECKOUT
DRIVER = CHECKOUT / "tests/cluster/harness" / "cluster.sh"
MANAGED = "app.kubernetes.io/managed-by=faultline.chaos"
# With a fixed tag, so that no registry is queried: the nodes of the test cluster hold these images; other clusters can pull them.
IMAGE = "busybox:1.35"
SHELL_LESS_IMAGE = "registry.k8s.io/pause:3.9"
SERVER = ["sh", "-c", "echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"]


def driver(*argv: str, timeout: float = 1200) -> subprocess.CompletedProcess:
    return subprocess.run([str(DRIVER), *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)


class Cluster:
    """The cluster that a kubeconfig points at. Methods whose name starts with wait fail with the last observed state."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self.api = config.new_client_from_config(kubeconfig)
        self.core, self.apps = client.CoreV1Api(self.api), client.AppsV1Api(self.api)
        self.batch, self.networking = client.BatchV1Api(self.api), client.NetworkingV1Api(self.api)
        # API discovery, which this client does by default, would cost some twenty requests.
        self.any = dynamic.DynamicClient(self.api, discoverer=lambda *_: None)
        self.made: list[str] = []

    def request(self, method: str, path: str, body: Any = None, query: dict | None = None, content: str = "application/json") -> Any:
        """One call of the API by its path, such as /api/v1/nodes; returns the answer as plain data."""
        headers = {"Accept": "application/json", "Content-Type": content}
        answer = self.any.request(
            method.lower(), path, body=body, query_params=list((query or {}).items()), header_params=headers, content_type=content, serialize=False
        )
        return json.loads(answer.data)

    def get(self, path: str) -> dict | None:
        """An object or a list as plain data; None when there is none."""
        try:
            return self.request("GET", path)
        except ApiException as e:
            if e.status == 404:
                return None
            raise

    # -- namespaces ----------------------------------------------------------------------------------------------

    def namespace(self, prefix: str = "faultline", labels: dict | None = None) -> str:
        """A new namespace, ready for pods."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.core.create_namespace({"metadata": {"name": name, "labels": labels or {}}})
        self.made.append(name)
        wait_until(lambda: self.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"), 30, f"{name} has its service account", 0.05)
        return name

    def delete_namespace(self, name: str) -> None:
        """Start the deletion of a namespace; see wait_gone()."""
        try:
            self.core.delete_namespace(name)
        except ApiException as e:
            if e.status not in (404, 409):
                raise

    def wait_gone(self, timeout: float = 120) -> None:
        """Delete the remaining namespaces of the tests, and wait until all are gone."""
        for name in self.made:
            self.delete_namespace(name)
        wait_until(lambda: not {n.metadata.name for n in self.core.list_namespace().items} & set(self.made), timeout, f"{self.made} are gone", 0.5)

    # -- workloads -----------------------------------------------------------------------------------------------

    def deployment(
        self,
        namespace: str,
        replicas: int = 3,
        name: str = "web",
        image: str = IMAGE,
        command: list[str] | None = None,
        labels: dict | None = None,
        annotations: dict | None = None,
        fake: bool = False,
        wait: bool = True,
        container: dict | None = None,
        pod: dict | None = None,
    ) -> list[dict]:
        """A Deployment whose pods serve "hello" on port 8080; returns its pods once all are ready.

        container, pod: more keys of the container and of the pod's spec. fake: on the fake nodes of the test cluster.
        """
        labels = {"app": name, **(labels or {})}
        own = {
            "name": "main",
            "image": image,
            "command": command or (SERVER if image == IMAGE else None),
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
            **(container or {}),
        }
        spec = {"terminationGracePeriodSeconds": 1, "containers": [{k: v for k, v in own.items() if v is not None}], **(pod or {})}
        if fake:
            spec.setdefault("nodeSelector", {"type": "fake"})
            spec.setdefault("tolerations", [{"key": "fake", "operator": "Exists"}])
        template = {"metadata": {"labels": labels, "annotations": annotations or {}}, "spec": spec}
        body = {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}}
        self.apps.create_namespaced_deployment(namespace, body)
        return self.wait_pods(namespace, replicas, f"app={name}") if wait else []

    def pods(self, namespace: str, selector: str = "") -> list[dict]:
        """The pods that are not being deleted."""
        found = self.request("GET", f"/api/v1/namespaces/{namespace}/pods", query={"labelSelector": selector} if selector else None)["items"]
        return [p for p in found if not p["metadata"].get("deletionTimestamp")]

    def wait_pods(self, namespace: str, count: int, selector: str = "", without: tuple[str, ...] = (), timeout: float = 60) -> list[dict]:
        """Wait until there are exactly `count` pods, all ready, none with a name in `without`."""
        seen: list[dict] = []

        def settled() -> bool:
            seen[:] = self.pods(namespace, selector)
            return len(seen) == count and all(is_ready(p) and p["metadata"]["name"] not in without for p in seen)

        try:
            wait_until(settled, timeout, f"{count} pods {selector} in {namespace} are ready", 0.1)
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + "\n".join(f"{p['metadata']['name']} {json.dumps(p.get('status'))}" for p in seen)) from None
        return seen

    def exec(self, namespace: str, pod: str, argv: list[str], container: str | None = None, timeout: float = 30) -> Result:
        """Run a program in a container; out and err apart, and its exit status (126: it could not be started)."""
        start = time.monotonic()
        more = {"container": container} if container else {}
        # a separate client, because stream() modifies it
        core = client.CoreV1Api(config.new_client_from_config(self.kubeconfig))
        ws = stream(
            core.connect_get_namespaced_pod_exec, pod, namespace, command=argv, stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False, **more
        )
        ws.run_forever(timeout=timeout)
        out, err = ws.read_stdout() or "", ws.read_stderr() or ""
        if ws.is_open():
            ws.close()
            return Result(124, out, f"{err}\ntimed out after {timeout} s", timeout)
        rc, why = _end(yaml.safe_load(ws.read_channel(ERROR_CHANNEL)) or {})
        return Result(rc, out, err + why, time.monotonic() - start, first_json(out))

    def reaches(self, namespace: str, pod: str, address: str, port: int = 8080) -> bool:
        """Whether a pod gets a TCP connection to an address."""
        # busybox: its "timeout" and "wget -T" misbehave in some versions, and its nc may not know -z
        return self.exec(namespace, pod, ["sh", "-c", 'exec nc -w 2 "$0" "$1" </dev/null', address, str(port)]).ok

    # -- the collection ------------------------------------------------------------------------------------------

    def playbook(self, tasks: list[dict], env: dict[str, str] | None = None, timeout: float = 300, scratch: Path | None = None) -> tuple[Result, list[dict]]:
        """Run tasks on localhost with KUBECONFIG set; returns the result of ansible-playbook and the results of the tasks, in order."""
        scratch = scratch or Path(os.environ.get("TMPDIR", "/tmp"))
        stem = scratch / f"faultline-{os.getpid()}-{time.monotonic_ns()}"
        play, events = Path(f"{stem}.yml"), Path(f"{stem}.json")
        play.write_text(yaml.safe_dump([{"name": "cluster", "hosts": "localhost", "gather_facts": False, "tasks": tasks}], sort_keys=False))
        argv = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            str(play),
        ]
        try:
            result = self._call(argv, {**events_env(events), **(env or {})}, timeout)
            return result, [e for e in read_events(events) if "result" in e]
        finally:
            play.unlink()
            events.unlink(missing_ok=True)

    def module(
        self,
        name: str,
        options: dict | None = None,
        check: bool = False,
        diff: bool = True,
        env: dict[str, str] | None = None,
        timeout: float = 120,
        task: dict | None = None,
    ) -> dict:
        """Run one module of the collection; returns its result. A failure has failed: true."""
        result, events = self.playbook([{**as_task("one", name, options or {}, check, diff), **(task or {})}], env, timeout)
        for event in events:
            return event["result"]
        raise AssertionError(f"{name} gave no result\n{result}")

    def _call(self, argv: list[str], env: dict[str, str], timeout: float) -> Result:
        start = time.monotonic()
        everything = {**os.environ, "KUBECONFIG": self.kubeconfig, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"), "LC_ALL": "C.UTF-8", **env}
        done = subprocess.run(
            argv, cwd=REPO, env=everything, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def as_task(name: str, module: str, options: dict, check: bool = False, diff: bool = True) -> dict:
    return {"name": name, module if "." in module else f"faultline.chaos.{module}": options, "check_mode": check, "diff": diff}


def is_ready(pod: dict) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def _end(status: dict) -> tuple[int, str]:
    """(exit status of an exec, the error message)."""
    if status.get("status") == "Success":
        return 0, ""
    causes = {c.get("reason"): c.get("message", "") for c in (status.get("details") or {}).get("causes") or []}
    return (int(causes["ExitCode"]), "") if causes.get("ExitCode", "").isdigit() else (126, str(status.get("message")))
