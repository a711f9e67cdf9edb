# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""revert.sh and processes: workers, strangers with their numbers, what an undo starts, injectors that hang."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import cgroup
from ansible_collections.faultline.chaos.plugins.module_utils._host.proc import start_time
from ansible_collections.faultline.chaos.plugins.module_utils._resources.attack_cgroup import AttackCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.recovery import ComesBack, Missing
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Gone, KillGroup, OutputHas, Run, SameBoot, Undo, When


def ended(child: subprocess.Popen, seconds: float = 5) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


WORKER = """
import os, sys, time
open("/proc/self/comm", "w").write(sys.argv[1])
for _each in range(2):
    if os.fork() == 0:
        while True:
            time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def worker(bench, name: str = "faultline-test") -> subprocess.Popen:
    child = bench.start([sys.executable, "-c", WORKER, name])
    child.stdout.readline()
    return child


def group(leader: int) -> list[int]:
    """Living members of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_kill_group_ends_the_worker_and_its_helpers(bench, shell) -> None:
    child = worker(bench)
    assert len(group(child.pid)) == 3
    directory = bench.publish("a", Undo([KillGroup("x", child.pid, start_time(child.pid))]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert ended(child) and group(child.pid) == []


def test_kill_group_ends_helpers_whose_leader_the_kernel_took(bench, shell) -> None:
    child = worker(bench)
    start = start_time(child.pid)
    child.kill()
    child.wait()
    assert len(group(child.pid)) == 2
    directory = bench.publish("a", Undo([KillGroup("x", child.pid, start)]))
    done = bench.sh(shell, directory / "revert.sh")
    assert done.returncode == 0, done.stderr
    assert group(child.pid) == []


def test_kill_group_never_hits_a_later_process_with_the_number(bench, shell) -> None:
    child = worker(bench, "stranger")
    directory = bench.publish("a", Undo([KillGroup("x", child.pid, start_time(child.pid) - 1)]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0
    assert child.poll() is None and len(group(child.pid)) == 3
    child.kill()
    child.wait()
    bench.publish("b", Undo([KillGroup("x", child.pid, 1)]))
    assert bench.sh(shell, bench.state / "b" / "revert.sh").returncode == 0
    left = group(child.pid)
    assert len(left) == 2, "the helpers of a stranger whose leader ended"
    for pid in left:
        os.kill(pid, signal.SIGKILL)


def test_a_zombie_is_not_alive(bench, shell) -> None:
    child = bench.start(["true"])
    time.sleep(0.3)
    directory = bench.publish("a", Undo([KillGroup("x", child.pid, int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]))]))
    assert bench.sh(shell, directory / "revert.sh").returncode == 0


LOOK = """
import json, os, sys
links = ["/proc/self/fd/" + name for name in os.listdir("/proc/self/fd")]
with open(sys.argv[1], "w") as found:
    umask = os.umask(0)
    json.dump([umask, open("/proc/self/oom_score_adj").read().strip(), [os.readlink(link) for link in links if os.path.exists(link)]], found)
"""


def test_what_an_undo_starts_gets_a_usual_environment(bench, shell, tmp_path: Path) -> None:
    """A daemon brought back must not hold our lock, nor keep our umask and our score for the OOM killer (-1000; 500 here, which needs no right)."""
    found = tmp_path / "found"
    directory = bench.publish("a", Undo([Run("x", [sys.executable, "-c", LOOK, str(found)])]))
    child = bench.start([*shell, directory / "revert.sh"], stdin=subprocess.DEVNULL, preexec_fn=lambda: Path("/proc/self/oom_score_adj").write_text("500"))
    _out, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    umask, oom, files = json.loads(found.read_text())
    assert umask == 0o022
    assert oom == ("0" if os.geteuid() == 0 else "500")
    assert not [path for path in files if path.startswith(str(bench.state))]


def test_a_daemon_left_running_does_not_keep_the_lock(bench, shell, tmp_path: Path) -> None:
    program = f"import os, time\nif os.fork() == 0:\n    os.setsid(); open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)\n"
    directory = bench.publish("a", Undo([Run("x", [sys.executable, "-c", program]), Run("fails once", ["test", "-e", str(tmp_path / "go")])]))
    assert subprocess.run([*shell, str(directory / "revert.sh")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 4
    (tmp_path / "go").touch()
    assert subprocess.run([*shell, str(directory / "revert.sh")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def impatient(text: str) -> str:
    """A second instead of a minute; what a step asks for stays."""
    return text.replace("${1:-60}", "${1:-1}").replace("try_for 60 ", "try_for 1 ").replace("timeout -k 5", "timeout -k 1")


def test_a_step_that_is_slow_by_nature_has_the_time_it_says(bench, shell, tmp_path: Path) -> None:
    """Three attacks at once, so that their waits are one."""
    steps = {"x": Run("x", ["sleep", "2.5"], seconds=10), "y": Run("y", ["sleep", "50"], seconds=2), "z": Run("z", ["sleep", "51"])}
    scripts = {name: bench.publish(name, Undo([step]), edit=impatient) / "revert.sh" for name, step in steps.items()}
    begin = time.monotonic()
    undos = {name: bench.start([*shell, script]) for name, script in scripts.items()}
    told = {name: undo.communicate(timeout=20)[1].splitlines() for name, undo in undos.items()}
    assert 2.5 < time.monotonic() - begin < 15
    assert told == {"x": [], "y": ["faultline y: rc 124 from: sleep 50"], "z": ["faultline z: rc 124 from: sleep 51"]}


def test_who_waits_for_a_slow_undo_waits_longer(bench, shell, tmp_path: Path) -> None:
    inner = When([SameBoot()], [Run("x", ["sleep", "3"], seconds=61), Run("y", ["true"], seconds=30)])
    directory = bench.publish("a", Undo([inner, Run("z", ["true"], seconds=61.0)]), edit=lambda text: text.replace("up + 6000", "up + 0"))
    assert " slow=2\n" in (directory / "revert.sh").read_text()
    first = bench.start([*shell, directory / "revert.sh"])
    time.sleep(0.5)
    begin = time.monotonic()
    second = bench.sh(shell, directory / "revert.sh")
    assert time.monotonic() - begin > 1.8
    assert (second.returncode, second.stderr) == (4, f"faultline a: the lock {directory}/lock is held by somebody else\n")
    assert first.wait(10) == 0


def test_a_step_that_hangs_does_not_keep_the_next_from_being_done(bench, shell, tmp_path: Path) -> None:
    undo = Undo([Run("x", ["sleep", "50"]), Run("y", ["touch", str(tmp_path / "done")])], [Gone("z", [OutputHas(["sleep", "51"], "x")])])
    directory = bench.publish("a", undo, edit=impatient)
    begin = time.monotonic()
    assert bench.sh(shell, directory / "revert.sh").returncode == 4
    assert time.monotonic() - begin < 10
    assert (tmp_path / "done").exists()


def test_comes_back(bench, shell, tmp_path: Path) -> None:
    start = "import subprocess\nsubprocess.Popen(['/bin/sh', '-c', 'sleep 1; printf comes-back-$$ >/dev/null; exec sleep 61'], start_new_session=True)"
    directory = bench.publish("a", Undo([Run("x", [sys.executable, "-c", start])], [ComesBack("sleep does not run", Missing(1, name="sleep"))]))
    assert subprocess.run([*shell, str(directory / "revert.sh")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode == 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if path.read_bytes() == b"sleep\x0061\x00":
                os.kill(int(path.parent.name), signal.SIGKILL)


# --- the injector -------------------------------------------------------------------------------------------------

HANGING = """
import fcntl, os, subprocess, sys, time
handle = os.open(sys.argv[1] + "/lock", os.O_RDWR)
fcntl.flock(handle, fcntl.LOCK_EX)
tool = subprocess.Popen(["sh", "-c", "exec sleep 62"])
print(tool.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["timer", "sweep"])
def test_an_injector_that_hangs_is_ended_with_its_tool(bench, shell, how: str) -> None:
    """The tool would finish after the undo, and leave what nobody knows of."""
    directory = bench.publish("placeholder")
    child = bench.start([sys.executable, "-c", HANGING, directory])
    tool = int(child.stdout.readline())
    directory = bench.publish("a", seconds=0, injector=[child.pid, start_time(child.pid)])
    (directory / "lock").unlink()
    os.link(bench.state / "placeholder" / "lock", directory / "lock")
    begin = time.monotonic()
    done = bench.sh(shell, directory / "revert.sh", how)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 10
    assert ended(child) and child.returncode == -signal.SIGKILL
    assert start_time(tool) is None
    assert not directory.exists()


def test_a_revert_by_hand_waits_for_the_injector(bench, shell) -> None:
    directory = bench.publish("a", hold=True)
    child = bench.start([*shell, directory / "revert.sh", "module"])
    assert not ended(child, 1)
    bench.journal.let_go()
    assert ended(child, 5) and child.returncode == 0


def test_an_attack_never_waits_for_another_one(bench, shell) -> None:
    """A slow or hanging injector of one attack once held the only lock, and the others were undone late."""
    first = bench.publish("a")
    bench.publish("b", hold=True)
    with bench.journal.locked():
        begin = time.monotonic()
        assert bench.sh(shell, first / "revert.sh", "module").returncode == 0
        assert time.monotonic() - begin < 5


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a user with a limit")
def test_workers_are_ended_while_no_process_can_be_started(bench, shell) -> None:
    """A worker may hold every process of its user, so its end must need none: fork fails here, for the shell as well."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="faultline-test-"))
    try:
        child = bench.start(["sh", "-c", "sleep 60 & echo; sleep 60"], user=65534)
        child.stdout.readline()
        bench.journal.path = str(directory)
        attack = bench.publish("a", Undo([KillGroup("x", child.pid, start_time(child.pid))]))
        subprocess.run(["chown", "-R", "65534", directory], check=True)
        line = "{ ulimit -u 0 || ulimit -p 0; } 2>/dev/null; . " + str(attack / "revert.sh")
        starved = subprocess.run([*shell, "-c", line], user=65534, capture_output=True, text=True, timeout=60, check=False)
        assert starved.returncode != 0
        assert ended(child)
        # Nobody could wait for them: they have been killed, and die as soon as it is their turn.
        until = time.monotonic() + 5
        while group(child.pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert group(child.pid) == []
        assert attack.is_dir()
        assert subprocess.run([*shell, attack / "revert.sh"], user=65534, capture_output=True, timeout=60, check=False).returncode == 0
        assert not attack.exists()
    finally:
        shutil.rmtree(directory)


@pytest.mark.skipif(not any(os.access(tree.point, os.W_OK) for tree in cgroup.hierarchies().values()), reason="no control groups to write to")
@pytest.mark.parametrize("renamed", [False, True])
def test_a_control_group_is_removed_when_its_last_process_has_ended(bench, shell, renamed: bool) -> None:
    """Version 1 lets anybody of root rename it, and it is found by its inode."""
    group = AttackCgroup(f"test-{os.getpid()}", 64 << 20, 20)
    trees = [tree for tree in cgroup.hierarchies().values() if os.access(tree.point, os.W_OK) and tree.version <= 2 - renamed]
    group._places = [(f"{tree.point}/{group.name}", tree, []) for tree in trees]
    group.id = "a"
    child = worker(bench)
    try:
        undo = Undo([KillGroup("x", child.pid, start_time(child.pid))])
        group.undo(undo)
        directory = bench.publish("a", undo)
        group.enter(bench.journal, child.pid)
        assert set(group.directories) <= set(cgroup.attack_cgroups())
        places = [Path(place) for place in group.directories]
        if renamed:
            places = [place.rename(f"{place}-renamed") for place in places]
        done = bench.sh(shell, directory / "revert.sh")
        assert done.returncode == 0, done.stderr
        assert not [place for place in places if place.exists()]
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a user with a limit")
def test_a_watcher_outlives_a_time_in_which_no_process_can_be_started(bench, shell) -> None:
    """The limit is lowered while it waits, and lifted before the deadline; without that it would be gone, and nobody on time."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="faultline-test-"))
    try:
        bench.journal.path = str(directory)
        attack = bench.publish("a", Undo(), seconds=4)
        subprocess.run(["chown", "-R", "65534", directory], check=True)
        watcher = bench.start([*shell, attack / "revert.sh", "timer"], user=65534)
        time.sleep(0.5)
        for limit, seconds in (("0:", 2), ("4000:", 0)):
            subprocess.run(["prlimit", "--pid", str(watcher.pid), f"--nproc={limit}"], user=65534, check=True)
            time.sleep(seconds)
            assert watcher.poll() is None
        assert ended(watcher, 20) and watcher.returncode == 0
        assert not attack.exists()
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_watcher_that_is_stopped_ends(bench, shell, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is ignored, and no shell traps what was ignored when it began
    try:
        watcher = bench.start([*shell, bench.publish("a", Undo()) / "revert.sh", "timer"])
    finally:
        signal.signal(number, before)
    time.sleep(0.5)
    os.killpg(watcher.pid, number)
    assert ended(watcher, 3) and watcher.returncode != 0


def test_only_workers_that_nothing_depends_on_are_ended_before_the_rest_of_the_undo(bench) -> None:
    last = When([SameBoot()], [KillGroup("y", 3, 4)])
    assert "\nworkers='1 2'\n" in bench.record("a", Undo([KillGroup("x", 1, 2), last]))["script"]
