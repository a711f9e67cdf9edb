# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind of step, guard, check and reading: it is rendered, and the shell can read what it brings along."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError
from ansible_collections.faultline.chaos.plugins.module_utils._undo.cgroups import EmptyCgroup, FindGroup, RemoveCgroup
from ansible_collections.faultline.chaos.plugins.module_utils._undo.clock import ClockOff, SetClock
from ansible_collections.faultline.chaos.plugins.module_utils._undo.figures import Figures
from ansible_collections.faultline.chaos.plugins.module_utils._undo.files import FileBack, InPlace, IsFile, Settled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.filled import Filled
from ansible_collections.faultline.chaos.plugins.module_utils._undo.inodes import IsInode
from ansible_collections.faultline.chaos.plugins.module_utils._undo.io_controller import IoController, Members
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import (
    BackHasBegun,
    BeginBack,
    EndBack,
    HasLine,
    Put,
    SameFile,
    StillOurs,
    ValueIs,
)
from ansible_collections.faultline.chaos.plugins.module_utils._undo.limits import HasHeirs, HeirsBack
from ansible_collections.faultline.chaos.plugins.module_utils._undo.lines import Feed, Insist, Lacks, Misses, Until
from ansible_collections.faultline.chaos.plugins.module_utils._undo.link_lines import MissesLine, same_lines
from ansible_collections.faultline.chaos.plugins.module_utils._undo.links import FindLink
from ansible_collections.faultline.chaos.plugins.module_utils._undo.marked_links import FindMarked, NotFound, OnMarked
from ansible_collections.faultline.chaos.plugins.module_utils._undo.network import NetworkNamespace, OnlyOurFilters
from ansible_collections.faultline.chaos.plugins.module_utils._undo.own_directory import RemoveOwn
from ansible_collections.faultline.chaos.plugins.module_utils._undo.packets import Packets
from ansible_collections.faultline.chaos.plugins.module_utils._undo.power import Rebooted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.processes import Continue, LinksTo, Stopped
from ansible_collections.faultline.chaos.plugins.module_utils._undo.programs import Ease, Trusted
from ansible_collections.faultline.chaos.plugins.module_utils._undo.recovery import ComesBack, Missing
from ansible_collections.faultline.chaos.plugins.module_utils._undo.rules import Rules
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import (
    Alive,
    Exists,
    Fails,
    FileHolds,
    Gone,
    KillGroup,
    OutputHas,
    Part,
    Run,
    SameBoot,
    Succeeds,
    Undo,
    When,
)
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK, Typed
from tests.support.paths import PLUGINS


