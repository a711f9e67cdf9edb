# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages in docs/ say about attacks, playbooks and options is what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import CHECKOUT

DOCS = CHECKOUT / "docs"
ATTACKS = sorted(yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]["attacks"])
ATTACKS += sorted(yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]["k8s_attacks"])
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (.*) \|$", re.MULTILINE)
WORD = re.compile(r"`([a-z][a-z0-9_]*)(\*?)`")


def constant(path: Path, name: str) -> str:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return ast.literal_eval(node.value)
    return ""


def options_of(attack: str) -> dict[str, Any]:
    """The documented options of a module, with those of its fragments."""
    found = yaml.safe_load(constant(CHECKOUT / f"plugins/modules/{attack}.py", "DOCUMENTATION"))
    options = dict(found.get("options") or {})
    for fragment in found["extends_documentation_fragment"]:
        collection, _dot, name = fragment.partition("faultline.chaos.")
        path = CHECKOUT / f"plugins/doc_fragments/{name.partition('.')[0]}.py"
        if not collection and path.exists() and "." not in name:
            text = next(node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))
            for node in text.body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
                    options.update(yaml.safe_load(ast.literal_eval(node.value)).get("options") or {})
    return options


def rows() -> dict[str, list[str]]:
    """The rows of the tables of attacks: name, cells."""
    return {name: cells.split(" | ") for name, cells in ROW.findall((DOCS / "attacks.md").read_text())}


def test_every_attack_has_its_row_and_every_row_its_attack() -> None:
    assert sorted(rows()) == sorted(ATTACKS)


def test_the_readme_lists_every_attack() -> None:
    told = {word for line in (CHECKOUT / "README.md").read_text().splitlines() if line.startswith("| ") for word, _star in WORD.findall(line)}
    assert set(ATTACKS) - told == set()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_options_of_a_row_exist(attack: str) -> None:
    options = options_of(attack)
    words = set(options) | {str(choice) for option in options.values() for choice in option.get("choices") or []}
    told = WORD.findall(rows()[attack][1])
    if attack == "process_freeze":
        told += WORD.findall(rows()["process_kill"][1].replace("`signal`", "").replace("`recover`", ""))
    assert told
    for word, star in told:
        assert any(known.startswith(word) for known in words) if star else word in words, f"{attack} has no option {word}"


def test_coming_from_leads_somewhere() -> None:
    """Each name in the column "here" is an attack, a playbook, a module, a role, an option, or a word of a plan."""
    known = {path.stem for kind in ("plugins/modules", "plugins/filter", "playbooks", "roles") for path in (CHECKOUT / kind).iterdir()}
    for attack in ATTACKS:
        options = options_of(attack)
        known |= set(options) | {str(choice) for option in options.values() for choice in option.get("choices") or []}
    known |= {"select", "ramp", "phases", "before", "during", "after", "certificate_expiry"}
    known |= {"max_count_per_group", "k8s", "http"}
    here = 0
    for line in (DOCS / "coming-from.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "here" in cells:
            here = cells.index("here")
        elif line.startswith("| "):
            for word, _star in WORD.findall(cells[here]):
                assert word in known, f"{cells[0]}: {word}"


def test_the_guide_to_attacks_shows_a_real_module() -> None:
    guide = (DOCS / "adding-an-attack.md").read_text()
    [path] = re.findall(r"From `(plugins/modules/\w+\.py)`:\n\n```python", guide)
    shown = guide.partition("```python\n")[2].partition("```")[0]
    module = (CHECKOUT / path).read_text().splitlines()
    assert [line for line in shown.splitlines() if line not in module] == []


def test_the_guide_to_attacks_names_what_exists() -> None:
    """Each file that it names is there, and each word in capitals is a class of the undo or another public name of the target's code."""
    hosts = (DOCS / "adding-an-attack.md").read_text().partition("## Attacks on Kubernetes")[0]
    places = ("", "plugins/module_utils", "plugins/module_utils/_lifecycle", "plugins/module_utils/_undo", "tests/faults/support", "tests/unit/plugins/modules")
    files = {name for name in re.findall(r"`([\w./-]+\.(?:py|yml|md))`", hosts) if "NAME" not in name}
    assert {name for name in files if not any((CHECKOUT / place / name).exists() for place in places)} == set()
    code = "\n".join(path.read_text() for path in (CHECKOUT / "plugins/module_utils").rglob("*.py") if "_kube" not in path.parts)
    names = set(re.findall(r"`([A-Z][a-z]\w+)\b", hosts)) - {"Box", "None"}
    assert {name for name in names if not re.search(rf"^class {name}\b", code, re.MULTILINE)} == set()


def methods_of(name: str, trees: dict[str, ast.Module]) -> set[str]:
    """The functions and methods of the files of that name, and the methods of the classes of that name, with a capital or without."""
    found: list[ast.AST] = [tree for path, tree in trees.items() if Path(path).stem == name]
    found += [node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef) and name in (node.name, node.name.lower())]
    return {node.name for each in found for node in ast.walk(each) if isinstance(node, ast.FunctionDef)}


