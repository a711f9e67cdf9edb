# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""revert.sh, run for real under every shell that a target may have as /bin/sh."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time, uptime
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import OnlyOurFilters
from ansible_collections.faultline.chaos.plugins.module_utils._undo.recovery import Missing
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Alive, Exists, Fails, Gone, KillGroup, OutputHas, Run, SameBoot, Undo, When

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"


def counting(path: Path) -> Undo:
    """Each undo appends a line."""
    return Undo([Run("count", ["python3", "-c", f"open({str(path)!r}, 'a').write('x')"])])


def ended(child: subprocess.Popen, seconds: float = 5) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_undone_and_in_the_history(bench, shell, tmp_path: Path) -> None:
    directory = bench.publish("a", counting(tmp_path / "n"), run_id="r")
    done = bench.sh(shell, directory / "revert.sh")
    assert (done.returncode, done.stdout) == (0, "faultline a: reverted\n")
    assert not directory.exists() and not list(bench.state.glob(".gone*"))
    (last,) = bench.history()
    assert (last["id"], last["run_id"], last["by"], last["result"]) == ("a", "r", "hand", "reverted")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", last["ended"])


def test_three_at_once_one_acts(bench, shell, tmp_path: Path) -> None:
    undo = counting(tmp_path / "n")
    undo.steps.append(Run("slow", ["sleep", "0.5"]))
    script = bench.publish("a", undo) / "revert.sh"
    children = [bench.start([*shell, script, how]) for how in ("hand", "sweep", "module")]
    (bench.state / "a" / "deadline").write_text("0\n")
    ends = [child.communicate(timeout=20) + (child.returncode,) for child in children]
    assert (tmp_path / "n").read_text() == "x"
    assert sum("reverted" in out for out, _err, _rc in ends) == 1, ends
    assert {rc for _out, _err, rc in ends} <= {0, 2, 127}, ends  # 2, 127: the script was gone before that shell had opened it
    assert len(bench.history()) == 1


