# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Runs an argument list on an inventory host, over the connection that Ansible itself would use.

Connection plugin, become plugin and their options come from the host's own variables, as they do for a delegated task. Nothing is
copied to the host, which needs no Python. One function builds the command line and quotes every word with shlex.
A connection object runs one command at a time; commands that run in parallel have separate ones.
"""

from __future__ import annotations

import math
import re
import secrets
import shlex
import threading
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from ansible import constants as C, context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar

from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Completed
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.local import kill, marked

# $0 is the token by which the watchdog finds the processes, $1 the seconds after which the host itself ends the command.
_BOUNDED = 'if command -v timeout >/dev/null 2>&1; then exec timeout -k 1 "$@" </dev/null; fi; shift; exec "$@" </dev/null'
_BECOME_NOISE = re.compile(r"\A.*?BECOME-SUCCESS-[a-z]+\r?\n", re.DOTALL)
_RETRY_KILL = 0.5
MOST_AT_ONCE = 4


class HostError(OSError):
    """The command could not be run on the host."""


class Watchdog:
    """Kills commands that exceed their timeout. It is one thread for all; a blocked exec_command returns when its process is dead."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._fired: set[str] = set()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def bound(self, token: str, timeout: float) -> Iterator[None]:
        """Kills the descendants with the token in their command line when the block exceeds its timeout. Errors: TimeoutError."""
        with self._change:
            self._due[token] = monotonic() + timeout
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="faultline-watchdog", daemon=True)
                self._thread.start()
            self._change.notify()
        try:
            yield
        except Exception as error:
            if token in self._fired:
                raise TimeoutError from error
            raise
        else:
            if token in self._fired:
                raise TimeoutError
        finally:
            with self._change:
                self._due.pop(token, None)
                self._fired.discard(token)

    def _watch(self) -> None:
        while True:
            with self._change:
                now = monotonic()
                overdue = [token for token, due in self._due.items() if due <= now]
                for token in overdue:
                    self._fired.add(token)
                    self._due[token] = now + _RETRY_KILL  # kill again, since some connection plugins retry
                if not overdue:
                    self._change.wait(min(self._due.values()) - now if self._due else None)
            for token in overdue:
                kill(marked(token))


class HostShells:
    """Makes a HostShell for a host. Call it in the main thread only: templating is not thread-safe."""

    def __init__(self, task_vars: t.Mapping[str, t.Any], task: t.Any, play_context: t.Any, loader: t.Any) -> None:
        self._hostvars, self._task, self._play_context, self._loader = task_vars["hostvars"], task, play_context, loader
        self._own = task.delegate_to or task_vars.get("inventory_hostname")
        self._watchdog = Watchdog()

    def knows(self, host: str) -> bool:
        """Whether the inventory has the host."""
        return host in self._hostvars

    def new(self, host: str) -> HostShell:
        """A shell on one host, not yet connected."""
        variables = dict(self._hostvars.raw_get(host))
        variables.setdefault("inventory_hostname", host)
        variables["hostvars"] = self._hostvars
        templar = Templar(loader=self._loader, variables=variables)
        # The keyword `connection` of the task applies to the task's own host only.
        connection = self._task.connection if host == self._own else None
        return HostShell(host, _Recipe(host, variables, templar, self._task, self._play_context, connection), self._watchdog)


class _Recipe:
    """Makes connections to the host. Everything that needs templating is done once."""

    def __init__(self, host: str, variables: dict[str, t.Any], templar: Templar, task: t.Any, play_context: t.Any, connection: str | None) -> None:
        self._host, self._variables, self._templar = host, variables, templar
        self._play_context = play_context.copy()
        self._play_context.remote_addr = self._value("ansible_host") or host
        self._plugin = self._value("ansible_connection") or connection or context.CLIARGS.get("connection") or C.DEFAULT_TRANSPORT
        if self._plugin == "smart":
            self._plugin = "ssh"
        self._play_context.connection = self._plugin
        become = self._value("ansible_become")
        self._become_method = None
        if boolean(become) if become is not None else task.become:
            self._become_method = self._value("ansible_become_method") or task.become_method or C.DEFAULT_BECOME_METHOD
        self.executable = self._value("ansible_shell_executable") or C.DEFAULT_EXECUTABLE
        self._keys = self._task_keys(task)
        self._options: dict[str, dict[str, t.Any]] = {}

    def _value(self, name: str) -> t.Any:
        return self._templar.template(self._variables[name]) if name in self._variables else None

    def _task_keys(self, task: t.Any) -> dict[str, t.Any]:
        """Keywords of the task that plugins read as options, without those that have another meaning for a plugin."""
        keys = dict(task.dump_attrs())
        keys.pop("retries", None)
        keys["timeout"] = self._play_context.timeout
        if self._play_context.password:
            keys["password"] = self._play_context.password
        if self._play_context.become_pass:
            keys["become_pass"] = self._play_context.become_pass
        return keys

    def _configure(self, kind: str, plugin: t.Any) -> None:
        name = plugin._load_name
        if kind not in self._options:
            wanted = [var for var in C.config.get_plugin_vars(kind, name) if var in self._variables]
            self._options[kind] = {var: self._value(var) for var in wanted}
            if kind == "connection":
                self._options[kind]["_extras"] = self._extras(plugin)
        plugin.set_options(task_keys=dict(self._keys), var_options=dict(self._options[kind]))

    def _extras(self, plugin: t.Any) -> dict[str, t.Any]:
        if not getattr(plugin, "allow_extras", False):
            return {}
        prefix = f"ansible_{plugin.extras_prefix}_"
        return {var: self._value(var) for var in self._variables if var.startswith(prefix)}

    def connection(self) -> t.Any:
        """A new connection object, not yet connected."""
        connection = connection_loader.get(self._plugin, self._play_context.copy(), new_stdin=None, task_uuid=None, ansible_playbook_pid="0")
        if connection is None:
            raise HostError(f"{self._host}: there is no connection plugin {self._plugin}")
        if getattr(connection._shell, "SHELL_FAMILY", "sh") == "powershell":
            raise HostError(f"{self._host}: probes on a host need a POSIX shell there")
        if self._become_method:
            become = become_loader.get(self._become_method)
            if become is None:
                raise HostError(f"{self._host}: there is no become plugin {self._become_method}")
            connection.set_become_plugin(become)
        self._configure("connection", connection)
        self._configure("shell", connection._shell)
        if connection.become is not None:
            self._configure("become", connection.become)
        return connection


