# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes hosts out of namespaces, and runs shell lines, modules and looks in them. Started by namespaces.py with a socket as its argument.

One process imports the modules once; each host is a fork of it with namespaces of its own (mounts, processes, network, host name, IPC,
control groups), whose first process takes requests from a socket and forks for each. So a host costs some 100 ms and a module some 50 ms.
A host and all that runs in it ends when its socket is closed.

A request is a line of JSON with "n" (its number) and "do": sh (line, stdin), module (name, args, crash, uid), look, go (pid), kill (pid).
The answer has the same number and rc, out, err, kib (the most memory that it had), cpu (seconds). A module that a crash point stopped answers
{"stopped": pid} first, and its end later.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import traceback

import look
from ansible.module_utils import basic

MODULES = "ansible_collections.faultline.chaos.plugins.modules."
VARIABLE = "FAULTLINE_TEST_CRASH"
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
PROFILE = "legacy"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if _libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def preload(modules):
    for name in modules:
        importlib.import_module(MODULES + name)
    with contextlib.suppress(ImportError):  # else imported at the first use, by a user who cannot read them
        codecs = importlib.import_module("ansible.module_utils.common.json")
        if hasattr(codecs, "get_module_decoder"):
            codecs.get_module_decoder(PROFILE, codecs.Direction.CONTROLLER_TO_MODULE)
            codecs.get_module_encoder(PROFILE, codecs.Direction.MODULE_TO_CONTROLLER)


def serve(control):
    """The process that all hosts are forks of: each message brings the socket and the settings of a new one."""
    while True:
        text, handles, _flags, _address = socket.recv_fds(control, 65536, 1)
        if not text:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            begin(socket.socket(fileno=handles[0]), json.loads(text))
        os.close(handles[0])


def begin(channel, settings):
    """Become the parent of a new host's first process."""
    try:
        os.setsid()
        for group in settings["cgroups"]:
            with open(os.path.join(group, "cgroup.procs"), "w") as stream:
                stream.write("0")
        unshare(NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET | NEWCGROUP)
        if os.fork() == 0:
            first_process(channel, settings)
    except BaseException:
        channel.sendall((json.dumps({"n": 0, "rc": 1, "out": "", "err": traceback.format_exc()}) + "\n").encode())
    os._exit(0)


def first_process(channel, settings):
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.clear()
        os.environ.update(PATH=PATH, HOME="/root", LC_ALL="C.UTF-8")
        null = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        done = subprocess.run(["/bin/sh", "-ec", settings["setup"]], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        held = {}
        if done.returncode == 0:
            held = {name: os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for name, path in settings["held"].items()}
        told = {"n": 0, "rc": done.returncode, "out": done.stdout, "err": done.stderr}
        channel.sendall((json.dumps(told) + "\n").encode())
        Requests(channel, held).loop()
    finally:
        os._exit(0)


class Requests:
    """The loop of a host's first process. held: {name: descriptor} of directories that looks enter whatever is mounted over them."""

    def __init__(self, channel, held):
        self.channel, self.held = channel, held
        self.jobs = {}  # pid -> (number of the request, descriptor of its output, of its errors)
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.wake = wake_read

    def loop(self):
        rest = b""
        while True:
            ready, _w, _x = select.select([self.channel, self.wake], [], [])
            if self.wake in ready:
                try:
                    os.read(self.wake, 4096)
                except BlockingIOError:
                    pass
                self.reap()
            if self.channel in ready:
                got = self.channel.recv(1 << 16)
                if not got:
                    return
                *lines, rest = (rest + got).split(b"\n")
                for line in lines:
                    self.take(json.loads(line))

    def reap(self):
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self.jobs:
                continue  # an orphan
            number, out, err = self.jobs[pid]
            if os.WIFSTOPPED(status):
                self.tell({"n": number, "stopped": pid})
                continue
            del self.jobs[pid]
            texts = []
            for handle in (out, err):
                os.lseek(handle, 0, os.SEEK_SET)
                with os.fdopen(handle, errors="replace") as stream:
                    texts.append(stream.read())
            rc = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            self.tell({"n": number, "rc": rc, "out": texts[0], "err": texts[1], "kib": used.ru_maxrss, "cpu": used.ru_utime + used.ru_stime})

    def tell(self, answer):
        self.channel.sendall((json.dumps(answer) + "\n").encode())

    def take(self, request):
        if request["do"] in ("go", "kill"):
            os.kill(request["pid"], signal.SIGCONT if request["do"] == "go" else signal.SIGKILL)
            return
        # Files in memory, not pipes: what a daemon keeps open must not keep the answer.
        out, err = os.memfd_create("out"), os.memfd_create("err")
        pid = os.fork()
        if pid == 0:
            rc = 0
            try:
                atexit._clear()
                self.child(request, out, err)
            except SystemExit as end:
                rc = end.code if isinstance(end.code, int) else 1
            except BaseException:
                sys.stderr.write(traceback.format_exc())
                rc = 1
            atexit._run_exitfuncs()  # modules remove their temporary directories there
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(rc)
        self.jobs[pid] = (request["n"], out, err)

    def child(self, request, out, err):
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        source = os.memfd_create("in")
        os.write(source, request.get("stdin", "").encode())
        os.lseek(source, 0, os.SEEK_SET)
        os.dup2(source, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for handle in (source, out, err, self.wake, self.channel.fileno()):
            os.close(handle)
        if request["do"] == "look":
            json.dump(look.look(self.held, {1, os.getpid()}), sys.stdout)
            return
        for handle in self.held.values():
            os.close(handle)
        if request["do"] == "sh":
            os.execve("/bin/sh", ["/bin/sh", "-c", request["line"]], dict(os.environ))
        os.environ[VARIABLE] = request["crash"]
        if request["uid"]:
            os.setgroups([])
            os.setgid(request["uid"])
            os.setuid(request["uid"])
            os.environ.update(HOME=pwd.getpwuid(request["uid"]).pw_dir, USER=pwd.getpwuid(request["uid"]).pw_name)
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": request["args"]}).encode()
        basic._ANSIBLE_PROFILE = PROFILE
        sys.argv = [request["name"]]
        sys.modules[MODULES + request["name"]].main()


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    unshare(NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "adversary", "/mnt"], check=True)
    preload(sys.argv[2:])
    control = socket.socket(fileno=int(sys.argv[1]))
    control.sendall(b"ready\n")
    serve(control)


if __name__ == "__main__":
    main()