def test_without_flock_too(bench, shell, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cat", "sha256sum", "rm", "mv", "date", "ln", "readlink", "id", "sleep", "timeout", "python3", "sed", "sort", "sh"):
        (tools / name).symlink_to(next(Path(d) / name for d in os.environ["PATH"].split(":") if (Path(d) / name).exists()))
    undo = counting(tmp_path / "n")
    undo.steps.append(Run("slow", ["sleep", "0.5"]))
    script = bench.publish("a", undo, edit=lambda text: re.sub(r"(?m)^PATH=\S+", f"PATH={tools}", text)) / "revert.sh"
    kept = tmp_path / "kept.sh"
    kept.write_text(script.read_text())
    children = [bench.start([*shell, kept, how]) for how in ("hand", "module", "timer")]
    (bench.state / "a" / "deadline").write_text("0\n")
    ends = [child.communicate(timeout=20) + (child.returncode,) for child in children]
    assert [rc for _out, _err, rc in ends] == [0, 0, 0], ends
    assert (tmp_path / "n").read_text() == "x"


def test_a_dead_holder_of_the_lock_without_flock_is_no_holder(bench, shell, tmp_path: Path) -> None:
    directory = bench.publish("a", counting(tmp_path / "n"), edit=lambda text: text.replace("command -v flock", "false"))
    (directory / "undoing").symlink_to(f"{os.getpid()} 1")
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert (tmp_path / "n").read_text() == "x"


def soon(text: str) -> str:
    """Its first pause before it tries again is 2 s instead of 5."""
    assert "\n    pause=5\n" in text
    return text.replace("\n    pause=5\n", "\n    pause=2\n")


def test_a_stuck_undo_is_loud_kept_and_retried(bench, shell, tmp_path: Path) -> None:
    go = tmp_path / "go"
    directory = bench.publish("a", Undo([Run("y", ["test", "-e", str(go)]), Run("x", ["touch", str(tmp_path / "second")])]), seconds=0, edit=soon)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 4
    assert "rc 1 from: test -e" in done.stderr
    assert "rc 1 from: test -e" in (directory / "stuck").read_text()
    assert (tmp_path / "second").exists(), "a failing step must not keep the next from being done"
    assert bench.history() == []
    timer = bench.start([*shell, directory / "revert.sh", "timer"])
    time.sleep(1)
    go.touch()
    assert ended(timer, 10) and timer.returncode == 0
    assert bench.history()[0]["by"] == "timer"


def test_what_is_left_is_told(bench, shell, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    directory = bench.publish("a", Undo([], [Gone("the mark", [Exists(str(mark))])]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert "still there: the mark" in (directory / "stuck").read_text() and "accept_drift" not in (directory / "stuck").read_text()
    mark.unlink()
    assert bench.sh(shell, directory / "revert.sh").returncode == 0


def test_what_is_still_missing_is_not_told_as_there(bench, shell, tmp_path: Path) -> None:
    """Before: "still there: no FILE"."""
    directory = bench.publish("a", Undo([], [Gone(f"{tmp_path}/x", [Fails(["test", "-e", f"{tmp_path}/x"])], "missing")]))
    done = bench.sh(shell, directory / "revert.sh")
    assert (done.returncode, done.stderr) == (4, f"faultline a: still missing: {tmp_path}/x\n")


def test_drift_is_told_and_kept_until_accepted(bench, shell, tmp_path: Path) -> None:
    state = tmp_path / "setting"
    state.write_text("b 12\n\na  \n")
    undo = Undo()
    undo.same("setting", ["cat", str(state)], bench.host.output(["cat", str(state)], ["b"]), counters=["b"])
    directory = bench.publish("a", undo)
    state.write_text("a\nc\n")
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 6
    assert "differs from before: setting" in (directory / "stuck").read_text()
    assert (directory / "stuck").read_text().endswith("now:\na\nc\nto close it: revert with accept_drift: true (id a)\n")
    done = bench.sh(shell, directory / "revert.sh", "module", "accept")
    assert (done.returncode, done.stdout) == (0, "faultline a: drifted\n")
    assert bench.history()[0]["result"] == "drifted"


def test_the_same_state_compares_equal(bench, shell, tmp_path: Path) -> None:
    text = "z refcnt 2 x refcnt 3\n\n b \t\nünï\u2028x\x85\n\x1cq\x1c\r\n  é\n" + "a\nB\n_\n9\n~\n{\n"
    (tmp_path / "before").write_bytes(text.encode())
    (tmp_path / "now").write_bytes("".join(line + "\n" for line in reversed(text.replace("refcnt 2", "refcnt 77").split("\n"))).encode())
    name = tmp_path / "name"
    name.symlink_to(tmp_path / "before")
    undo = Undo()
    undo.same("x", ["cat", str(name)], bench.host.output(["cat", str(name)], ["refcnt"]), counters=["refcnt"])
    directory = bench.publish("a", undo)
    name.unlink()
    name.symlink_to(tmp_path / "now")
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr


def test_a_question_that_fails_is_no_answer(bench, shell) -> None:
    """A broken tool must not look like "nothing is there": the undo would be skipped and called reverted."""
    for number, (guard, step) in enumerate(
        [(OutputHas(["false"], "x"), "step"), (OnlyOurFilters(["false"]), "step"), (OutputHas(["/nonexistent/tc"], "x"), "check")]
    ):
        undo = Undo([Run("x", ["true"], [guard])]) if step == "step" else Undo([], [Gone("x", [guard])])
        directory = bench.publish(f"a{number}", undo)
        assert bench.sh(shell, directory / "revert.sh").returncode == 4, guard
        assert "from: " in (directory / "stuck").read_text()
    undo = Undo()
    undo.same("nothing, and now no answer", ["false"], "")
    assert bench.sh(shell, bench.publish("b", undo) / "revert.sh").returncode == 4


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        ("", True),
        ("filter protocol ip pref 47001 u32 chain 0 fh 800: ht\n  match 0/0 at 0\n", True),
        ("filter protocol ip pref 47001 u32\nfilter protocol ip pref 10 u32\n", False),
        ("filter protocol ip pref 470011 u32\n", False),
    ],
)
def test_only_our_filters(bench, shell, tmp_path: Path, lines: str, whole: bool) -> None:
    directory = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "done")], [OnlyOurFilters(["printf", "%s", lines])])]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert (tmp_path / "done").exists() == whole


