# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access to the lab for tests: run commands on its hosts, switch their power, run playbooks and modules against them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.support import direct, fingerprint, legacy
from tests.support.paths import CHECKOUT

REPO = CHECKOUT
DRIVER = REPO / "roles" / "lab" / "files" / "lab.sh"


@dataclass
class Result:
    """The result of a command. `out` and `err` are its output as text, `json` its output as JSON (None if there is none)."""

    rc: int
    out: str
    err: str
    seconds: float
    json: Any = None

    @property
    def ok(self) -> bool:
        return self.rc == 0

    def __str__(self) -> str:
        return f"rc {self.rc} after {self.seconds:.1f} s\n{self.out[-3000:]}\n{self.err[-1000:]}"


@dataclass
class Play(Result):
    """The result of a playbook. `events` are those of callback/lab_events.py; `stats` counts per host as Ansible does."""

    events: list[dict] = field(default_factory=list)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)

    def results(self, task: str = "", host: str | None = None) -> list[dict]:
        """The results, in order, of the tasks whose name contains `task`."""
        return [e["result"] for e in self.events if "result" in e and task in e["task"] and host in (None, e["host"])]


class LabError(AssertionError):
    """A command that had to succeed did not."""


class Lab:
    """The lab as an operator has it. Hosts are named n1, n2 ...; every method blocks until it is done."""

    def __init__(self, directory: str | Path | None = None) -> None:
        self.dir = Path(directory or os.environ.get("FAULTLINE_LAB_DIR") or "/var/cache/faultline/lab")
        self.bin = Path(sys.executable).parent
        self.scratch = Path(tempfile.mkdtemp(prefix="faultline-lab-"))
        self.environment: dict[str, str] = {}  # additional variables for every started program, such as crash.environment()

    # -- the driver script ---------------------------------------------------------------------------------------

    def driver(self, *argv: str, check: bool = True, timeout: float = 900, **env: str) -> Result:
        """Call lab.sh with a verb and its arguments."""
        return self._call([str(DRIVER), *argv], check=check, timeout=timeout, env=env)

    def close(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def up(self, hosts: int = 3, **env: str) -> None:
        self.driver("up", str(hosts), **env)

    def exec(self, argv: list[str], check: bool = True, timeout: float = 60, **kw: Any) -> Result:
        """Run a command of this machine in the network of the lab, where the hosts are reachable by name and address."""
        return self._call([str(DRIVER), "exec", *argv], check=check, timeout=timeout, **kw)

    def local(self, argv: list[str], check: bool = True, timeout: float = 60, **kw: Any) -> Result:
        """Run a command of this machine outside of the lab."""
        return self._call(argv, check=check, timeout=timeout, **kw)

    def start(self, host: str) -> None:
        """Switch on and wait for ssh."""
        self.driver("start", number(host))

    def cut(self, host: str) -> None:
        """Pull the power cord."""
        self.driver("cut", number(host))

    def freeze(self, host: str) -> None:
        self.driver("freeze", number(host))

    def thaw(self, host: str) -> None:
        self.driver("thaw", number(host))

    def reset(self, host: str) -> None:
        """Switch on with a new disk."""
        self.driver("reset", number(host))

    def net_cut(self, host: str) -> None:
        """Unplug the network cable; power stays on."""
        self.driver("net-cut", number(host))

    def net_heal(self, host: str) -> None:
        self.driver("net-heal", number(host))

    def pid(self, host: str) -> int | None:
        """The pid on this machine of the process that runs the host; None when it is off."""
        r = self.driver("pid", number(host), check=False)
        return int(r.out) if r.ok else None

    def state(self, host: str) -> str:
        """up, frozen, no-ssh or off."""
        for line in self.driver("status").out.splitlines():
            if line.split()[0] == host:
                return line.split()[2]
        return "off"

    # -- on a host -----------------------------------------------------------------------------------------------

    def run(
        self, host: str, command: str | list[str], check: bool = True, timeout: float = 60, user: str = "root", stdin: str | None = None, shared: bool = True
    ) -> Result:
        """Run a shell line (str) or a program (list, quoted for you) on a host over ssh. rc 255: no connection.

        shared: reuse the connection of earlier calls, which is quick; a connection of its own proves that ssh works.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        own = [] if shared else ["-o", "ControlPath=none", "-o", "ConnectTimeout=2"]
        argv = ["ssh", "-F", str(self.dir / "ssh_config"), *own, "-l", user, address(host), line]
        return self._call(argv, check=check, timeout=timeout, stdin=stdin)

    def send(self, host: str, path: Path, line: str) -> None:
        """Run a shell line on a host whose standard input is a file of this machine."""
        argv = ["ssh", "-F", str(self.dir / "ssh_config"), "-l", "root", address(host), line]
        with path.open("rb") as file:
            subprocess.run(argv, stdin=file, env=self._env(None), capture_output=True, timeout=120, check=True)

    def write(self, host: str, path: str, text: str, mode: str = "0644") -> None:
        """Write a file on a host."""
        self.run(host, f"cat >{shlex.quote(path)} && chmod {mode} {shlex.quote(path)}", stdin=text)

    def read(self, host: str, path: str) -> str:
        return self.run(host, ["cat", path]).out

    def fingerprint(self, host: str) -> dict[str, list[str]]:
        """The fingerprint of a host by section, see fingerprint.py. Compare two with compare()."""
        return fingerprint.parse(self.run(host, "python3 -", stdin=fingerprint.SCRIPT).out)

    def boot_id(self, host: str) -> str:
        return self.read(host, "/proc/sys/kernel/random/boot_id").strip()

    def answers(self, host: str) -> bool:
        """Whether the ssh server of the host answers, over a connection of its own."""
        return self.run(host, "true", check=False, timeout=10, shared=False).ok

    def ready(self, host: str) -> str:
        """Bring a host into the state that tests expect: on, running, cable plugged in. A new disk is the last resort."""
        if self.run(host, "true", check=False, timeout=10).ok:
            return host
        self.net_heal(host)
        if self.state(host) == "frozen":
            self.thaw(host)
        self.driver("start", number(host), check=False)
        if not self.answers(host):
            self.reset(host)
        return host

    def wait_ssh(self, host: str, timeout: float = 60) -> float:
        """Wait until ssh answers; returns the seconds it took."""
        return wait_until(lambda: self.answers(host), timeout, f"{host} answers ssh")

    def wait_reboot(self, host: str, boot_id: str, timeout: float = 120) -> float:
        """Wait until the host answers with another boot id."""

        def rebooted() -> bool:
            r = self.run(host, "cat /proc/sys/kernel/random/boot_id", check=False, timeout=10, shared=False)
            return r.ok and r.out.strip() != boot_id

        return wait_until(rebooted, timeout, f"{host} has rebooted")

    def wait_off(self, host: str, timeout: float = 60) -> float:
        """Wait until the host has switched itself off."""
        return wait_until(lambda: self.pid(host) is None, timeout, f"{host} is off")

    # -- Ansible -------------------------------------------------------------------------------------------------

    def playbook(
        self,
        play: str | Path | list | dict,
        extra_vars: dict | None = None,
        *args: str,
        env: dict[str, str] | None = None,
        check: bool = False,
        diff: bool = False,
        ansible: str | Path | None = None,
        inventory: str | Path | None = None,
        limit: str | None = None,
        hosts: tuple[str, ...] = (),
        timeout: float = 600,
        must_succeed: bool = False,
    ) -> Play:
        """Run a playbook inside the network of the lab.

        play: a path, an FQCN (faultline.chaos.halt), YAML text, or the list of plays itself. ansible: a directory with
        ansible-playbook, when not the one of this Python (another venv's bin). hosts: lab hosts besides n1 to n3 to add to
        the inventory, such as the plain one. Never fails on its own unless must_succeed.
        """
        argv = self.playbook_argv(play, extra_vars, *args, check=check, diff=diff, ansible=ansible, inventory=inventory, limit=limit, hosts=hosts)
        events = self._scratch("events.json")
        r = self._call(argv, check=False, timeout=timeout, env={**(env or {}), **events_env(events)})
        out = Play(r.rc, r.out, r.err, r.seconds, r.json, read_events(events))
        out.stats = next((e["stats"] for e in out.events if e["event"] == "stats"), {})
        events.unlink(missing_ok=True)
        if must_succeed and r.rc:
            raise LabError(f"{' '.join(argv)}\n{out}")
        return out

    def playbook_argv(
        self,
        play: str | Path | list | dict,
        extra_vars: dict | None = None,
        *args: str,
        check: bool = False,
        diff: bool = False,
        ansible: str | Path | None = None,
        inventory: str | Path | None = None,
        limit: str | None = None,
        hosts: tuple[str, ...] = (),
    ) -> list[str]:
        """The command line of playbook(), for tests that start it themselves (popen) and kill it half way."""
        argv = [str(DRIVER), "exec", str(Path(ansible or self.bin) / "ansible-playbook"), "-i", str(inventory or REPO / "inventories" / "lab")]
        if hosts:
            argv += ["-i", self._inventory(hosts)]
        if legacy.ASKED_FOR:
            argv += ["-i", self._legacy_inventory()]
        if extra_vars:
            argv += ["-e", json.dumps(extra_vars)]
        argv += ["--check"] * check + ["--diff"] * diff + (["--limit", limit] if limit else []) + list(args)
        return [*argv, self._play_file(play)]

    def popen(self, argv: list[str], env: dict[str, str] | None = None, **kw: Any) -> subprocess.Popen:
        """Start a command line of playbook_argv() in a process group of its own and return at once."""
        kw = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **kw}
        return subprocess.Popen(argv, cwd=REPO, env=self._env(env), stdin=subprocess.DEVNULL, start_new_session=True, **kw)

    def module(
        self,
        host: str,
        name: str,
        args: dict | None = None,
        check: bool = False,
        diff: bool = False,
        become: bool = False,
        user: str = "root",
        env: dict[str, str] | None = None,
        ansible: str | Path | None = None,
        timeout: float = 120,
        task: dict | None = None,
    ) -> dict:
        """Run one module (or action) on one host; returns its result. A failure has failed: true, a lost host unreachable: true.

        task: more task keywords, such as {"vars": {...}, "timeout": 5}. Modules that need no controller run without one: see direct.py.
        """
        if direct.serves(name) and user == "root" and not (become or env or ansible or task or legacy.ASKED_FOR):
            return direct.run(self, host, name, args or {}, check, diff, timeout=timeout)
        as_the_inventory_says = legacy.ASKED_FOR and user == "root"
        play = [
            {
                "name": "one",
                "hosts": host,
                "gather_facts": False,
                "become": become,
                "vars": {} if as_the_inventory_says else {"ansible_user": user, "ansible_become": become},
                "tasks": [{"name": "one", name: args or {}, "check_mode": check, "diff": diff, **(task or {})}],
            }
        ]
        p = self.playbook(play, env=env, ansible=ansible, timeout=timeout, hosts=beyond_the_inventory(host))
        for result in p.results("one", host):
            return result
        raise LabError(f"{name} on {host} gave no result\n{p}")

    def _play_file(self, play: str | Path | list | dict) -> str:
        if isinstance(play, (list, dict)):
            play = yaml.safe_dump([play] if isinstance(play, dict) else play, sort_keys=False)
        if isinstance(play, Path) or "\n" not in play:
            return str(play)
        path = self._scratch("play.yml")
        path.write_text(play)
        return str(path)

    def _inventory(self, hosts: tuple[str, ...]) -> str:
        path = self._scratch("hosts.ini")
        path.write_text(
            "".join(
                f"{h} ansible_host={address(h)} ansible_user=root ansible_python_interpreter=/usr/bin/python3 faultline_power=lab"
                f" ansible_ssh_common_args='-F {self.dir}/ssh_config'\n"
                for h in hosts
            )
        )
        return str(path)

    def _legacy_inventory(self) -> str:
        path = self.scratch / "legacy.ini"
        path.write_text("".join(f"n{i} {legacy.VARS}\n" for i in range(1, 5)))
        return str(path)

    def _scratch(self, name: str) -> Path:
        """A new path in the scratch directory, which close() removes."""
        return self.scratch / f"{time.monotonic_ns()}-{name}"

    def _env(self, env: dict[str, str] | None) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
            "FAULTLINE_LAB_DIR": str(self.dir),
            "LC_ALL": "C.UTF-8",
            **self.environment,
            **(env or {}),
        }

    def _call(self, argv: list[str], check: bool, timeout: float, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
        start = time.monotonic()
        try:
            p = subprocess.run(
                argv,
                cwd=REPO,
                env=self._env(env),
                input=stdin,
                stdin=None if stdin is not None else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
            r = Result(p.returncode, p.stdout, p.stderr, time.monotonic() - start)
        except subprocess.TimeoutExpired as e:
            r = Result(124, _text(e.stdout), f"{_text(e.stderr)}\ntimed out after {timeout} s", timeout)
        r.json = first_json(r.out)
        if check and r.rc:
            raise LabError(f"{' '.join(argv)}\n{r}")
        return r


def events_env(path: Path) -> dict[str, str]:
    """Environment that makes ansible-playbook write its events to a file; the usual output stays as it is."""
    return {
        "FAULTLINE_LAB_EVENTS": str(path),
        "ANSIBLE_CALLBACKS_ENABLED": "lab_events",
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests/lab/callback"),
        "ANSIBLE_NOCOLOR": "1",
    }


def read_events(path: Path) -> list[dict]:
    """The events so far, without an incomplete last line."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def number(host: str) -> str:
    m = re.fullmatch(r"n(\d+)", host)
    if not m:
        raise ValueError(f"{host} is no lab host")
    return m.group(1)


def beyond_the_inventory(host: str) -> tuple[str, ...]:
    """For playbook(hosts=...): the host, unless it is in the inventory of the lab."""
    return () if host in ("n1", "n2", "n3") else (host,)


def address(host: str) -> str:
    return f"{os.environ.get('FAULTLINE_LAB_NET') or '10.77.0'}.{10 + int(number(host))}"


def first_json(text: str) -> Any:
    """The JSON object in a text, None when there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except ValueError:
        return None


def wait_until(what: Any, timeout: float, text: str, interval: float = 0.2) -> float:
    """Poll what() until it is true; returns the seconds it took, fails after timeout."""
    start = time.monotonic()
    while True:
        if what():
            return time.monotonic() - start
        if time.monotonic() - start > timeout:
            raise LabError(f"not within {timeout} s: {text}")
        time.sleep(interval)


def _text(data: Any) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else data or ""
