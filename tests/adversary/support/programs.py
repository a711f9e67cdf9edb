# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that run on a host of the tests, as lines of sh."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

_NAMED = """#!/usr/bin/python3
import ctypes, time
ctypes.CDLL(None).prctl(15, {name!r}.encode(), 0, 0, 0)
time.sleep(1000000)
"""
_LISTENER = """
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
open("/proc/self/comm", "w").write({name!r})
held = []
for port in {ports!r}:
    each = socket.socket()
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    each.bind(("", port))
    each.listen()
    held.append(each)
time.sleep(1000000)
"""


def named_program(path: str, name: str) -> str:
    """Write a program that gives itself a name, and PATH-start, which starts it unless it runs; start it."""
    start = f"""#!/bin/sh
for each in /proc/[0-9]*/cmdline; do
    case $(tr '\\0' ' ' 2>/dev/null <$each) in '/usr/bin/python3 {path} '*) exit 0 ;; esac
done
setsid {path} </dev/null >/dev/null 2>&1 &
"""
    write = [f"printf %s {shlex.quote(text)} >{where}; chmod 755 {where}" for where, text in ((path, _NAMED.format(name=name)), (path + "-start", start))]
    running = f"""for each in /proc/[0-9]*; do
    case $(tr '\\0' ' ' 2>/dev/null <$each/cmdline) in '/usr/bin/python3 {path} '*) [ "$(cat $each/comm)" = {path.rpartition("/")[2]} ] || done=1 ;; esac
done"""
    named = f'done= n=0; until [ -n "$done" ] || [ $n = 100 ]; do {running}; sleep 0.05; n=$((n + 1)); done'
    return "; ".join([*write, f"touch -d @1000000000 {path} {path}-start", f"{path}-start", named])


def listener(name: str, ports: Iterable[int]) -> str:
    """A process of that name that listens on ports."""
    return f"exec /usr/bin/python3 -c {shlex.quote(_LISTENER.format(name=name, ports=list(ports)))}"