def test_steps_and_guards(bench, shell, tmp_path: Path) -> None:
    def mark(name: str) -> list[str]:
        return ["touch", str(tmp_path / name)]

    sleeper = bench.start(["sleep", "60"])
    alive = Alive(sleeper.pid, start_time(sleeper.pid))
    undo = Undo(
        [
            Run("x", mark("boot"), [SameBoot()]),
            Run("x", mark("fails"), [Fails(["false"])]),
            Run("x", mark("no"), [Fails(["true"])]),
            Run("x", mark("alive"), [alive]),
            Run("x", mark("no"), [Alive(sleeper.pid, alive.start + 1)]),
            Run("x", mark("no"), [Missing(1, name="sleep")]),
            When([SameBoot()], [Run("x", mark("when")), Run("x", mark("no"), [Exists("/nonexistent")])]),
            When([Exists("/nonexistent")], [Run("x", mark("no"))]),
            Run("x", mark("none"), [Missing(1, name="no-such-name")]),
        ]
    )
    directory = bench.publish("a", undo)
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"boot", "fails", "alive", "when", "none"}


def test_after_a_reboot_the_kernel_and_processes_are_left_alone(bench, shell, tmp_path: Path) -> None:
    sleeper = bench.start(["sleep", "60"])
    start = start_time(sleeper.pid)
    undo = Undo(
        [Run("kernel", ["touch", str(tmp_path / "kernel")], [SameBoot()]), KillGroup("x", sleeper.pid, start), Run("file", ["touch", str(tmp_path / "file")])]
    )
    directory = bench.publish("a", undo, boot_id=OTHER_BOOT, injector=[sleeper.pid, start])
    (directory / "watchers").write_text(f"{sleeper.pid} {start}\n")
    assert bench.sh(shell, directory / "revert.sh", "sweep").returncode == 0
    assert (tmp_path / "file").exists() and not (tmp_path / "kernel").exists()
    assert sleeper.poll() is None


