# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""clock_skew: what is refused, when certificates are valid, and the shell that puts a clock back (here a pretended one)."""

from __future__ import annotations

import math
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import Host
from ansible_collections.faultline.chaos.plugins.module_utils._state import clock as state_clock, service
from ansible_collections.faultline.chaos.plugins.module_utils._undo.clock import CLOCK
from ansible_collections.faultline.chaos.plugins.module_utils._undo.machinery import COMMON
from ansible_collections.faultline.chaos.plugins.modules.clock_skew import ClockSkew

# From 2026-11-22T17:56:38Z, for a day. Its key is nowhere.
PEM = """-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhRmPHhC2WCvE/BFLw7nuQBlktnosDAFBgMrZXAwDDEKMAgG
A1UEAwwBeDAeFw0yNjExMjIxNzU2MzhaFw0yNjExMjMxNzU2MzhaMAwxCjAIBgNV
BAMMAXgwKjAFBgMrZXADIQB/cMV/fezcUzTpzGC7A+7tsprDM857GJJMgbChwyt6
2KNTMFEwHQYDVR0OBBYEFIxlVQG/qTp4lYAHw1hrYmejn8CRMB8GA1UdIwQYMBaA
FIxlVQG/qTp4lYAHw1hrYmejn8CRMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
Y+948IoCmHcxnDuHf+Si3SqaPem7dJ0y6ra0Rn6QuSwn9e8PDkdCSnhxtJsqzJ6c
qnAufCpa0Hj4Tb31STieCA==
-----END CERTIFICATE-----
"""
FROM, UNTIL = 1795370198, 1795456598
# Of 2026 in UTC.
SSH = {
    "ed25519": (
        "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIC1yyT0g3mfoQ8SM+k9WQn8vlZw2xokrD+wCpjR/tSu0AAAAIA7dYGD"
        "KIFkwZ2oOPfXvt7V6xCPiPWJddAnsuwrCFJ3BAAAAAAAAAAAAAAACAAAABHRlc3QAAAAKAAAAAWEAAAABYgAAAABpVbkAAAAAAGs27IAAAAAAAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI"
        "1NTE5AAAAIGboyJvCS6G8qt/LGfqsd+APdub2wNqnmgs5fdvkCP2XAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEBsVmycsP/UFVzD5yURt+cS6EPCFs9wBXFp+4bVeezeJCf7IWI1FMmRlRf"
        "8Ovh1+h6tm4HOfnXw6t8V+XDjgWEN c"
    ),
    "rsa": (
        "ssh-rsa-cert-v01@openssh.com AAAAHHNzaC1yc2EtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgzYR+7qG4cf0sU0b1/Ynrnvuk+FZ+U7TaQKoJH2Ex4Q4AAAADAQABAAABgQDGUwQ"
        "6g5ZSldmLax6i7aj4SXy/OtM/bYBM5JRV1Rb9mR34BnpHIHDFA+MzvJL5u5JNkdlZpgtGQQsmPr5NxIjTO7PH3OWkJAxX9QmGgQ7aqFXbtntLGm5OfUZZhqYy6+bV94vbnWWhW2Lr2+2"
        "S0AwGcI7PKO1kgY2AmF2HNtJj9TEv3CZB/jFTeMEAl94Hpx9DHm80D92PaqRjRZ0nb22HYC9y5wSWBPmyABG3rhLj8Codmc2h+V17bmJCZ0EDtVwm+8BuXWlIC6lEXbpjtcgJ3omTbk7"
        "wb3Ou/hTyPjNooDviqYJUDUgABCRIgXoPRjEHCgA/oFBkDBiYoduYf8hbTCA8mw80ZMpFXLXgGrOZL2ieY4CM7JNw8aytuCqrT7lUjmGvwR8yEuJzH1T2btYf2kRMWomdhykaRtbkJBC"
        "eOhAwALtPn7LtPsFql/hyR6Vgvg90Z5FWV9xdBJydV1dDRpCCwPPM/lR0hUxMwjQ+5EolJCWrpXIOMCbeRmhq/DcAAAAAAAAAAAAAAAIAAAAEdGVzdAAAAAoAAAABYQAAAAFiAAAAAGl"
        "VuQAAAAAAazbsgAAAAAAAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgZujIm8JLobyq38sZ+qx34A925vbA2qeaCzl92+QI/ZcAAABTAAAAC3NzaC1lZDI1NTE5AAAAQH4sDOW"
        "ZY25zRTKcAwKEiL5x1jtaTybS0cM3gSfTfHRR2WrZzK0Vp8Hp9FFOmNinm33F9Xz2mgST7MYR0Y4logQ= c"
    ),
    "ecdsa": (
        "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgqyBIGYf8Yq0UaYge+OCwy3So2ph8cGY9YoN"
        "whKqESPwAAAAIbmlzdHAyNTYAAABBBF4IvNLtGGySnwblKN1jyneLIvU86WD/kFy/qcDGnuzVvCrwJ2F5LZPE8r2lABpP7wUOyQgI4X0uKkY6Kn+RoRsAAAAAAAAAAAAAAAIAAAAEdGV"
        "zdAAAAAoAAAABYQAAAAFiAAAAAGlVuQAAAAAAazbsgAAAAAAAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgZujIm8JLobyq38sZ+qx34A925vbA2qeaCzl92+QI/ZcAAABTAAA"
        "AC3NzaC1lZDI1NTE5AAAAQJLMKCgu6GP/Ds7tkkFWCK56tkcT4DWKynmv4BtLyUv8HLvCzY1NpMi2pq0W56u69Hfi1JD/147oktEtwffRmAc= c"
    ),
}