def test_every_call_that_the_guide_to_attacks_names_can_be_made() -> None:
    """`place.method()`: the file or the class of that name has the method. `function()`: some file has it."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", (DOCS / "adding-an-attack.md").read_text(), flags=re.DOTALL))
    places = [*(CHECKOUT / "plugins/module_utils").rglob("*.py"), *(CHECKOUT / "tests").rglob("*.py")]
    trees = {str(path): ast.parse(path.read_text()) for path in places}
    known = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for span in spans:
        for place, method in re.findall(r"\b([A-Za-z_]\w*)(?:\(\))?\.([a-z_]\w*)\(", span):
            assert method in methods_of(place, trees), f"{span}: {place} has no {method}()"
        for function in re.findall(r"(?<![.\w])([a-z_]\w*)\(", span):
            assert function in known, f"{span}: there is no {function}()"


def test_the_house_has_a_line_for_every_directory_of_plugins() -> None:
    """Each line of that block begins with a directory, or goes on with the line before it."""
    house = (DOCS / "ARCHITECTURE.md").read_text().partition("## The house\n\n```\n")[2].partition("```")[0]
    named = [line.split()[0] for line in house.splitlines() if not line.startswith(" ")]
    assert [name for name in named if not (CHECKOUT / name).is_dir()] == []
    assert {f"plugins/{path.name}/" for path in (CHECKOUT / "plugins").iterdir() if path.is_dir() and path.name != "__pycache__"} <= set(named)


@pytest.mark.parametrize("room", ["", "_undo", "_host", "_lifecycle", "_kube/api", "_kube/targets", "_kube/lifecycle"])
def test_the_architecture_names_every_file_of_a_room(room: str) -> None:
    """Of the rooms that are no family of attacks. A name that two rooms have counts for both."""
    page = (DOCS / "ARCHITECTURE.md").read_text()
    files = [path.stem for path in (CHECKOUT / "plugins/module_utils" / room).glob("*.py") if path.stem != "__init__"]
    assert [name for name in sorted(files) if f"`{name}`" not in page] == []


def test_the_text_of_the_pages_is_wrapped() -> None:
    """At 100 columns; tables and what is to be copied are as wide as they must be."""
    wide = []
    for page in [*DOCS.rglob("*.md"), *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]:
        copied = False
        for number, line in enumerate(page.read_text().splitlines(), 1):
            copied ^= line.lstrip().startswith("```")
            if len(line) > 100 and not copied and not line.lstrip().startswith("|"):
                wide.append(f"{page.name}:{number}")
    assert wide == []


def test_links_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), CHECKOUT / "README.md", CHECKOUT / "SECURITY.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", ["docs/threat-model.md", "SECURITY.md", "docs/safety.md"])
def test_the_tests_that_prove_a_promise_exist(page: str) -> None:
    """Each directory and each file of tests that it names, which means one file only, and each number of a case after such a name."""
    text = (CHECKOUT / page).read_text()
    assert [place for place in re.findall(r"`(tests/[\w/]+)`", text) if not (CHECKOUT / place).is_dir()] == []
    for name, cases in re.findall(r"`([\w/]*test_\w+\.py)`((?: \d+,?(?: and \d+)?)*)", text):
        found = [path for path in (CHECKOUT / "tests").rglob(Path(name).name) if f"/{path.relative_to(CHECKOUT)}".endswith(f"/{name}")]
        assert len(found) == 1, f"{page}: {name} is {found}"
        missing = [case for case in re.findall(r"\d+", cases) if f"def test_{case}_" not in found[0].read_text()]
        assert missing == [], f"{page}: {name} has no case {missing}"


def test_the_attacks_that_count_what_they_met_are_named() -> None:
    """Only of these "nothing met" makes a round inconclusive. By the file of each that has such a reading, or counts for one."""
    counting = {
        "modules/host_power.py": "host_power",
        "module_utils/_network/dns_forwarder.py": "dns_fault",
        "module_utils/_network/firewall.py": "blackhole",
        "modules/io_throttle.py": "io_throttle",
        "module_utils/_network/netem.py": "netem",
        "module_utils/_resources/disk_io.py": "io_stress",
    }
    sources = [path for top in ("modules", "module_utils") for path in (CHECKOUT / "plugins" / top).rglob("*.py") if "_undo" not in path.parts]
    found = [path for path in sources if re.search(r"(?<!self)\.met = |\bPackets\(|\bRules\(|\bMembers\(|\bRebooted\(", path.read_text())]
    assert sorted(str(path.relative_to(CHECKOUT / "plugins")) for path in found) == sorted(counting)
    told = (DOCS / "safety.md").read_text().partition("attacks that count")[2].partition("All others")[0]
    assert sorted(word for word, _star in WORD.findall(told)) == sorted(counting.values())


def test_the_client_of_kubernetes_that_is_promised_is_one() -> None:
    """What people are told to install, what an execution environment installs and what the tests ask for."""
    places = ("plugins/doc_fragments/_kube.py", "meta/ee-requirements.txt", "tests/unit/requirements.txt")
    told = {path: re.findall(r"kubernetes ?>= ?([0-9.]+)", (CHECKOUT / path).read_text()) for path in places}
    assert len({tuple(versions) for versions in told.values()}) == 1 and told[places[0]], told