HIDDEN = {
    "another id": "cat /proc/sys/kernel/random/uuid >$0; mount --bind $0 /proc/sys/kernel/random/boot_id",
    "a file of the kernel that has such an id": "mount --bind /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id",
    "no id": "mount -t tmpfs none /proc/sys",
    "no /proc": "umount -l /proc",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")
@pytest.mark.parametrize("script", HIDDEN.values(), ids=HIDDEN)
def test_a_boot_id_that_is_hidden_is_no_reboot(bench, shell, tmp_path: Path, script: str) -> None:
    """Five attacks ended as reverted while their effect stayed: what was mounted over the id was taken for a reboot."""
    done = tmp_path / "done"
    directory = bench.publish("a", Undo([Run("x", ["touch", str(done)], [SameBoot()])]))
    command = f'{script}; shift; exec "$@"'
    hidden = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, tmp_path / "id", "-", *shell, directory / "revert.sh"], capture_output=True, text=True, check=False
    )
    assert hidden.returncode == 4 and "it is not known whether the host has rebooted" in hidden.stderr, hidden
    assert directory.is_dir() and not done.exists()
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert done.exists() and not directory.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")
def test_containers_show_parts_of_proc_in_their_place(bench, shell) -> None:
    directory = bench.publish("a", boot_id=OTHER_BOOT)
    command = 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"'
    done = subprocess.run(["unshare", "-m", "sh", "-c", command, "-", *shell, directory / "revert.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not directory.exists(), done


def test_a_container_with_a_boot_id_of_its_own_that_was_started_again(bench, shell, tmp_path: Path) -> None:
    """As systemd-nspawn has it: the id is a mount, and the first process is another one by now."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    command = f'{HIDDEN["another id"]}; shift; exec "$@"'
    for init, code in ((start_time(1), 4), (start_time(1) + 1, 0)):
        directory = bench.publish("a", init=init)
        argv = ["unshare", "-m", "sh", "-c", command, tmp_path / "id", "-", *shell, directory / "revert.sh"]
        assert subprocess.run(argv, capture_output=True, check=False).returncode == (code if init else 4)
        bench.sh(shell, directory / "revert.sh")


@pytest.mark.parametrize("back", [True, False])
def test_a_watcher_outlives_that_its_journal_is_away(bench, shell, tmp_path: Path, back: bool) -> None:
    """Moved for a while, or something is mounted over it; without the end in the history that is no end."""
    directory = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "done")])]), seconds=4)
    watcher = bench.start([*shell, directory / "revert.sh", "timer"])
    until = time.monotonic() + 20
    while not Path(f"/proc/{watcher.pid}/task/{watcher.pid}/children").read_text() and time.monotonic() < until:
        time.sleep(0.02)  # until it waits
    aside = directory.rename(bench.state / "aside.bak")
    time.sleep(1)
    assert watcher.poll() is None
    if back:
        aside.rename(directory)
    assert ended(watcher, 20) and (tmp_path / "done").exists() is back


def test_a_watcher_ends_when_the_undo_was_killed_at_its_very_end(bench, shell) -> None:
    directory = bench.publish("a", seconds=60)
    watcher = bench.start([*shell, directory / "revert.sh", "timer"])
    until = time.monotonic() + 20
    while not Path(f"/proc/{watcher.pid}/task/{watcher.pid}/children").read_text() and time.monotonic() < until:
        time.sleep(0.02)
    directory.rename(bench.state / ".gone-a")
    assert ended(watcher, 20)


def test_what_a_terminal_would_obey_is_not_printed(bench, shell) -> None:
    name = "\x1b[31m \u202e \x9b31m \u200e \u2066 größe"
    directory = bench.publish("a", Undo([Run(name, ["sh", "-c", "exit 3", name])]))
    done = bench.sh(shell, directory / "revert.sh")
    for told in (done.stderr, (directory / "stuck").read_text()):
        assert "[31m" in told and not set(told) & {"\x1b", "\x9b", "\u202e", "\u200e", "\u2066"}, told
        assert "größe" in told


# --- trust --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["revert.sh", "before/00", "sums"])
def test_a_damaged_undo_is_not_run(bench, shell, tmp_path: Path, name: str) -> None:
    undo = counting(tmp_path / "n")
    undo.same("x", ["printf", "z"], "z")
    directory = bench.publish("a", undo)
    kept = tmp_path / "kept.sh"
    kept.write_text((directory / "revert.sh").read_text())
    with (directory / name).open("a") as stream:
        stream.write("# damage\n")
    done = bench.sh(shell, kept)
    if name == "sums":  # a line that is no checksum takes nothing from the others
        assert done.returncode in (0, 5)
    else:
        assert done.returncode == 5
        assert not (tmp_path / "n").exists()
        assert "damaged" in (directory / "stuck").read_text()


def test_a_script_of_an_earlier_attack_with_the_same_id_does_nothing(bench, shell, tmp_path: Path) -> None:
    """An undo that waited for the lock while the attack was reverted and made again would undo the new one by the old steps."""
    first = bench.publish("a", counting(tmp_path / "n")) / "revert.sh"
    kept = tmp_path / "kept.sh"
    kept.write_text(first.read_text())
    assert bench.sh(shell, first).returncode == 0
    again = bench.publish("a", Undo([Run("x", ["touch", str(tmp_path / "new")])]), injector=[1, 1])
    for how in ("hand", "sweep", "timer"):
        assert bench.sh(shell, kept, how).returncode == 0
        (again / "deadline").write_text("0\n")
    assert again.exists() and not (tmp_path / "new").exists()
    assert (tmp_path / "n").read_text() == "x"


# --- time ---------------------------------------------------------------------------------------------------------


def test_the_timer_acts_on_time(bench, shell) -> None:
    directory = bench.publish("a", seconds=1.5)
    deadline = int((directory / "deadline").read_text()) / 100
    timer = bench.start([*shell, directory / "revert.sh", "timer"])
    assert ended(timer, 10)
    assert 0 <= uptime() - deadline < 2


def test_a_renewed_deadline_counts(bench, shell) -> None:
    directory = bench.publish("a", seconds=1, limit=60)
    timer = bench.start([*shell, directory / "revert.sh", "timer"])
    bench.journal.note("a", "deadline", f"{int((uptime() + 3) * 100)}\n")
    assert not ended(timer, 2)
    assert directory.exists()
    assert ended(timer, 5)
    assert not directory.exists()


@pytest.mark.parametrize("text", ["", "\n", "x", "-5", "1e9", "0899", "99999999999999999999", "9999999999", "\x00\x00\x00"])
def test_a_deadline_that_cannot_be_right_has_passed(bench, shell, text: str) -> None:
    """0899 is no number to sh's arithmetic, and one flipped bit away from 1899."""
    directory = bench.publish("a")
    (directory / "deadline").write_text(text)
    timer = bench.start([*shell, directory / "revert.sh", "timer"])
    assert ended(timer, 5), "it waits"
    assert timer.returncode == 0, timer.stderr.read()
    assert not directory.exists()


def test_a_missing_deadline_has_passed(bench, shell) -> None:
    directory = bench.publish("a")
    (directory / "deadline").unlink()
    assert ended(bench.start([*shell, directory / "revert.sh", "timer"]), 5)
    assert not directory.exists()


def test_a_clock_that_went_back_means_now(bench, shell) -> None:
    """A container that was started again counts from 0, with the kernel's boot id as before."""
    directory = bench.publish("a", began_cs=int(uptime() * 100) + 100000, deadline_cs=int(uptime() * 100) + 103000, limit=2000)
    assert ended(bench.start([*shell, directory / "revert.sh", "timer"]), 5)
    assert not directory.exists()


def test_a_sweep_leaves_alone_what_is_not_due(bench, shell) -> None:
    directory = bench.publish("a")
    assert bench.sh(shell, directory / "revert.sh", "sweep").returncode == 0
    assert directory.exists()


def test_a_sweep_gives_way_to_the_attack_s_own_dead_man(bench, shell) -> None:
    """So the history says "sweep" only when the attack's own timer did not come within 2 s."""
    directory = bench.publish("a", seconds=0)
    sweep = bench.start([*shell, directory / "revert.sh", "sweep"])
    assert ended(bench.start([*shell, directory / "revert.sh", "timer"]), 1.5)
    assert ended(sweep, 3) and sweep.returncode == 0
    assert [(each["by"], each["result"]) for each in bench.history()] == [("timer", "reverted")]


def test_a_sweep_does_not_give_way_for_ever(bench, shell) -> None:
    directory = bench.publish("a", seconds=0)
    began = uptime()
    assert bench.sh(shell, directory / "revert.sh", "sweep").returncode == 0
    assert 1.5 < uptime() - began < 6
    assert [each["by"] for each in bench.history()] == ["sweep"]


def test_a_leading_zero_in_a_small_uptime_is_a_number(bench, shell, tmp_path: Path) -> None:
    (tmp_path / "uptime").write_text("0.09 0.00\n")
    directory = bench.publish("a", deadline_cs=100, began_cs=0, limit_cs=200, edit=lambda text: text.replace("/proc/uptime", str(tmp_path / "uptime")))
    done = bench.sh(shell, directory / "revert.sh", "sweep")
    assert (done.returncode, done.stderr) == (0, "")
    assert directory.exists()


# --- the end ------------------------------------------------------------------------------------------------------


def test_other_dead_men_of_the_attack_are_ended(bench, shell) -> None:
    directory = bench.publish("a")
    watchers = [bench.start([*shell, directory / "revert.sh", "timer"]) for _each in range(2)]
    stranger = bench.start(["sleep", "60"])
    (directory / "watchers").write_text("".join(f"{child.pid} {start_time(child.pid)}\n" for child in watchers) + f"{stranger.pid} 1\n")
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert all(ended(child, 2) for child in watchers)
    assert stranger.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_state_directory_that_went_read_only(bench, shell, tmp_path: Path) -> None:
    directory = bench.publish("a", counting(tmp_path / "n"))
    enter = ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"', "sh", str(bench.state)]
    if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    done = bench.sh([*enter, *shell], directory / "revert.sh")
    assert done.returncode == 4
    assert (tmp_path / "n").read_text() == "x", "undone all the same"
    assert "its journal cannot be removed" in done.stderr
    assert bench.sh(shell, directory / "revert.sh").returncode == 0


def test_names_that_a_terminal_would_obey_are_not_printed(bench, shell, tmp_path: Path) -> None:
    directory = bench.publish("a", Undo([], [Gone("x\x1b]0;owned\x07\nhost: clean größe", [Exists(str(tmp_path))])]))
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 4 and done.stderr == "faultline a: still there: x?]0;owned??host: clean größe\n"