def attack(host=None, **params) -> ClockSkew:
    found = ClockSkew({"offset": "+300s", "mode": "step", "interval": "1s", "jitter": 0, "certificates": [], **params}, host)
    found.duration = 60.0
    return found


@pytest.mark.parametrize(
    "offset", [0, "0s", "+0", "99ms", "1y", "25h", "-25h", "", None, True, math.nan, math.inf, "++5s", "+-5s", "5s; id", "- 5s", [5], "24h1s"]
)
def test_offsets_that_are_refused(offset) -> None:
    with pytest.raises(BadOption, match="^offset: .*(such as|from 100ms to 24h)"):
        attack(offset=offset).validate()


@pytest.mark.parametrize(
    ("offset", "expected"), [("+300s", 300.0), ("-5m", -300.0), (300, 300.0), (-300, -300.0), ("1h", 3600.0), ("-0.5", -0.5), ("+24h", 86400.0)]
)
def test_offsets(offset, expected: float) -> None:
    found = attack(offset=offset)
    found.validate()
    assert found.offset == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [("interval", "49ms"), ("interval", "2h"), ("interval", ""), ("interval", True), ("jitter", 91), ("jitter", -1), ("jitter", "x"), ("jitter", True),
     ("certificates", ["etc/x.pem"]), ("certificates", [""]), ("certificates", ["host"]), ("certificates", ["host:0"]), ("certificates", ["host:65536"]),
     ("certificates", ["https://host:443"]), ("certificates", ["/a\nb"]), ("certificates", ["host:80-22"])],
)  # fmt: skip
def test_options_that_are_refused(option: str, value) -> None:
    with pytest.raises(BadOption, match=f"^{option}: "):
        attack(**{option: value}).validate()


def test_one_clock() -> None:
    assert attack().resources() == ["clock"]


# --- where ---------------------------------------------------------------------------------------------------------------


class Told:
    def __init__(self, **files: str) -> None:
        self.files = files

    def read(self, path: str, default: str = "") -> str:
        return self.files.get(path.rpartition("/")[2], default)


@pytest.mark.parametrize("kind", ["pid", "time"])
def test_a_container_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    real = state_clock._FIRST_NAMESPACE
    monkeypatch.setattr(state_clock.os, "readlink", lambda path: "x:[1]" if path.endswith(kind) else real[path.rpartition("/")[2]])
    with pytest.raises(AttackError, match="container"):
        state_clock.refuse_not_ours(Told())


