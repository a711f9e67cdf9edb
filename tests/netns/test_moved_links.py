# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces that somebody renames, moves to another network namespace or replaces during an attack: the undo finds them, or says what it cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._host import placed
from ansible_collections.faultline.chaos.plugins.module_utils._network.netem import Selection, Tree
from ansible_collections.faultline.chaos.plugins.module_utils._network.options import ShownInterface
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import SameBoot, Undo, When
from tests.netns.support.box import Box
from tests.netns.test_namespace import Processes

# --- interface_down ----------------------------------------------------------------------------------

SETUP = """
ip link add v0 type veth peer name v1
ip link set v1 up; ip link set v0 up; ip link set v0 alias "ad min's"
ip addr add 10.0.0.1/24 brd + dev v0; ip -6 addr add 2001:db8:1::1/64 dev v0 nodad
ip route add 192.168.2.0/24 via 10.0.0.254; ip -6 route add 2001:db8:9::/48 via 2001:db8:1::8
ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:01 dev v0 nud permanent; ip neigh add proxy 10.0.0.88 dev v0
sleep 2
"""
SHOW = """
ip -o link show dev {0}; ip -o addr show dev {0}; ip route show dev {0}; ip -6 route show dev {0}; ip neigh show dev {0} nud permanent; ip neigh show proxy
"""
ELSEWHERE = "unshare --net sleep 300 >/dev/null 2>&1 & sleep 0.3; echo $!"


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    box.sh(SETUP)
    yield box
    box.close()


def shown(box: Box, name: str) -> str:
    return box.sh(SHOW.format(name)).replace(f" {name} ", " v0 ").replace(f" {name}\\", " v0\\").replace(f" {name}@", " v0@")


def revert(box: Box) -> dict:
    return box.module("revert", all=True)


@pytest.mark.parametrize("name", ["h9", "a.b-c_d", "x@y", "e", "$(id)*"])
def test_renamed_while_down(box: Box, name: str) -> None:
    before = shown(box, "v0")
    assert box.module("interface_down", interface="v0", duration="5m")["status"] == "active"
    box.sh(f"ip link set v0 name '{name}'")
    assert revert(box)["clean"], box.sh("cat /var/lib/faultline/*/stuck")
    if name != "$(id)*":
        assert shown(box, name) == before
    assert box.sh("ip -o link show up type veth").count("ad min's") == 1


def test_another_interface_has_its_name_and_it_has_another_description(box: Box) -> None:
    before = shown(box, "v0")
    box.module("interface_down", interface="v0", duration="5m")
    box.sh("ip link set v0 name h9; ip link set h9 alias other; ip link add v0 type veth peer name w1")
    assert revert(box)["clean"]
    assert "UP" not in box.sh("ip -o link show v0").partition(">")[0]
    assert shown(box, "h9").replace("alias other", "alias ad min's") == before


@pytest.mark.parametrize("name", ["v0", "h9"])
def test_moved_to_another_namespace(box: Box, name: str) -> None:
    """There it looks as it would without an attack."""
    there = box.sh(ELSEWHERE).strip()
    box.module("interface_down", interface="v0", duration="5m")
    box.sh(f"ip link set v0 name {name}; ip link set {name} netns {there}")
    assert "alias faultline-" in box.sh(f"nsenter --net=/proc/{there}/ns/net ip -o link show {name}")
    assert revert(box)["clean"]
    assert "alias ad min's" in box.sh(f"nsenter --net=/proc/{there}/ns/net ip -o link show {name}")


def test_moved_to_a_namespace_that_an_open_file_holds(box: Box) -> None:
    there = box.sh(ELSEWHERE).strip()
    box.module("interface_down", interface="v0", duration="5m")
    box.sh(f"ip link set v0 netns {there}; sh -c 'exec 7</proc/{there}/ns/net; exec sleep 300' >/dev/null 2>&1 & sleep 0.3; kill {there}; echo $!")
    holder = box.sh("pgrep -n sleep").strip()
    assert revert(box)["clean"]
    assert "alias ad min's" in box.sh(f"nsenter --net=/proc/{holder}/fd/7 ip -o link show v0")


def test_moved_away_and_back(box: Box) -> None:
    before = shown(box, "v0")
    there = box.sh(ELSEWHERE).strip()
    box.module("interface_down", interface="v0", duration="5m")
    box.sh(f"ip link set v0 netns {there}; nsenter --net=/proc/{there}/ns/net ip link set v0 netns 1")
    assert revert(box)["clean"], box.sh("cat /var/lib/faultline/*/stuck")
    assert shown(box, "v0") == before


