# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that a terminal would obey leave no module as they are; what the target compares with them stays exact."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, shown
from ansible_collections.faultline.chaos.plugins.module_utils._lifecycle import attack as lifecycle_attack, reading
from ansible_collections.faultline.chaos.plugins.modules import attack_info, revert
from ansible_collections.faultline.chaos.plugins.modules.process_freeze import ProcessFreeze
from tests.support.paths import PLUGINS
from tests.unit.support.lifecycle import Module, Touch

BAD = "\x1b\n\u202e\x9b"
NAME = f"fl{BAD}{os.getpid() % 10000}"  # at most 15 bytes
VICTIM = """
import sys, time
open("/proc/self/comm", "wb").write(sys.argv[1].encode())
print("ready", flush=True)
time.sleep(60)
"""


class Exit(Exception):
    pass


class Leaving(Module):
    """A module that is left with its result."""

    def exit_json(self, **result) -> None:
        raise Exit(result)

    def fail_json(self, **result) -> None:
        raise Exit({"failed": True, **result})


def left(function, *words) -> dict:
    with pytest.raises(Exit) as raised:
        function(*words)
    [result] = raised.value.args
    return result


def terminal(result: dict) -> None:
    """No character that a terminal obeys, and line ends only where there are lines."""
    told = json.dumps(result, ensure_ascii=False)
    assert "\\u202e" in told and "\\x9b" in told or "fl????" in told, "the name is told: by this module, or by an undo, which has no escapes"
    lines = {key: each for key, each in result.items() if key in ("diff", "undo_text")}
    for part, allowed in ((lines, "\n\t"), ({key: each for key, each in result.items() if key not in lines}, "")):
        for text in texts(part):
            assert "".join(each for each in text if not each.isprintable() and each not in allowed) == "", text


def texts(told) -> Iterator[str]:
    if isinstance(told, dict):
        told = [*told, *told.values()]
    if isinstance(told, list):
        for each in told:
            yield from texts(each)
    elif isinstance(told, str):
        yield told


@pytest.fixture
def modules(attack, bench, monkeypatch: pytest.MonkeyPatch):
    """Runs a module through its main()."""
    monkeypatch.setattr(attack_info, "Journal", lambda: bench.journal)
    monkeypatch.setattr(revert, "Journal", lambda: bench.journal)

    def run(main, *words, check_mode: bool = False, **params) -> dict:
        module = Leaving(bench, check_mode, **params)
        for where in (lifecycle_attack, attack_info, revert):
            monkeypatch.setattr(where, "AnsibleModule", lambda **_spec: module)
        try:
            return left(main, *words)
        finally:
            bench.journal.let_go()

    return run


@pytest.fixture
def victim() -> Iterator[subprocess.Popen]:
    child = subprocess.Popen([sys.executable, "-c", VICTIM, NAME], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


class NoUndo(ProcessFreeze):
    """Whose victims somebody stops again as soon as they go on."""

    def plan(self, before):
        plan = super().plan(before)
        plan.undo.steps.clear()
        return plan


def test_the_name_of_a_process_reaches_no_terminal(modules, bench, victim, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(victim.pid))
    none = dict.fromkeys(("name", "command_line", "user", "port", "interval"))
    freeze = {**none, "pid_file": str(tmp_path / "pid"), "count": 1, "order": "oldest", "children": False, "id": "f"}
    planned = modules(lifecycle_attack.run_attack, ProcessFreeze, check_mode=True, **freeze)
    terminal(planned)
    assert "\n" in planned["diff"]["before"] and "\n" in planned["undo_text"]
    active = modules(lifecycle_attack.run_attack, NoUndo, **freeze)
    terminal(active)
    name = NAME.encode("unicode_escape").decode()
    assert active["effect"]["frozen"][0]["name"] == name
    terminal(modules(lifecycle_attack.run_attack, NoUndo, **freeze))
    terminal(modules(attack_info.main, history=20))
    choice = {"id": "f", "run_id": None, "all": False, "accept_drift": False}
    reason = "still stopped: pid {} ({})".format(victim.pid, name.replace("\\x1b\\n\\u202e\\x9b", "????"))  # the script has replaced these
    stuck = modules(revert.main, **choice)
    terminal(stuck)
    assert stuck["failed"] and reason in stuck["stuck"][0]["reason"], stuck
    found = modules(attack_info.main, history=20)
    terminal(found)
    assert found["attacks"][0]["status"] == "stuck" and reason in found["attacks"][0]["reason"]
    absent = modules(lifecycle_attack.run_attack, NoUndo, **{**freeze, "state": "absent"})
    terminal(absent)
    assert absent["failed"]
    os.kill(victim.pid, signal.SIGCONT)
    assert modules(revert.main, **choice)["reverted"] == ["f"]


def test_what_the_target_compares_stays_exact(modules, bench, tmp_path: Path) -> None:
    path = str(tmp_path / f"mark{BAD}")
    told = modules(lifecycle_attack.run_attack, Touch, path=path, id="t")
    terminal(told)
    assert bench.journal.load("t")["resources"] == [f"file:{path}"] and bench.journal.effect("t")["asked"] == path
    again = modules(lifecycle_attack.run_attack, Touch, path=path, id="t")
    assert again["status"] == "active" and not again["changed"] and again["effect"] == told["effect"]
    held = modules(lifecycle_attack.run_attack, Touch, path=path, id="u")
    assert held["failed"] and "is held by the active attack t" in held["msg"]
    terminal(held)
    choice = {"id": "t", "run_id": None, "all": False, "accept_drift": False}
    assert modules(revert.main, **choice)["reverted"] == ["t"] and not os.path.exists(path)


def test_a_result_is_shown_whole_and_once() -> None:
    raw = {"a" + BAD: [BAD * 1000, 1, None, True, (1.5, BAD)], "diff": {"before": f"one\t{BAD}\n"}, "undo_text": "a\nb", "effect": {"stdout": "{\n}\r"}}
    told = shown(raw)
    escaped = BAD.encode("unicode_escape").decode()
    assert told["a" + escaped] == [escaped * 1000, 1, None, True, [1.5, escaped]] and told["undo_text"] == "a\nb"
    assert told["diff"]["before"] == "one\t" + escaped.replace("\\n", "\n") + "\n" and shown(told) == told
    assert told["effect"]["stdout"] == "{\n}\\r", "people parse the output of custom"
    assert AttackError("x", effect={"killed": [BAD]}).details == {"effect": {"killed": [escaped]}}


def test_a_reading_that_quotes_other_ends_of_lines_is_read() -> None:
    assert reading.parse("f", 'faultline f: reading {"in_place": false, "lost": "a\u2028b\x85c"}\n') == {"in_place": False, "lost": "a\u2028b\x85c"}


def test_every_result_leaves_through_it() -> None:
    """Except those that hold ids and times alone."""
    left_raw = []
    for path in [*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/**/*.py")]:
        text = path.read_text()
        for line in re.findall(r"^.*\.exit_json\(.*", text, re.MULTILINE):
            if "shown(" not in line and not re.search(r"result = shown\(", text) and path.stem not in ("lease", "k8s_lease"):
                left_raw.append(f"{path.name}: {line.strip()}")
    assert left_raw == []
