# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption
from ansible_collections.faultline.chaos.plugins.module_utils._host.tcp import address
from ansible_collections.faultline.chaos.plugins.module_utils._network import options
from ansible_collections.faultline.chaos.plugins.module_utils._network.netem import Selection, Tree
from tests.unit.support.ssh_servers import Servers


@pytest.mark.parametrize("low,high", [(80, 80), (8000, 8010), (1, 65535), (1023, 1025), (65535, 65535), (7, 8)])
def test_port_masks_cover_the_range_and_nothing_else(low, high):
    pairs = options.port_masks(low, high)
    covered = {port for port in range(65536) if any(port & mask == value for value, mask in pairs)}
    assert covered == set(range(low, high + 1))
    assert len(pairs) <= 30


@pytest.mark.parametrize("value", ["300.1.1.1", "10.0.0.0/33", "::ffff:1.2.3.4", "0.0.0.0/0", "::/0", "1.2.3", "fe80::1%eth0"])
def test_addresses_that_are_refused(value):
    with pytest.raises(BadOption) as error:
        options.check_peers("peers", [value])
    assert "peers" in str(error.value)


@pytest.mark.parametrize("value", ["$(id)", "a b", "-x", "a..b", "", "x" * 300, "host;id", "a_b"])
def test_names_that_are_no_host_names(value):
    with pytest.raises(BadOption):
        options.check_peers("peers", [value])


@pytest.mark.parametrize("value", ["", "../x", "eth0; id", "a234567890123456", "eth 0", "-eth", ".", "eth0\n"])
def test_names_that_are_no_interfaces(value):
    with pytest.raises(BadOption):
        options.interface_name("interface", value)


@pytest.mark.parametrize("value", ["0", "65536", "80-22", "22-", "-22", "010", "a", "1-2-3", "80 ", "\u0663"])
def test_ports_that_are_refused(value):
    with pytest.raises(BadOption):
        options.port_range("ports", value)


def test_kernel_addresses_are_read():
    assert str(address("0100007F")) == "127.0.0.1"
    assert str(address("00000000000000000000000001000000")) == "::1"
    assert str(address("0000000000000000FFFF00000A4D000A")) == "10.0.77.10"


def test_the_control_path_is_never_aimed_at():
    with pytest.raises(AttackError, match="192.0.2.7"):
        options.refuse_control_path(Servers(), "peers", [options.network("peers", "192.0.2.7")])
    with pytest.raises(AttackError, match="2222"):
        options.refuse_control_path(Servers(), "peers", [], [(2222, 2222)])
    options.refuse_control_path(Servers(), "peers", [options.network("peers", "192.0.2.0/24")], [(1, 65535)])


def _tree():
    return Tree(("tc", "ip"), "eth0", "2")


def _selection(**values):
    given = {"control_ports": [22], "passed": [], "hit": [], "ports": [], "protocols": []}
    given.update(values)
    return Selection(**given)


@pytest.mark.parametrize("direction,near", [("egress", "sport"), ("ingress", "dport")])
def test_what_passes_comes_before_what_is_hit(direction, near):
    matches = list(_selection().matches(direction))
    passes = [each[0] for each in matches]
    assert passes == sorted(passes, reverse=True)
    ssh = [words for yes, _family, words in matches if yes and near in words and "22" in words]
    assert len(ssh) == 2  # IPv4 and IPv6
    assert any("58" in words for yes, family, words in matches if yes and family == "ipv6")


def test_each_address_and_port_and_protocol_makes_a_filter_of_its_own():
    hit = [options.network("peers", each) for each in ("10.0.0.0/8", "2001:db8::/32")]
    matches = [each for each in _selection(hit=hit, ports=[(80, 80), (8000, 8010)]).matches("egress") if not each[0]]
    assert len(matches) == 2 * 2 * (1 + 3)
    assert {family for _passes, family, _words in matches} == {"ip", "ipv6"}


def test_the_undo_removes_what_hits_before_what_passes_and_devices_last():
    tree = _tree()
    tree.redirect(["egress", "ingress"], {"egress": "fl0", "ingress": "fl1"}.get, ["delay", "1ms"], _selection())
    lines = [line for step in tree.undo for line in step.render()]
    removed = [line for line in lines if "filter del" in line]
    assert sum(passes for passes, _family, _words in _selection().matches("egress")) == 12
    hits = [number for number, line in enumerate(removed) if "pref 47013;" in line or "pref 47014;" in line]
    ssh = next(number for number, line in enumerate(removed) if "pref 47001;" in line)
    assert len(hits) == 2 and max(hits) < ssh
    whole = next(number for number, line in enumerate(lines) if 'qdisc del dev "$link" clsact' in line)
    devices = [number for number, line in enumerate(lines) if "try ip link del" in line]
    assert whole < min(devices) and len(devices) == 2
    added = [words for words in tree.add if words[0] == "filter"]
    assert len(removed) == len(added)


def test_the_band_sends_everything_unchosen_to_the_first_band():
    tree = _tree()
    tree.band(["loss", "1%"], _selection())
    prio = next(words for words in tree.add if "prio" in words)
    assert prio[prio.index("priomap") + 1 :] == ["0"] * 16
    assert "replace" not in [word for words in tree.add for word in words]


@pytest.mark.parametrize("name", ["eth\x1c0", "e\u2028h", "e\x85h", "e\u3000h", "e\x1cdead"])
def test_the_interface_of_a_default_route_has_its_whole_name(name):
    hops = f"\\\tnexthop via 192.0.2.3 dev {name} weight 1 \\\tnexthop via 192.0.2.4 dev e2 weight 1 dead "
    shown = f"default via 192.0.2.1 dev {name} proto static \ndefault {hops}\n"
    assert options.default_devices(shown) == [name]