def test_what_cannot_be_told_is_stuck_and_named(box: Box) -> None:
    address = box.sh("cat /sys/class/net/v0/address").strip()
    box.module("interface_down", interface="v0", duration="5m", id="down")
    box.sh("ip link set v0 alias x; ip link set v0 address 02:00:00:00:00:99; ip link set v0 name h9")
    stuck = revert(box)
    assert not stuck.get("clean"), stuck
    told = box.sh("cat /var/lib/faultline/down/stuck")
    assert "cannot tell whether h9" in told and "ip link set dev h9 alias faultline-down" in told
    box.sh(f"ip link set dev h9 alias faultline-down; ip link set h9 address {address}")
    assert revert(box)["clean"] and "UP" in box.sh("ip -o link show h9")


def test_removed(box: Box) -> None:
    box.module("interface_down", interface="v0", duration="5m")
    box.sh("ip link del v0")
    assert revert(box)["clean"]


# --- the filters of netem ----------------------------------------------------------------------------


class Attacked:
    """The devices and filters of netem on wa, with its undo; without the qdisc netem and the action pass, which a kernel may lack.

    inside: runs ip or tc where wa is.
    """

    def __init__(self, host, undoing, place, inside: Callable[..., str], directions: tuple[str, ...]) -> None:
        self.undoing, self.inside = undoing, inside
        number = inside("ip", "-o", "link", "show", "wa").partition(":")[0]
        interface = ShownInterface(host, place, "wa")
        assert interface.number == number
        tree = Tree(("tc", "ip"), "wa", number, place, "faultline-a")
        tree.redirect(directions, lambda direction: "fl0123456789a" + direction[0], [], Selection([22], [], [], [], []))
        for argv in tree.links:
            host.run(argv)
        batch = "".join(" ".join(words) + "\n" for words in tree.add if words[-1] not in ("netem", "pass"))
        host.run(place.argv(["tc", "-batch", "-"]), data=batch)
        guards = [SameBoot(), *place.guards]
        self.undo = Undo([When(guards, tree.undo)], [When(guards, tree.checks)])
        undoing.publish(self.undo)

    def revert(self) -> None:
        done = self.undoing.run()
        assert done.returncode == 0 and "reverted" in done.stdout, done

    def left(self) -> list[str]:
        links = self.inside("ip", "-o", "link", "show")
        found = [line for line in links.splitlines() if "faultline-" in line or ": fl0" in line]
        return found + [line for line in self.inside("tc", "qdisc", "show").splitlines() if "clsact" in line]


@pytest.fixture(params=["namespace", "@"])
def elsewhere(request, host, undoing):
    """wa in a network namespace, its peer wb beside it; or with an @ in its peer's name."""

    processes = Processes()
    pid = processes.start("unshare", "--net")
    place = placed.find(host, {"netns": str(pid), "container": None})
    peer = "w@b" if request.param == "@" else "wb"

    def inside(*argv: str) -> str:
        return host.run(place.argv(list(argv)))[1]

    inside("ip", "link", "add", "wa", "type", "veth", "peer", "name", peer)
    for name in ("wa", peer):
        inside("ip", "link", "set", name, "up")
    yield lambda *directions: Attacked(host, undoing, place, inside, directions or ("egress",)), peer, processes
    processes.close()


@pytest.mark.parametrize("whom", ["the interface", "its peer", "both", "our device"])
def test_renamed_in_a_namespace(elsewhere, whom: str) -> None:
    """ip shows wa as wa@wb."""
    attack, peer, _processes = elsewhere
    attacked = attack("egress", "ingress")
    assert len(attacked.left()) == 3
    renamed = {"the interface": ["wa"], "its peer": [peer], "both": ["wa", peer], "our device": ["fl0123456789ae"]}[whom]
    for name in renamed:
        attacked.inside("ip", "link", "set", name, "down")
        attacked.inside("ip", "link", "set", name, "name", "new" + name[-1])
    attacked.revert()
    assert attacked.left() == []


def test_our_device_was_moved(elsewhere, host) -> None:
    attack, _peer, processes = elsewhere
    attacked = attack("egress", "ingress")
    there = processes.start("unshare", "--net")
    attacked.inside("ip", "link", "set", "fl0123456789ae", "netns", str(there))
    show = ["nsenter", f"--net=/proc/{there}/ns/net", "ip", "-o", "link", "show"]
    assert "fl0123456789ae" in host.run(show)[1]
    attacked.revert()
    assert attacked.left() == [] and "faultline-" not in host.run(show)[1]


def test_a_foreign_filter_stays(elsewhere) -> None:
    attack, _peer, _processes = elsewhere
    attacked = attack()
    attacked.inside("tc", "filter", "add", "dev", "wa", "egress", "protocol", "ip", "pref", "7", "u32", "match", "u32", "0", "0", "flowid", "1:1")
    attacked.inside("ip", "link", "set", "wa", "name", "wz")
    attacked.revert()
    text = attacked.inside("tc", "filter", "show", "dev", "wz", "egress")
    assert "pref 7 " in text and "pref 47" not in text