class HostShell:
    """Runs commands on one host, from any thread. Until the first login succeeded, no second one begins."""

    def __init__(self, host: str, recipe: _Recipe, watchdog: Watchdog) -> None:
        self._host, self._recipe, self._watchdog = host, recipe, watchdog
        self._lock = threading.Lock()
        self._idle = [recipe.connection()]
        self._turns = threading.Semaphore(1)
        self._proven = False
        self._running: set[str] = set()

    def run(self, argv: list[str], timeout: float) -> Completed:
        """The command's status and output. Errors: TimeoutError; HostError when the command cannot be run."""
        deadline = monotonic() + timeout
        if not self._turns.acquire(timeout=timeout):
            raise TimeoutError
        try:
            return self._run(argv, max(0.001, deadline - monotonic()))
        except AnsibleConnectionFailure as error:
            raise HostError(f"{self._host} is unreachable: {_words(error)}") from error
        except AnsibleError as error:
            raise HostError(f"{self._host}: {_words(error)}") from error
        finally:
            self._turns.release()

    def _run(self, argv: list[str], timeout: float) -> Completed:
        token = f"faultline-{secrets.token_hex(8)}"
        with self._lock:
            connection = self._idle.pop() if self._idle else self._recipe.connection()
        self._running.add(token)
        try:
            with self._watchdog.bound(token, timeout):
                rc, stdout, stderr = self._execute(connection, token, argv, timeout)
        finally:
            self._running.discard(token)
        with self._lock:
            self._idle.append(connection)
            if not self._proven:
                self._proven = True
                self._turns.release(MOST_AT_ONCE - 1)
        return Completed(rc or 0, _BECOME_NOISE.sub("", to_text(stdout)).replace("\r\n", "\n"), to_text(stderr))

    def _execute(self, connection: t.Any, token: str, argv: list[str], timeout: float) -> tuple[int, bytes, bytes]:
        command = shlex.join(["/bin/sh", "-c", _BOUNDED, token, str(math.ceil(timeout) + 1), *argv])
        becoming = connection.become is not None and self._differs(connection)
        if becoming:
            command = connection.become.build_become_command(command, connection._shell)
        if connection.allow_executable and self._recipe.executable:
            command = f"{self._recipe.executable} -c {shlex.quote(command)}"
        # With input Ansible requests no terminal, which would mix the two outputs.
        pipes = connection.has_pipelining and (not becoming or getattr(connection.become, "pipelining", connection.become.name != "su"))
        ended: tuple[int, bytes, bytes] = connection.exec_command(command, in_data=b"\n" if pipes else None, sudoable=becoming)
        return ended

    @staticmethod
    def _differs(connection: t.Any) -> bool:
        """Whether to become another user. Ansible skips become for the same user, unless it is configured otherwise."""
        if C.config.get_config_value("BECOME_ALLOW_SAME_USER"):
            return True
        try:
            user = connection.get_option("remote_user")
        except KeyError:
            user = None
        user = user or connection.default_user or connection._play_context.remote_user
        wanted = connection.become.get_option("become_user")
        return wanted != user or not any((wanted, user))

    def close(self) -> None:
        """Kills the commands that still run. Their threads are not joined; they end with the process."""
        for token in list(self._running):
            kill(marked(token))


def _words(error: BaseException) -> str:
    """The line of an error that names the cause: the first for a failed become, else the last; from ssh's own message on, if it has one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = lines[0] if any(each.startswith(">>> ") for each in lines) else lines[-1]
    return line[max(0, line.rfind("ssh: ")) :][:200]
