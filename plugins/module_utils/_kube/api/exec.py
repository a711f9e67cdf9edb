# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Run a program in a container, by its argv."""

import ast
import threading
import time

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api import errors as kube_errors
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.connection import api_client
from ansible_collections.faultline.chaos.plugins.module_utils._kube.api.kinds import POD, path

try:
    import kubernetes
    import kubernetes.stream
except ImportError:
    kubernetes = None  # _kube/api/connection.py reports it

_CONNECT = 10.0  # minimum seconds to wait for the connection
LARGEST = 1024 * 1024  # characters of output
_ERROR_CHANNEL = 3  # the channel of the protocol that carries the exit status
_NO_PROGRAM = ("executable file not found", "no such file or directory", "not found in $PATH")


class NoProgram(AttackError):
    """The container has no such program."""


def run(cluster, namespace, pod, container, argv, timeout=30.0, enough=None):
    """(exit status, standard output, standard error). The status is None when the program had not ended in time.

    enough: a function of the output so far; once it returns true, run() stops waiting and the status is None.
    Errors: NoProgram, AttackError, also beyond LARGEST. A program that has not ended runs on in the container, so it must end by itself.
    """
    stream = _opened(cluster, namespace, pod, container, argv, timeout)
    output, errors, size, until = [], [], 0, time.monotonic() + timeout
    try:
        while stream.is_open() and time.monotonic() < until and not (enough and enough("".join(output))):
            stream.update(timeout=min(1.0, max(0.05, until - time.monotonic())))
            output.append(stream.read_stdout(timeout=0) if stream.peek_stdout() else "")
            errors.append(stream.read_stderr(timeout=0) if stream.peek_stderr() else "")
            size += len(output[-1]) + len(errors[-1])
            if size > LARGEST:
                raise AttackError(f"{argv[0]} in {namespace}/{pod} wrote more than {LARGEST} characters, which is the limit")
        status = None if stream.is_open() else _status(cluster, stream, argv)
    except AttackError:
        raise
    except Exception as error:  # a broken connection: websocket-client has exceptions of its own
        raise kube_errors.unreachable(cluster.host, error)
    finally:
        _close(stream)
    return status, "".join(output), "".join(errors)


def _opened(cluster, namespace, pod, container, argv, timeout):
    """Open the connection. The client has no timeout for this, so a thread opens it, which is abandoned when it hangs."""
    # The library's stream() replaces a method of the client while it runs, so each call has a client of its own.
    api = kubernetes.client.CoreV1Api(api_client(cluster.settings, cluster.params, websocket=True))
    lock, made, state = threading.Lock(), [], {"late": False}

    def connect():
        try:
            answer = kubernetes.stream.stream(
                api.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(argv),
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
                _request_timeout=timeout,
            )
            answer.sock.settimeout(timeout)  # a frame may stay incomplete
        except Exception as error:
            answer = error
        with lock:
            made.append(answer)
            late = state["late"]
        if late and not isinstance(answer, Exception):
            _close(answer)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(max(_CONNECT, timeout))
    with lock:
        state["late"] = not made
    if not made:
        raise kube_errors.unreachable(cluster.host, Exception(f"an exec into {namespace}/{pod} was not answered"))
    if isinstance(made[0], kubernetes.client.ApiException):
        raise _refused(cluster, path(POD, namespace, pod, "exec"), made[0])
    if isinstance(made[0], Exception):
        raise kube_errors.unreachable(cluster.host, made[0])
    return made[0]


def _close(stream):
    try:
        stream.close()
    except Exception:  # it is closed already
        pass


def _status(cluster, stream, argv):
    if not stream.peek_channel(_ERROR_CHANNEL):
        raise kube_errors.unreachable(cluster.host, Exception("the connection to the container ended before the program did"))
    try:
        return stream.returncode
    except (KeyError, ValueError, TypeError):
        # The container runtime could not start the program; its message is in the place of the status.
        raise NoProgram(f"{argv[0]} cannot be run in the container")


def _answer_of_handshake(told):
    """The answer at the end of a sentence; before websocket-client 1.9 as b'ANSWER'."""
    answer = told.rpartition("-+-+-")[2].strip()
    try:
        return answer if answer[:1] == "{" else ast.literal_eval(answer).decode()
    except (ValueError, SyntaxError, AttributeError):
        return told[:300]


def _refused(cluster, where, error):
    told = " ".join("{} {}".format(error.reason, error.body or "").split())
    if any(words in told for words in _NO_PROGRAM):
        return NoProgram(f"the container has no such program: {told[:200]}")
    status = error.status or 0
    if status in (0, 200, 500):  # a failed websocket handshake has the status inside a sentence
        status = next((int(word) for word in ("403", "401", "404") if f" {word} " in told), status)
    if not status:
        return kube_errors.unreachable(cluster.host, Exception(told))
    body = error.body if isinstance(error.body, bytes) else (error.body or _answer_of_handshake(told)).encode("utf-8")
    return kube_errors.from_answer("POST", where, cluster.host, status, body)
