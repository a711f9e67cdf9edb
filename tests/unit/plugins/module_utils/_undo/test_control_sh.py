# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""control.sh, the halt button on the host, under every shell that a target may have as /bin/sh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import uptime
from ansible_collections.faultline.chaos.plugins.module_utils._undo.control_sh import CONTROL
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Run, Undo

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
FAILING = Undo([Run("x", ["false"])])


def active(bench) -> list[str]:
    return bench.journal.ids()


@pytest.fixture
def control(bench, shell):
    return lambda *words: bench.sh(shell, bench.state / "control.sh", *words)


def test_usage_and_unknown_words(bench, control) -> None:
    bench.publish("a")
    for words in ((), ("destroy",)):
        done = control(*words)
        assert done.returncode == 2
        assert "revert-all" in done.stdout and "#" not in done.stdout.splitlines()[0]
    assert control("revert").returncode != 0
    assert active(bench) == ["a"]


def test_list(bench, control) -> None:
    bench.publish("a", seconds=61)
    bench.publish("b", FAILING, seconds=-10)
    control("revert", "b")
    lines = control("list").stdout.splitlines()
    assert lines[0] in ("a due in 60 s", "a due in 59 s") and lines[1].startswith("b due in -1") and lines[1].endswith(" STUCK")


def test_revert_one(bench, control) -> None:
    bench.publish("a")
    bench.publish("b")
    done = control("revert", "a")
    assert (done.returncode, done.stdout) == (0, "faultline a: reverted\n")
    assert active(bench) == ["b"]
    done = control("revert", "a")
    assert done.returncode == 3 and "not active here" in done.stderr


def test_revert_all_undoes_the_good_ones_and_is_loud_about_the_bad(bench, control, tmp_path: Path) -> None:
    for attack_id in ("a", "c", "e"):
        bench.publish(attack_id)
    bench.publish("b", FAILING)
    (bench.publish("d") / "revert.sh").write_text(f"touch {tmp_path}/pwned\n")
    (bench.publish("f") / "revert.sh").unlink()
    done = control("revert-all")
    assert done.returncode in (4, 5)
    assert active(bench) == ["b", "d", "f"]
    for attack_id in ("d", "f"):
        assert f"faultline {attack_id}: damaged" in done.stderr
    assert not (tmp_path / "pwned").exists()


def test_revert_all_tells_what_it_cannot_reach(bench, control) -> None:
    """Somebody keeps a copy of a journal under another name, or deletes it: halt was green, and the effect stayed."""
    for each in ("a", "b", "c"):
        bench.publish(each)
    (bench.state / "a").rename(bench.state / "a.bak")
    shutil.rmtree(bench.state / "b")
    done = control("revert-all")
    assert done.returncode == 5 and done.stdout == "faultline c: reverted\n"
    assert f"{bench.state}/a.bak is a journal under another name: give it its own again: a\n" in done.stderr
    for each in ("a", "b"):
        assert f"faultline {each}: it began at 2026-01-01T00:00:00Z, has not ended, and its journal is gone" in done.stderr
    assert "faultline c: it began" not in done.stderr