def everything() -> Undo:
    guard = [
        SameBoot(),
        FileHolds("/a", "b"),
        Exists("/c"),
        OutputHas(["d"], "e"),
        OnlyOurFilters(["f"]),
        Alive(1, 2),
        Fails(["g"]),
        Missing(1, ["2:3"], "h", "i", "j", "4", "5", "k"),
        Trusted(["/l", "/m"]),
    ]
    guard += [Succeeds(["v"]), LinksTo("w", "x"), Stopped(5, 6)]
    undo = Undo(
        [Run("i", ["j", "k"], guard), KillGroup("l", 3, 4), RemoveCgroup("w", "/x", guard), When(guard, [Run("m", ["n"], [Exists("o")])])],
        [Gone("p", guard), ComesBack("q", Missing(1))],
    )
    undo.steps += [Continue("y", 7, 8), Ease("e", ["f"]), SetClock("z", -9, 10), EmptyCgroup("a", LINK, "/c", "/d", [FindGroup("/b", "/d", 20)])]
    undo.steps.append(Until("k", 5, [Misses(["l"], "m"), Lacks(["n"], "o"), NetworkNamespace("4:5", "/p")]))
    undo.steps += [Feed("o", ["p"], "q\nr", 2), Insist("i", ["j", "k"], guard)]
    undo.steps.append(When([HasHeirs(11, 12, 13, 14)], [HeirsBack("p", "/q", 15, 16, 17, 18, 19)]))
    file = {"title": "f", "path": "/f", "parent": [1, 2], "name": "g", "file": [3, 4], "before": "h", "after": "i", "home": ["1:2", "3", "/p", "q", 0, 0]}
    values = [ValueIs("/u", "v"), StillOurs("/w", "x", "y", ["z"])]
    undo.steps.append(Put("j", "/k", "l", [IsInode("/m", 5, 6), HasLine("/r", "s"), IoController("/t"), Settled(), IsFile("/n"), *values], ["z"]))
    undo.steps += [RemoveOwn("n", "/o", file["home"]), FileBack(aside="p", fresh="q", names=1, **file), InPlace(how="mode", **file)]
    undo.steps += [BeginBack("b"), When([BackHasBegun("b"), FindLink(1, "l", f"/l/{LINK}/m", "/ip", ["z"])], [EndBack("b")])]
    undo.steps.append(
        When([FindMarked("m", "n", 2, "a:b", "/ip", ["z"]), NotFound(), MissesLine(["l"], "dev n", "n")], [OnMarked("o", "m", "/ip", ["p", LINK])])
    )
    same_lines(undo, "q", ["r", LINK], "2: n", "n", guard)
    undo.checks.append(SameFile("f", f"/g/{LINK}/h", "00", guard, ["z"]))
    undo.same("s", ["t"], "u\nv", guard, ["refcnt"])
    undo.readings += [Rebooted(), Part("t", [*guard]), Figures(10), ClockOff(1, 2, 3), Filled("/f", 4)]
    undo.readings += [Packets("1:", ["w"]), Rules("nft", "u", 1, 2, True, ["v"], guard), Members(LINK, guard)]
    return undo


def collect(found: object, used: set[str]) -> set[str]:
    """The types that stand in an undo as JSON, at any depth."""
    if isinstance(found, dict):
        used |= {found["type"]} if "type" in found else set()
    for value in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        collect(value, used)
    return used


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def kinds() -> set[str]:
    for path in sorted((PLUGINS / "module_utils/_undo").glob("*.py")):
        importlib.import_module(f"ansible_collections.faultline.chaos.plugins.module_utils._undo.{path.stem}")
    return {each.__name__ for each in subclasses(Typed) - {Typed}}


def test_no_kind_is_defined_outside_of_its_room() -> None:
    names = kinds() | {"Typed"}
    elsewhere = {}
    for path in PLUGINS.rglob("*.py"):
        bases = {
            ast.unparse(base).rpartition(".")[2] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef) for base in node.bases
        }
        if path.parent.name != "_undo" and "_kube" not in path.parts and bases & names:
            elsewhere[str(path.relative_to(PLUGINS))] = sorted(bases & names)
    assert elsewhere == {}


def test_every_kind_is_rendered_here() -> None:
    assert collect(everything().to_dict(), set()) == kinds(), "give everything() one of the kind that is missing"


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises((AttackError, TypeError)):
        FileBack(title="x", shell="reboot")


def test_no_function_that_a_step_brings_along_has_the_name_of_one_of_the_machinery(bench) -> None:
    found = []
    for undo in (Undo(), everything()):
        brought, _line, machinery = bench.record("a", undo)["script"].partition("# --- The machinery")
        found.append([set(re.findall(r"^ *(\w+)\(\) *\{", text, re.MULTILINE)) for text in (brought, machinery)])
    (none, machinery), (brought, _same) = found
    assert none == {"undo", "check", "look"} and len(machinery) > 20 and len(brought) > 20
    assert not brought & machinery


def test_every_shell_can_read_it(bench, shell, tmp_path: Path) -> None:
    script = tmp_path / "revert.sh"
    script.write_text(bench.record("a", everything())["script"])
    assert bench.sh([*shell, "-n"], script).returncode == 0
