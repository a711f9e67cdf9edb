# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._host import namespace, placed
from ansible_collections.faultline.chaos.plugins.module_utils._network import options
from ansible_collections.faultline.chaos.plugins.module_utils._network.netem import Selection, Tree
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import OutputHas

ID = "0123456789abcdef" * 4
LINKS = "1: lo: <LOOPBACK,UP>\n3: eth0@if7: <BROADCAST,UP,LOWER_UP>\n13: eth01: <BROADCAST>\n14: eth2: <BROADCAST,SLAVE,UP>\n"
LINKS += "15: flc662af49754b: <BROADCAST,UP>\n"  # of an active netem: never the one that is meant


class FakeHost:
    """A host on which docker knows one container."""

    def __init__(self, tools=("nsenter", "ip", "docker"), pid: str = "4711") -> None:
        self.tools, self.pid = tools, pid

    def has_tool(self, name):
        return name in self.tools

    def tool(self, name):
        return f"/sbin/{name}"

    def read(self, _path, default=""):
        return default

    def ask(self, argv):
        return self.run(argv)

    def run(self, argv, check=True, data=None):
        if "inspect" in argv:
            return (0, self.pid + "\n", "") if argv[-1] == "web" else (1, "", "no such container")
        return (0, LINKS, "") if "link" in argv else (1, "", "")


@pytest.mark.parametrize("part", [f"docker-{ID}.scope", ID, f"cri-containerd-{ID}.scope", f"crio-{ID}.scope", f"libpod-{ID}.scope", f"cri-containerd:{ID}"])
def test_control_groups_of_containers(part: str) -> None:
    assert placed.is_container(part, ID) and placed.is_container(part, ID[:12])
    assert not placed.is_container(part, ID[:11]) and not placed.is_container(part, ID[1:13]) and not placed.is_container(part, "web")


@pytest.mark.parametrize("part", [f"libpod-conmon-{ID}.scope", "system.slice", f"{ID[:-1]}", f"x{ID}"])
def test_control_groups_of_others(part: str) -> None:
    assert not placed.is_container(part, ID[:12]) and not placed.is_container(part, part)


def test_containers_with_names() -> None:
    assert placed.is_container("lxc.payload.web", "web") and placed.is_container("machine-web\\x2d1.scope", "web-1")
    assert not placed.is_container("machine-web.scope", "we")


def test_a_container_is_asked_of_its_engine() -> None:
    assert placed.container_pid(FakeHost(), "web") == 4711
    with pytest.raises(AttackError, match="container: web does not run"):
        placed.container_pid(FakeHost(pid="0"), "web")
    with pytest.raises(AttackError, match="no container other runs"):
        placed.container_pid(FakeHost(), "other")


@pytest.mark.parametrize(
    "given, words",
    [
        ({"netns": "no-such-namespace"}, "netns: there is no network namespace no-such-namespace"),
        ({"netns": str(2**22 + 1)}, "netns: there is no"),
        ({"netns": str(os.getpid())}, "has the network of the target itself: leave the option out"),
        ({"container": "other"}, "container: no container other runs"),
    ],
)
def test_places_that_are_refused(given: dict, words: str) -> None:
    with pytest.raises(AttackError) as error:
        placed.find(FakeHost(), {"netns": None, "container": None, **given})
    assert words in str(error.value)


def test_no_option_means_here() -> None:
    place = placed.find(FakeHost(), {"netns": None, "container": None})
    assert place is namespace.HERE and place.argv(["tc"]) == place.undo_argv(["tc"]) == ["tc"] and not place.key


@pytest.mark.parametrize("value", ["", "../x", "a b", "-x", "x\n", "x" * 256, "a/b", "$(id)"])
def test_names_that_no_namespace_has(value: str) -> None:
    for option in ("netns", "container"):
        with pytest.raises(AttackError, match=option):
            placed.check_options({"netns": None, "container": None, option: value})


@pytest.fixture
def place():
    return placed.AttackedNamespace(FakeHost(), namespace.OWN, "somewhere")


def test_commands_are_prefixed(place) -> None:
    assert place.argv(["tc", "x"]) == ["/sbin/nsenter", "--net=/proc/self/ns/net", "tc", "x"]
    assert place.undo_argv(["tc", "x"]) == ["/sbin/nsenter", "--net=/proc/self/fd/8", "tc", "x"]
    assert place.guards[0].condition() == f"network_namespace {place.number} /proc/self/ns/net ''"
    place.check()
    place.number = "4:1"
    with pytest.raises(AttackError, match="somewhere is gone"):
        place.check()


def test_interfaces_elsewhere(place) -> None:
    eth0 = options.ShownInterface(FakeHost(), place, "eth0")
    eth0.check()
    assert eth0.number == "3"
    with pytest.raises(AttackError, match="eth01 is down"):
        options.ShownInterface(FakeHost(), place, "eth01").check()
    with pytest.raises(AttackError, match="eth2 is a port of a bond"):
        options.ShownInterface(FakeHost(), place, "eth2").check()
    with pytest.raises(AttackError, match="there is no eth7 on somewhere; there are: lo, eth0, eth01, eth2, flc662af49754b"):
        options.ShownInterface(FakeHost(), place, "eth7").check()
    assert options.default_interface(FakeHost(), place) == "eth0"


@pytest.mark.parametrize("mechanism", ["redirect", "band", "ingress"])
def test_every_command_of_netem_is_prefixed(place, mechanism: str) -> None:
    tree = Tree(("/sbin/tc", "/sbin/ip"), "eth0", "3", place, "faultline-x")
    selection = Selection(control_ports=[], passed=[], hit=[], ports=[], protocols=[])
    if mechanism == "redirect":
        tree.redirect(["egress", "ingress"], lambda direction: f"fl{direction}", ["delay", "1ms"], selection)
    elif mechanism == "band":
        tree.band(["delay", "1ms"], selection)
    else:
        tree.ingress("flingress", ["delay", "1ms"], selection)
    assert all(argv[:2] == ["/sbin/nsenter", "--net=/proc/self/ns/net"] for argv in tree.links)
    for step in tree.undo + tree.checks:
        for line in step.render():
            if line.strip().startswith("on_marked"):
                continue  # it enters each namespace by itself
            line = re.sub(r"find_\w+ .*? /sbin/ip /sbin/nsenter --net=/proc/self/fd/8", "", line)
            assert line.count("/sbin/tc") + line.count("/sbin/ip") == line.count("/sbin/nsenter --net=/proc/self/fd/8 ")
            assert "/sys/class/net" not in line


def test_an_output_guard_may_have_a_line_break() -> None:
    assert OutputHas(["ip"], "\n3: eth0:").condition() == "prints '\n3: eth0:' ip"


@pytest.mark.parametrize("name", ["a\x1cb", "a\u2028b", "a\x85b"])
def test_a_namespace_is_found_wherever_it_is_mounted(name: str) -> None:
    text = f"40 25 0:4 net:[4026532001] /run/x rw shared:9 - nsfs nsfs rw\n41 25 0:4 net:[4026532002] /run/{name} rw shared:10 - nsfs nsfs rw\n"
    assert namespace._MOUNTED.findall(text) == ["/run/x", f"/run/{name}"]
