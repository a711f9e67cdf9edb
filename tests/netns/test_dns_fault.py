# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dns_fault against a real DNS server behind a wire: what the C library gets, in IPv4 and IPv6, by UDP and TCP, with every packet filter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.support.box import SERVER4, SERVER6, Box, until

TRUE = ["192.0.2.1", "2001:db8::1"]
NAMES = ("db.example.com", "a.b.wild.org", "wild.org", "other.example.com")
DOMAINS = ["db.example.com", "*.wild.org"]


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.close()


def apply(box: Box, **options) -> dict:
    result = box.module("dns_fault", domains=DOMAINS, **{"duration": "5m", **options})
    assert not result.get("failed"), result
    return result


def gone(box: Box) -> None:
    assert box.module("revert", all=True)["clean"]
    found = box.resolve(*NAMES)
    assert all(found[name][0] == TRUE for name in NAMES), found
    assert box.pids("faultline-dns") == [] and "faultline" not in box.rules() and "-j FL" not in box.rules()


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
@pytest.mark.parametrize("servers", [(SERVER4,), (SERVER6,), (SERVER6, SERVER4)], ids=["IPv4", "IPv6", "both"])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_only_the_names_asked_for(box: Box, backend: str, servers: tuple[str, ...], protocol: str) -> None:
    box.only(backend)
    box.resolv_conf(*servers, options="timeout:2 attempts:1" + (" use-vc" if protocol == "tcp" else ""))
    before = box.rules()
    result = apply(box)
    found = box.resolve(*NAMES)
    assert [found[name][0] for name in NAMES] == ["no such name", "no such name", TRUE, TRUE], found
    assert result["effect"]["resolvers"] == list(servers)
    assert result["effect"]["firewall"] == {"iptables-nft": "iptables"}.get(backend, backend)
    assert all(told.startswith("NXDOMAIN") for told in result["effect"]["measured"].values())
    assert "reverted" not in box.module("dns_fault", domains=DOMAINS, duration="5m")["status"]
    gone(box)
    assert box.rules() == before


@pytest.mark.parametrize(
    ("options", "expected", "least", "most"),
    [
        ({"mode": "servfail"}, "try again", 0, 0.3),
        ({"mode": "block"}, "try again", 0, 0.3),
        ({"mode": "timeout"}, "try again", 1.9, 4.5),
        ({"mode": "delay", "delay": "400ms"}, TRUE, 0.395, 0.5),
        ({"mode": "spoof", "addresses": ["203.0.113.7", "2001:db8::7"]}, ["2001:db8::7", "203.0.113.7"], 0, 0.3),
        ({"mode": "spoof", "addresses": ["203.0.113.7"]}, ["203.0.113.7"], 0, 0.3),
    ],
    ids=lambda value: value.get("mode") if isinstance(value, dict) else None,
)
def test_modes(box: Box, options: dict, expected, least: float, most: float) -> None:
    box.resolv_conf(SERVER4)
    result = apply(box, **options)
    found = box.resolve(*NAMES)
    print(f"asked {options}, module {result['effect']['measured']}, a program got {found[NAMES[0]]}, another name took {found[NAMES[3]][1]:.3f} s")
    for name in NAMES[:2]:
        assert found[name][0] == expected and least <= found[name][1] <= most, found
    for name in NAMES[2:]:
        assert found[name][0] == TRUE and found[name][1] < 0.3, found
    gone(box)


def test_check_mode_changes_nothing(box: Box) -> None:
    box.resolv_conf(SERVER4)
    before = box.rules()
    result = box.module("dns_fault", check_mode=True, domains=DOMAINS, duration="5m")
    assert result["status"] == "planned" and "kill_group" in result["diff"]["after"] and SERVER4 in result["diff"]["after"]
    assert box.rules() == before and box.pids("faultline-dns") == [] and box.resolve(NAMES[0])[NAMES[0]][0] == TRUE


def test_a_stub_and_the_servers_behind_it(box: Box) -> None:
    """A query that passes both is delayed once; one that goes around the stub is delayed too."""
    box.stub(SERVER4)
    box.resolv_conf("127.0.0.53")
    result = apply(box, mode="delay", delay="500ms")
    assert result["effect"]["resolvers"] == ["127.0.0.53", SERVER4]
    by_stub = box.resolve(NAMES[0], NAMES[3])
    box.resolv_conf(SERVER4)
    around = box.resolve(NAMES[1], NAMES[3])
    print(f"asked 500 ms: by the stub {by_stub[NAMES[0]][1]:.3f} s, around it {around[NAMES[1]][1]:.3f} s")
    assert 0.49 < by_stub[NAMES[0]][1] < 0.7 and by_stub[NAMES[3]][1] < 0.3
    assert 0.49 < around[NAMES[1]][1] < 0.7 and around[NAMES[3]][1] < 0.3
    box.resolv_conf("127.0.0.53")
    gone(box)


