# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Errors of an API server or of the connection to it, each in one sentence for the operator."""

import json

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_LONGEST = 400  # characters of a server's message; some servers send a whole page


class KubeError(AttackError):
    """An unsuccessful answer of the API server. status is 0 when there was no answer."""

    def __init__(self, message, status=0, reason="", said="", **details):
        super().__init__(message, **details)
        self.status = status
        self.reason = reason
        self.said = said


class NotFound(KubeError):
    """The object does not exist."""


class Conflict(KubeError):
    """The object exists already, has another uid or version, or a test of a patch failed."""


class Refused(KubeError):
    """Status 429: a disruption budget does not allow an eviction now, or the server is overloaded."""


class Unreachable(KubeError):
    """There was no answer, or it did not come from an API server."""


class Unsure(KubeError):
    """It is unknown whether a request was carried out, and the server does not answer."""


def from_answer(method, path, host, status, body):
    """The error for an answer. body is bytes."""
    told = _status_object(body)
    reason, said = told.get("reason") or "", (told.get("message") or "").strip()[:_LONGEST]
    verb, thing = _what(method, path)
    if status == 401:
        return KubeError(
            f"the API server {host} does not accept the credentials (401): they are missing, wrong or expired; log in again or give another kubeconfig",
            status,
            reason,
            said,
        )
    if status == 403 and "forbidden: User" not in said and "cannot" not in said:
        return KubeError("{} {} is not admitted: {}".format(verb, thing, said or "no reason was given"), status, reason, said)
    if status == 403:
        return KubeError(f"forbidden: the credentials may not {verb} {thing}; grant it with a Role (see docs/rbac)", status, reason, said)
    about = told.get("details") or {}
    if status == 404 and about.get("kind") == "namespaces":
        return NotFound("there is no namespace {}".format(about.get("name")), status, reason, said)
    # An object is gone only by the word of who names it: else a proxy or a kubelet answered, or this version of the API is not served any more.
    if status == 404 and (about.get("name") or verb == "list" or thing == path):
        return NotFound(f"there is no {thing}", status, reason, said)
    if status in (409, 412):
        return Conflict("{} {}: {}".format(verb, thing, said or "it was changed meanwhile"), status, reason, said)
    if status == 429:
        return Refused("{} {} is refused for now: {}".format(verb, thing, said or "too many requests"), status, reason, said)
    return KubeError("%s %s failed (%d): %s" % (verb, thing, status, said or "no reason was given"), status, reason, said)


def unreachable(host, error):
    """The error when there was no answer. The reasons of urllib3 are nested; the innermost one is meaningful."""
    inner = error
    while getattr(inner, "reason", None) is not None and isinstance(inner.reason, Exception):
        inner = inner.reason
    text = " ".join(str(inner).split())
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Unreachable(f"the certificate of the API server {host} is not valid: give ca_cert ({text[:_LONGEST]})")
    return Unreachable(f"the API server {host} cannot be reached: {text[:_LONGEST] or type(inner).__name__}")


def may_be_done(error):
    """Whether a failed request may have been carried out: there was no answer, or a server error (5xx)."""
    return not 400 <= getattr(error, "status", 0) < 500


def _status_object(body):
    try:
        told = json.loads(body.decode("utf-8"))
    except (ValueError, AttributeError):
        return {"message": " ".join(body.decode("utf-8", "replace").split())[:200]} if body else {}
    return told if isinstance(told, dict) else {}


def _what(method, path):
    """The RBAC verb and the object with its namespace, from a path."""
    verb = _VERBS.get(method, method.lower())
    words = [word for word in path.partition("?")[0].split("/") if word]
    words = words[2:] if words[:1] == ["api"] else words[3:]
    namespace = None
    if words[:1] == ["namespaces"] and len(words) > 2:
        namespace, words = words[1], words[2:]
    thing = words[0] if words else path
    if len(words) > 2:
        thing = f"{words[0]}/{words[2]} {words[1]}"
    elif len(words) == 2:
        thing = f"{words[0]} {words[1]}"
    elif verb == "get":
        verb = "list"
    return verb, thing + (f" in namespace {namespace}" if namespace else "")