def test_one_that_hangs_does_not_delay_the_others(bench, control) -> None:
    bench.publish("a", Undo([Run("x", ["sleep", "2"])]))
    bench.publish("b")
    begin = time.monotonic()
    watch = threading.Thread(target=control, args=("revert-all",))
    watch.start()
    while "b" in active(bench) and time.monotonic() - begin < 2:
        time.sleep(0.05)
    assert active(bench) == ["a"]
    watch.join()
    assert active(bench) == []


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nid=a\n: cut\n"], ids=["empty", "cut"])
def test_where_nothing_makes_checksums_a_cut_undo_is_told_all_the_same(bench, shell, tmp_path: Path, text: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cat", "sh", "rm", "mv", "date", "flock", "sed", "sort", "timeout"):
        (tools / name).symlink_to(shutil.which(name))
    (bench.publish("a") / "revert.sh").write_text(text)
    control = bench.state / "control.sh"
    control.write_text(re.sub(r"^PATH=\S+", f"PATH={tools}", control.read_text(), flags=re.MULTILINE))
    done = bench.sh(shell, control, "revert-all")
    assert done.returncode == 5 and "damaged" in done.stderr, done
    assert active(bench) == ["a"]


def test_nothing_active_is_no_error(bench, control) -> None:
    bench.publish("a")
    assert control("revert-all").returncode == 0
    assert control("revert-all").returncode == 0
    assert control("sweep").returncode == 0
    assert control("list").stdout == ""


def test_sweep_takes_what_is_overdue_or_from_before_a_reboot(bench, control) -> None:
    bench.publish("due", seconds=-1)
    bench.publish("later", seconds=60)
    bench.publish("rebooted", seconds=60, boot_id=OTHER_BOOT)
    (bench.publish("unreadable", seconds=60) / "deadline").write_text("?")
    (bench.state / "lost+found").mkdir()
    done = control("sweep")
    assert done.returncode == 0, done.stderr
    assert active(bench) == ["later"]
    assert {each["by"] for each in bench.history()} == {"sweep"}


def test_sweep_is_loud_about_what_it_cannot_undo(bench, control) -> None:
    bench.publish("a", FAILING, seconds=-1)
    bench.publish("b", seconds=-1)
    assert control("sweep").returncode == 4
    assert active(bench) == ["a"]


def deadline(bench, attack_id: str = "a") -> int:
    return int((bench.state / attack_id / "deadline").read_text())


def left(bench) -> int:
    """What is left of attack "a", in hundredths of a second: the kernel counts in these, and a float of seconds is not exact."""
    return deadline(bench) - round(uptime() * 100)


def test_renew(bench, control) -> None:
    bench.publish("a", seconds=5, limit=60, run_id="r")
    bench.publish("b", seconds=5, limit=60, run_id="other")
    before = deadline(bench, "b")
    renewed = control("renew", "r", "30")
    assert (renewed.returncode, renewed.stdout) == (0, "a 30\n")
    assert 2800 < left(bench) <= 3000
    assert deadline(bench, "b") == before
    assert control("renew", "r", "08").returncode == 0
    assert left(bench) > 2500, "never back"
    assert control("renew", "r", "86400").stdout in ("a 60\n", "a 59\n", "a 58\n")
    assert deadline(bench) == int((bench.state / "a" / "limit").read_text()), "never beyond the duration"
    assert sorted(path.name for path in (bench.state / "a").glob(".*")) == []


@pytest.mark.parametrize("seconds", ["", "-5", "x", "5s", "1.5", "$(id)"])
def test_renew_refuses_what_is_no_number(bench, control, seconds: str) -> None:
    bench.publish("a", seconds=5, limit=60, run_id="r")
    before = deadline(bench)
    assert control("renew", "r", seconds).returncode == 2
    assert deadline(bench) == before


def test_renew_nothing(bench, control) -> None:
    bench.publish("a", seconds=-1, limit=60, run_id="past")
    bench.publish("b", seconds=5, limit=60)
    (bench.publish("c", seconds=5, limit=60, run_id="damaged") / "deadline").write_text("9999999999999")
    for run in ("past", "unknown", "damaged", "*"):
        assert control("renew", run, "30").returncode == 3, run


def test_renew_by_many_at_once_never_shortens(bench, shell) -> None:
    """Two that wrote one temporary file could leave an empty deadline, which means now."""
    bench.publish("a", seconds=30, limit=60, run_id="r")
    children = [bench.start([*shell, bench.state / "control.sh", "renew", "r", "40"]) for _each in range(8)]
    while any(child.poll() is None for child in children):
        assert left(bench) > 2000
    assert [child.wait() for child in children] == [0] * 8


def test_a_state_directory_with_a_space(bench, shell, tmp_path: Path) -> None:
    bench.journal.path = str(tmp_path / "home of $me" / "state")
    bench.publish("a", seconds=-1, run_id="r")
    assert bench.sh(shell, bench.state / "control.sh", "list").stdout.startswith("a due")
    done = bench.sh(shell, bench.state / "control.sh", "sweep")
    assert done.returncode == 0, done.stderr
    assert active(bench) == []


def test_tidy_of_another_state_directory_leaves_the_system_alone(bench, control) -> None:
    """Root's units and cron lines belong to root's own state directory."""
    assert '[ "$state" = /var/lib/faultline ]' in CONTROL
    bench.publish("a")
    assert control("tidy").returncode == 0
    assert control("revert-all").returncode == 0


# --- the system's state directory, with everything around it replaced ------------------------------------------------

FAKE_SYSTEMCTL = """#!/bin/sh
echo "$*" >>%s/calls
[ "$1" != list-units ] || cat %s/units
"""


@pytest.fixture
def system(bench, tmp_path: Path):
    """Runs the control.sh of a made-up system: its state directory, unit directory, cron directory and systemctl are below tmp_path."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(FAKE_SYSTEMCTL % (tmp_path, tmp_path))
    (tools / "systemctl").chmod(0o755)
    (tmp_path / "units").write_text("")
    (tmp_path / "calls").write_text("")
    for name in ("etc/multi-user.target.wants", "cron.d", "run"):
        (tmp_path / name).mkdir(parents=True)

    def replaced(text: str) -> str:
        for old, new in (
            ("/var/lib/faultline", bench.journal.path),
            ("/etc/systemd/system", f"{tmp_path}/etc"),
            ("/etc/cron.d", f"{tmp_path}/cron.d"),
            ("/run/systemd/system", f"{tmp_path}/run"),
            ("PATH=/usr/local/sbin", f"PATH={tools}:/usr/local/sbin"),
            ('"$(id -u)" = 0', "0 = 0"),
            ("limit 10", "limit 1"),
        ):
            text = text.replace(old, new)
        return text

    def call(shell: list[str], *words: str) -> subprocess.CompletedProcess:
        (bench.state / "control.sh").write_text(replaced(CONTROL))
        return bench.sh(shell, bench.state / "control.sh", *words)

    return call


def recovery_files(tmp_path: Path) -> list[str]:
    files = ["etc/faultline-recover.service", "etc/multi-user.target.wants/faultline-recover.service", "cron.d/faultline"]
    for name in files:
        (tmp_path / name).write_text("")
    return files


def test_tidy_removes_recovery_with_the_last_attack(bench, shell, system, tmp_path: Path) -> None:
    files = recovery_files(tmp_path)
    (tmp_path / "etc" / "other.service").write_text("")
    bench.publish("a")
    assert system(shell, "tidy").returncode == 0
    assert all((tmp_path / name).exists() for name in files), "one is still active"
    shutil.rmtree(bench.state / "a")
    assert system(shell, "tidy").returncode == 0
    assert not any((tmp_path / name).exists() for name in files)
    assert (tmp_path / "etc" / "other.service").exists()
    assert "stop faultline-sweep.timer" in (tmp_path / "calls").read_text()


def test_tidy_never_takes_recovery_from_an_attack_that_is_beginning(bench, shell, system, tmp_path: Path) -> None:
    bench.publish("a")
    shutil.rmtree(bench.state / "a")
    files = recovery_files(tmp_path)
    with bench.journal.locked():
        assert system(shell, "tidy").returncode == 0
        assert all((tmp_path / name).exists() for name in files)


def test_a_systemctl_that_hangs_does_not_keep_the_lock_for_ever(bench, shell, system, tmp_path: Path) -> None:
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    bench.publish("a")
    shutil.rmtree(bench.state / "a")
    began = time.monotonic()
    assert system(shell, "tidy").returncode == 0
    assert time.monotonic() - began < 30


def test_sweep_ends_dead_men_whose_attack_is_gone(bench, shell, system, tmp_path: Path) -> None:
    bench.publish("a")
    (tmp_path / "units").write_text(
        "faultline-a.timer loaded active waiting x\nfaultline-gone.timer loaded active waiting x\n"
        "\u25cf faultline-gone.service loaded failed failed x\nfaultline-recover.service loaded activating start x\n"
        "faultline-sweep.service loaded active running x\n"
    )
    assert system(shell, "sweep").returncode == 0
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if line.split()[0] in ("stop", "reset-failed")]
    assert calls == ["stop faultline-gone.timer", "reset-failed faultline-gone.timer", "stop faultline-gone.service", "reset-failed faultline-gone.service"]


# --- the text -----------------------------------------------------------------------------------------------------


def test_shellcheck(bench, tmp_path: Path) -> None:
    tool = shutil.which("shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not tool:
        pytest.skip("shellcheck is not installed")
    (tmp_path / "control.sh").write_text(CONTROL)
    (tmp_path / "revert.sh").write_text(bench.record("a", FAILING)["script"])
    # 2086: words that are meant to be split. 2329: not every undo uses every function.
    done = subprocess.run(
        [tool, "--shell=sh", "--exclude=SC2086,SC2329,SC2317", "control.sh", "revert.sh"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_readable_by_every_shell(bench, shell) -> None:
    bench.publish("a")
    assert bench.sh([*shell, "-n"], bench.state / "control.sh").returncode == 0