def test_a_dead_server_is_replaced(box: Box) -> None:
    box.resolv_conf(SERVER4)
    apply(box)
    leader, *others = box.pids("faultline-dns")
    for pid in others:
        box.sh(f"kill -KILL {pid}")
    took = until(lambda: len(set(box.pids("faultline-dns")) - set(others)) == 3, 5, "new helpers")
    found = box.resolve(NAMES[0], NAMES[3])
    print(f"helpers replaced after {took:.2f} s")
    assert found[NAMES[0]][0] == "no such name" and found[NAMES[3]][0] == TRUE
    gone(box)


def test_without_its_leader_the_attack_is_undone(box: Box) -> None:
    box.resolv_conf(SERVER4)
    apply(box)
    box.sh(f"kill -KILL {box.pids('faultline-dns')[0]}")
    took = until(lambda: "faultline" not in box.rules(), 5, "the redirect is gone")
    assert box.resolve(NAMES[3])[NAMES[3]][0] == TRUE
    until(lambda: box.sh("ls /var/lib/faultline").split() == ["control.sh", "history.jsonl", "lock"], 10, "the record is closed")
    print(f"undone {took:.2f} s after the leader was killed")
    assert '"by": "worker", "result": "reverted"' in box.sh("tail -n 1 /var/lib/faultline/history.jsonl")
    gone(box)


def test_the_dead_man_undoes_it_when_everything_of_it_is_killed(box: Box) -> None:
    box.resolv_conf(SERVER4)
    apply(box, duration="4s")
    for _each in range(2):
        box.sh("kill -KILL " + " ".join(str(pid) for pid in box.pids("faultline-dns")), check=False)
    until(lambda: box.resolve(NAMES[0])[NAMES[0]][0] == TRUE, 10, "DNS is back")
    gone(box)


def test_no_answer_is_lost_when_it_ends(box: Box) -> None:
    """Programs that ask all the time get an answer to every query, also at the moment of the undo."""
    box.resolv_conf(SERVER4, options="timeout:1 attempts:1")
    apply(box)
    script = "import socket, time\nfailed, count, end = 0, 0, time.monotonic() + 3\nwhile time.monotonic() < end:\n"
    script += "    count += 1\n    try: socket.getaddrinfo('other.example.com', None)\n    except OSError: failed += 1\nprint(count, failed)"
    box.sh(f'python3 -c "{script}" >/mnt/asked &')
    assert box.module("revert", all=True)["clean"]
    until(lambda: box.sh("cat /mnt/asked").strip() != "", 10, "asked")
    count, failed = (int(word) for word in box.sh("cat /mnt/asked").split())
    print(f"{count} lookups during the undo, {failed} failed")
    assert count > 100 and failed <= 1


def test_two_at_once_are_refused(box: Box) -> None:
    box.resolv_conf(SERVER4)
    apply(box)
    second = box.module("dns_fault", domains=["other.example.com"], duration="60s")
    assert second["failed"] and second["msg"].startswith("dns is held by the active attack ")
    gone(box)


def test_without_a_packet_filter(box: Box) -> None:
    box.resolv_conf(SERVER4)
    box.only("none")
    refused = box.module("dns_fault", domains=DOMAINS, duration="60s")
    assert refused["failed"] and "install the package nftables" in refused["msg"], refused


def test_link_local_resolvers_are_refused(box: Box) -> None:
    box.resolv_conf("fe80::1%up0")
    refused = box.module("dns_fault", domains=DOMAINS, duration="60s")
    assert refused["failed"] and "fe80::1%up0" in refused["msg"], refused


def test_a_resolver_that_was_silent_before_is_told(box: Box) -> None:
    box.resolv_conf(SERVER4, "192.0.2.77")
    result = apply(box)
    assert "192.0.2.77 did not answer before" in result["notes"][0]
    assert result["effect"]["measured"]["192.0.2.77"].startswith("NXDOMAIN")
    gone(box)
