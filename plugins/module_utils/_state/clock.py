# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The clock of the target, as its offset from the time since boot, which cannot be set; and the validity of certificates.

The offset, in nanoseconds, changes only when the clock is stepped: slewing moves both.
"""

import base64
import binascii
import calendar
import errno
import os
import re
import socket
import ssl
import struct
import time

from ansible_collections.faultline.chaos.plugins.module_utils import _units
from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._undo.clock import CLOCK
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import COMMON

BOOTTIME = 7  # CLOCK_BOOTTIME; Python 3.6 does not define it
_FIRST_NAMESPACE = {"time": "time:[4026531834]", "pid": "pid:[4026531836]"}  # the same numbers on every Linux
_CAP_SYS_TIME = 25
# Tests fractions of a second and a relative step back in one expression; busybox fails it.
_DATE_CAN = ("-u", "-d", "1970-01-01 00:16:40.25 UTC -300.500000000 seconds", "+%s.%N")
_DATE_SAYS = "699.750000000"

# All time services; some names are aliases of others.
TIME_SERVICES = ("chronyd", "chrony", "ntpd", "ntp", "ntpsec", "openntpd", "systemd-timesyncd", "phc2sys", "timemaster")
TIME_DAEMONS = ("chronyd", "ntpd", "openntpd", "systemd-timesyn", "phc2sys", "timemaster")  # as in /proc/PID/comm


def signed_duration(option: str, value: object, minimum: float, maximum: float) -> float:
    """Seconds as a float from "+300s", "-5m" or a number; minimum and maximum limit its absolute value."""
    text = _units.text_of(value) or ""
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * _units.duration(option, text[1:] if text[:1] in ("+", "-") else text, minimum, maximum)
    except BadOption:
        raise BadOption(option, value, f"write a time such as +300s or -5m, from {_units.human(minimum)} to {_units.human(maximum)} either way")


def offset():
    """The clock minus the time since boot, in nanoseconds; the fastest of 20 measurements."""
    best = None
    for _each in range(20):
        one = time.clock_gettime(BOOTTIME)
        real = time.clock_gettime(time.CLOCK_REALTIME)
        two = time.clock_gettime(BOOTTIME)
        if best is None or two - one < best[0]:
            best = (two - one, real - (one + two) / 2)
    return int(best[1] * 1e9)


def set_offset(nanoseconds):
    """Step the clock. Errors: AttackError."""
    try:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(BOOTTIME) + nanoseconds / 1e9)
    except OSError as error:
        raise AttackError(f"the clock cannot be set: {error}")


def refuse_not_ours(host):
    """Errors: AttackError where the clock belongs to the container's host, or cannot be set."""
    for kind in ("pid", "time"):
        try:
            found = os.readlink("/proc/self/ns/" + kind)
        except OSError:
            continue  # an old kernel without this namespace
        if found != _FIRST_NAMESPACE[kind]:
            raise AttackError("the target is a container: its clock is that of the machine it runs on, so attack that one")
    able = re.search(r"^CapEff:\s*([0-9a-f]+)$", host.read("/proc/self/status"), re.M)
    if able and not int(able.group(1), 16) >> _CAP_SYS_TIME & 1:
        raise AttackError("the clock of the target cannot be set from here: CAP_SYS_TIME is missing")
    try:
        time.clock_settime(time.CLOCK_REALTIME, -1.0)  # an invalid time (EINVAL): any other error means that a filter blocks the call
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise AttackError(f"the clock of the target cannot be set from here: {error}")


def refuse_other_date(host):
    """Errors: AttackError where date cannot restore the clock to the millisecond."""
    _rc, out, _err = host.run([host.tool("date")] + list(_DATE_CAN), check=False)
    if out.strip() != _DATE_SAYS:
        raise AttackError("date of the target cannot step the clock by fractions of a second: install the package coreutils")


def slow(host):
    """How long the shell takes to read the clock, in nanoseconds: the error of the undo's own function against the exact offset."""
    script = '%s%sclock_ahead %d 0 && printf %%s "$ahead"' % (COMMON, CLOCK, offset())
    rc, out, err = host.run(["/bin/sh", "-c", script], check=False)
    if rc != 0 or not re.match(r"-?[0-9]+\Z", out):
        raise AttackError("the shell of the target cannot read the clock: %s" % (err.strip() or "rc %d" % rc))
    return max(0, int(out))


# --- certificates ---------------------------------------------------------------------------------