def test_a_clock_that_cannot_be_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_clock.os, "readlink", lambda path: state_clock._FIRST_NAMESPACE[path.rpartition("/")[2]])
    with pytest.raises(AttackError, match="CAP_SYS_TIME is missing"):
        state_clock.refuse_not_ours(Told(status="CapEff:\t000001fffdffffff\n"))
    asked = []

    def settime(clock: int, seconds: float) -> None:
        asked.append(seconds)
        raise OSError(1 if len(asked) > 1 else 22, "no")

    monkeypatch.setattr(state_clock.time, "clock_settime", settime)
    state_clock.refuse_not_ours(Told(status="CapEff:\t000001ffffffffff\n"))
    with pytest.raises(AttackError, match="cannot be set from here"):
        state_clock.refuse_not_ours(Told())
    assert asked == [-1.0, -1.0]  # a time that no kernel takes


def test_date_must_be_able_to_step(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    state_clock.refuse_other_date(bench.host)
    monkeypatch.setattr(bench.host, "tool", lambda name: "true")
    with pytest.raises(AttackError, match="coreutils"):
        state_clock.refuse_other_date(bench.host)


@pytest.mark.parametrize(
    ("daemons", "stopped", "error"), [(["ntpd"], [], "ntpd .pid 7. keeps the clock"), (["chronyd"], ["chrony.service"], None), ([], [], None)]
)
def test_whoever_keeps_the_clock_is_known(bench, monkeypatch: pytest.MonkeyPatch, daemons: list[str], stopped: list[str], error: str | None) -> None:
    class Manager:
        def active(self, names):
            return stopped

    process = type("P", (), {"pid": 7})
    found = [type("Q", (process,), {"name": name}) for name in daemons]
    monkeypatch.setattr(state_clock, "TIME_SERVICES", ("x",))
    monkeypatch.setattr("ansible_collections.faultline.chaos.plugins.modules.clock_skew.host_process.processes", lambda: found)
    monkeypatch.setattr(service, "manager", lambda host: Manager())
    skew = attack(bench.host)
    if error:
        with pytest.raises(AttackError, match=error):
            skew.snapshot()
    else:
        assert skew.snapshot()["stopped"] == stopped


# --- certificates --------------------------------------------------------------------------------------------------------


def test_the_validity_of_files(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text(PEM)
    assert state_clock.validity("certificates", str(path)) == (FROM, UNTIL)
    for kind, text in SSH.items():
        path.write_text(text + "\n")
        assert state_clock.validity("certificates", str(path)) == (1767225600, 1798761600), kind
    empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    for text in ("", "x", empty, SSH["rsa"][:200], "ssh-new-cert-v01@openssh.com AAAA", PEM[:200], "\0" * 99):
        path.write_text(text)
        with pytest.raises(BadOption, match="^certificates: .*no certificate"):
            state_clock.validity("certificates", str(path))
    with pytest.raises(BadOption, match="^certificates: .*cannot be read"):
        state_clock.validity("certificates", str(tmp_path / "none"))


def test_the_years_of_utctime() -> None:
    assert state_clock._time(0x17, b"491231235959Z") == 2524607999
    assert state_clock._time(0x17, b"700101000000Z") == 0
    assert state_clock._time(0x18, b"20500101000000Z") == 2524608000


def _accept_once(server: ssl.SSLSocket) -> None:
    server.accept()[0].close()


def test_the_certificate_of_a_server(tmp_path: Path) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "crt", "-subj", "/CN=x", "-days", "2"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as plain, context.wrap_socket(plain, server_side=True) as server:
        thread = threading.Thread(target=_accept_once, args=(server,))
        thread.start()
        first, last = state_clock.validity("certificates", f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert last - first == 2 * 86400 and abs(first - time.time()) < 60
    with pytest.raises(BadOption, match="cannot be read"):
        state_clock.validity("certificates", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("now", "offset", "refused"),
    [
        (FROM + 600, "+300s", None),
        (FROM + 600, "-5m", None),
        (FROM + 200, "-5m", "^offset: .*would not be valid .its limit is 2026-11-22T17:56:38Z"),
        (UNTIL - 200, "+300s", "^offset: .*2026-11-23T17:56:38Z"),
        (UNTIL - 330, "+300s", "^offset: "),  # before the minute is over
        (UNTIL + 5, "-1h", "^certificates: .*not valid even now"),
    ],
)
def test_a_certificate_must_stay_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, now: int, offset: str, refused: str | None) -> None:
    (tmp_path / "c").write_text(PEM)
    found = attack(offset=offset)
    found.validate()
    monkeypatch.setattr("ansible_collections.faultline.chaos.plugins.modules.clock_skew.time.time", lambda: float(now))
    if refused:
        with pytest.raises(BadOption, match=refused):
            found._stays_valid(str(tmp_path / "c"), True)
    else:
        assert found._stays_valid(str(tmp_path / "c"), True)


def test_what_sshd_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_clock.os.path, "isfile", lambda path: True)
    host = Told(sshd_config="HostCertificate /etc/ssh/a-cert.pub\nhostcertificate=/etc/ssh/b-cert.pub\n#HostCertificate /c\nTrustedUserCAKeys none\n")
    assert state_clock.ssh_host_certificates(host) == ["/etc/ssh/a-cert.pub", "/etc/ssh/b-cert.pub"]
    assert not state_clock.trusts_user_certificates(host)
    assert state_clock.trusts_user_certificates(Told(sshd_config="TrustedUserCAKeys /etc/ssh/ca.pub\n"))


# --- the undo ------------------------------------------------------------------------------------------------------------

# The machine's clock is never set here: date is a function that adds what a file says.
PRETENDED = (
    COMMON
    + """
try() { "$@"; }
problem() { echo "problem: $*"; }
date() {
    read -r skew <"$pretended"
    if [ "$2" = -s ]; then
        amount=${3% seconds}
        fraction=${amount#*.}
        amount=${amount%.*}
        number "${amount#?}"
        whole=$n
        number "$fraction"
        echo "$((skew ${amount%"${amount#?}"} (whole * 1000000000 + n)))" >"$pretended"
        echo "$3" >>"$pretended.steps"
        return
    fi
    real=$(command date -u +%s%N)
    echo "$((real + skew))"
}
"""
    + CLOCK
)


@pytest.mark.parametrize("skew", [300_000_000_000, -300_000_000_000, 86_400_000_000_000, 1_000_000_000, -999_999_999, 60_000_000, 500_000_000, 100_000_000_007])
def test_the_clock_is_put_back(shell, tmp_path: Path, skew: int) -> None:
    pretended = tmp_path / "skew"
    pretended.write_text("0\n")
    script = f"pretended={pretended}\n{PRETENDED}\n"
    measured = subprocess.run([*shell, "-c", script + f"clock_ahead {state_clock.offset()} 0; echo $ahead"], capture_output=True, text=True, check=True)
    pretended.write_text(f"{skew}\n")
    done = subprocess.run([*shell, "-c", script + f"set_clock {state_clock.offset()} {int(measured.stdout)}"], capture_output=True, text=True, check=True)
    assert "problem" not in done.stdout, done.stdout
    left = int(pretended.read_text())
    print(f"skew {skew / 1e9:+} s, left {left / 1e6:+.3f} ms, steps {(tmp_path / 'skew.steps').read_text().split()}")
    assert abs(left) < 20_000_000


def test_a_clock_that_is_right_is_left_alone(shell, tmp_path: Path) -> None:
    (tmp_path / "skew").write_text("0\n")
    script = f"pretended={tmp_path}/skew\n{PRETENDED}\n"
    look = f"clock_ahead {state_clock.offset()} 0; set_clock {state_clock.offset()} $ahead"
    done = subprocess.run([*shell, "-c", script + look], capture_output=True, text=True, check=True)
    assert "problem" not in done.stdout
    assert abs(int((tmp_path / "skew").read_text())) < 20_000_000


def test_a_clock_that_does_not_move_is_a_problem(shell, tmp_path: Path) -> None:
    (tmp_path / "skew").write_text("300000000000\n")
    script = f"pretended={tmp_path}/skew\n{PRETENDED}\ntry() {{ :; }}\n"
    done = subprocess.run([*shell, "-c", script + f"set_clock {state_clock.offset()} 0"], capture_output=True, text=True, check=True)
    assert "problem: the clock is 300" in done.stdout


def test_slow_is_what_the_shell_takes(bench) -> None:
    found = sorted(state_clock.slow(bench.host) for _each in range(3))
    print(f"a look by the shell takes {[round(each / 1e6, 3) for each in found]} ms")
    assert 0 < found[0] and found[-1] < 100_000_000
    assert isinstance(bench.host, Host)
