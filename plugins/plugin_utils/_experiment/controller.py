# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What the action plugins of an experiment read from Ansible: the variables of hosts, the results of a task, the user and the controller."""

from __future__ import annotations

import getpass
import json
import os
import socket
import traceback
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, visible
from ansible_collections.faultline.chaos.plugins.plugin_utils._report.clean import clean
from ansible_collections.faultline.chaos.plugins.plugin_utils._text import BAD, GOOD, PLAIN

Result = dict[str, Any]
_COLORS = {GOOD: C.COLOR_OK, BAD: C.COLOR_ERROR, PLAIN: None}
_CONNECTION = ("ansible_connection", "ansible_host", "ansible_port", "ansible_ssh_host", "ansible_ssh_port")
_COLLECTION_ROOT = Path(__file__).resolve().parents[2]

display = Display()


class ControllerAction(ActionBase):
    """An action that runs on the controller only. Every error becomes a failed result, which failed_when can override.

    failed_when does not see an exception that leaves an action plugin, and a run_once task that fails removes hosts from the play.
    """

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    arguments: Mapping[str, Any] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        result["changed"] = False
        try:
            given = self.validate_argument_spec(self.arguments)[1]
            result.update(self.work(given, task_vars or {}))
        except (AttackError, AnsibleError, OSError) as error:
            result.update(failed=True, msg=visible(str(error)))
        except Exception as error:
            result.update(failed=True, msg=visible(f"{type(error).__name__}: {error}"), exception=traceback.format_exc())
        return result

    @abstractmethod
    def work(self, given: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Result:
        """Does the work of the action and returns its result. May raise."""

    def say(self, line: str, mood: str = PLAIN) -> None:
        """Prints a line, with every stdout callback."""
        display.display(visible(line), color=_COLORS[mood])

    def warn(self, text: str | None) -> None:
        if text:
            display.warning(visible(text))

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)


def registered(task_vars: Mapping[str, Any], hosts: Iterable[str], name: str) -> dict[str, Result]:
    """The results that a task registered under this name, by host. Hosts on which it did not run are left out.

    They are cleaned, for a raw result is not plain data: since ansible-core 2.19 it holds the exception that failed_when suppressed.
    """
    hostvars = task_vars["hostvars"]
    found = {}
    for host in hosts:
        value = hostvars.raw_get(host).get(name) if host in hostvars else None
        if isinstance(value, Mapping):
            found[host] = clean(value)
    return found


def lost_hosts(task: Any) -> set[str]:
    """The hosts that failed or became unreachable before this task, in any play. The task must come from an include.

    Ansible computes ansible_play_hosts from the same list, but leaves out hosts that are not in this play.
    """
    return set(getattr(task.play, "_removed_hosts", ()))


def connection_variables(task_vars: Mapping[str, Any], host: str, local: bool = False) -> dict[str, Any]:
    """The variables that locate a host. local: the play has connection: local."""
    hostvars = task_vars["hostvars"]
    raw = hostvars.raw_get(host) if host in hostvars else {}
    found = {name: raw[name] for name in _CONNECTION if raw.get(name) is not None}
    for name, value in found.items():
        if isinstance(value, str) and "{" in value:
            try:
                found[name] = hostvars[host][name]
            except AnsibleError:
                pass  # Ansible reports it when it connects
    if local:
        found.setdefault("ansible_connection", "local")
    return found


def who_runs_this(task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The controller and its user, for the record."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    found = {"host": socket.gethostname(), "user": user, "ansible_version": ansible_version, "collection_version": collection_version()}
    job = task_vars.get("awx_job_id") or task_vars.get("tower_job_id")
    if job:
        found["awx_job_id"] = str(job)
    return found


@cache
def collection_version() -> str:
    """The version in the manifest of an installed collection, or in the galaxy.yml of a checkout."""
    try:
        return str(json.loads((_COLLECTION_ROOT / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        pass
    try:
        lines = (_COLLECTION_ROOT / "galaxy.yml").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("version:")), "unknown")


def temporary_directory() -> Path:
    """The private temporary directory of this ansible-playbook process, which Ansible removes at its end."""
    return Path(C.DEFAULT_LOCAL_TMP)


def report_directory(text: str) -> Path:
    """The absolute path. A relative one starts at the working directory of ansible-playbook."""
    return Path.cwd() / Path(text).expanduser()