def validity(option, where):
    """(from, until) of a certificate, in seconds since the epoch. where: a PEM or OpenSSH file on the target, or HOST:PORT of a TLS server.

    Errors: BadOption.
    """
    if where.startswith("/"):
        try:
            with open(where, encoding="utf-8", errors="replace") as handle:
                text = handle.read(1 << 20)
        except OSError as error:
            raise BadOption(option, where, f"it cannot be read: {error}")
    else:
        text = _served(option, where)
    try:
        return _of_ssh(text) if "-cert-v01@openssh.com" in text else _of_pem(text)
    except (ValueError, KeyError, IndexError, OverflowError, StopIteration, struct.error):
        raise BadOption(option, where, "it holds no certificate that can be read (PEM or OpenSSH)")


def check_place(option, where):
    """Errors: BadOption unless it is an absolute path or HOST:PORT."""
    if where.startswith("/") and "\0" not in where and "\n" not in where:
        return
    if not re.match(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}\Z", where) or not 0 < int(where.rpartition(":")[2]) < 65536:
        raise BadOption(option, where, "give an absolute path on the target, or HOST:PORT")


def _served(option, where):
    """The certificate of a TLS server, without verification. Errors: BadOption."""
    name, _colon, port = where.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name = name.strip("[]")
    try:
        with socket.create_connection((name, int(port)), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return ssl.DER_cert_to_PEM_cert(secure.getpeercert(True))
    except (OSError, ValueError) as error:
        raise BadOption(option, where, f"its certificate cannot be read: {error}")


def _of_pem(text):
    """The validity of the first certificate in a PEM file: the fourth or fifth element of the signed part (RFC 5280)."""
    body = text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
    _tag, certificate = next(_der(base64.b64decode(body)))
    _tag, signed = next(_der(certificate))
    parts = [part for part in _der(signed) if part[0] != 0xA0]  # without the version
    first, last = list(_der(parts[3][1]))[:2]
    return _time(*first), _time(*last)


def _der(data):
    """Yields (tag, content) of each element."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int(binascii.hexlify(data[at : at + size]), 16), at + size
        yield tag, data[at : at + length]
        at += length


def _time(tag, content):
    """UTCTime (two-digit year) or GeneralizedTime as seconds since the epoch."""
    text = content.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


# Number of key fields between nonce and serial, by type of key.
_SSH_FIELDS = {
    "ssh-ed25519": 1, "ssh-rsa": 2, "rsa-sha2-256": 2, "rsa-sha2-512": 2, "ssh-dss": 4, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2, "sk-ssh-ed25519": 2, "sk-ecdsa-sha2-nistp256": 3,
}  # fmt: skip


def _of_ssh(text):
    """The validity of an OpenSSH certificate; format: PROTOCOL.certkeys of OpenSSH."""
    line = next(line for line in text.split("\n") if "-cert-v01@openssh.com" in line)
    words = line.split()
    kind = next(word for word in words if word.endswith("-cert-v01@openssh.com"))
    data = base64.b64decode(words[words.index(kind) + 1])
    at = 0
    for _field in range(2 + _SSH_FIELDS[kind[: -len("-cert-v01@openssh.com")]]):  # type name, nonce, key
        at += 4 + struct.unpack_from(">I", data, at)[0]
    at += 8 + 4  # serial, type
    for _field in range(2):  # key id, principals
        at += 4 + struct.unpack_from(">I", data, at)[0]
    return struct.unpack_from(">QQ", data, at)


def ssh_host_certificates(host):
    """Paths of the host certificates in the configuration of sshd."""
    found = set()
    for path in ["/etc/ssh/sshd_config"] + _files("/etc/ssh/sshd_config.d", ".conf"):
        for line in host.read(path).split("\n"):
            words = line.replace("=", " ").split()
            if len(words) > 1 and words[0].lower() == "hostcertificate":
                found.add(words[1].strip('"'))
    return sorted(path for path in found if os.path.isfile(path))


def trusts_user_certificates(host):
    """Whether sshd accepts user certificates, whose validity depends on this clock."""
    lines = [line for path in ["/etc/ssh/sshd_config"] + _files("/etc/ssh/sshd_config.d", ".conf") for line in host.read(path).split("\n")]
    words = [line.replace("=", " ").split() for line in lines]
    return any(len(each) > 1 and each[0].lower() == "trustedusercakeys" and each[1].lower() != "none" for each in words)


def _files(directory, ending):
    try:
        return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(ending))
    except OSError:
        return []
