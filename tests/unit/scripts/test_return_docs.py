# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The common keys of RETURN stand in every attack as the source says, and a key that drifts is caught."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

from tests.support.paths import CHECKOUT

SCRIPT = CHECKOUT / "scripts/return_docs.py"
ACTION_GROUPS = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]
HOST_ATTACKS, KUBE_ATTACKS = ACTION_GROUPS["attacks"], ACTION_GROUPS["k8s_attacks"]

spec = spec_from_file_location("return_docs", SCRIPT)
assert spec is not None and spec.loader is not None
return_docs = module_from_spec(spec)
spec.loader.exec_module(return_docs)


def module(name: str) -> str:
    return (CHECKOUT / f"plugins/modules/{name}.py").read_text()


def returns(text: str) -> dict:
    return yaml.safe_load(return_docs.BLOCK.search(text).group(1))


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A directory with one attack on hosts, one on a cluster, and a module that is no attack."""
    for name in ("netem", "k8s_scale", "attack_info"):
        (tmp_path / f"{name}.py").write_text(module(name))
    return tmp_path


def test_the_modules_are_as_the_source_says() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", HOST_ATTACKS + KUBE_ATTACKS)
def test_every_attack_documents_the_common_keys(name: str) -> None:
    """A module whose import of the lifecycle is not recognised would be passed over."""
    section = yaml.safe_load(return_docs.SOURCE.read_text())["cluster" if name in KUBE_ATTACKS else "host"]
    documented = returns(module(name))
    assert list(documented)[: len(section)] == list(section)
    identity = name.removeprefix("k8s_").replace("_", "-") if name in KUBE_ATTACKS else name
    for key, wanted in section.items():
        own = {"sample": documented[key]["sample"]} if wanted.get("sample") == "OWN" else {}
        assert documented[key] == {
            **{word: text.replace("NAME", identity) if word == "sample" and isinstance(text, str) else text for word, text in wanted.items()},
            **own,
        }
    assert documented["effect"]["returned"] == "when active"


@pytest.mark.parametrize("name", KUBE_ATTACKS)
def test_injected_is_documented_where_something_cannot_be_undone(name: str) -> None:
    text = module(name)
    assert ("injected" in returns(text)) == bool(re.search(r"^    def done\(self\):", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("netem", "Seconds until RV(deadline).", "Seconds until then."),
        ("netem", "/var/lib/faultline/netem-1f2e3d4c5b", "/var/lib/faultline/blackhole-1f2e3d4c5b"),
        ("k8s_scale", "  returned: when active or planned\n", "  returned: always\n"),
        ("k8s_scale", "  description: The name of the attack in the cluster.", "  description:\n    - The name of the attack.\n    - Two lines."),
        ("netem", re.search(r"^remaining:\n(?:  .*\n)+", module("netem"), re.MULTILINE).group(), ""),
    ],
    ids=["description", "sample", "returned", "longer", "missing"],
)
def test_a_key_that_drifts_is_caught_and_mended(modules: Path, capsys: pytest.CaptureFixture[str], name: str, before: str, after: str) -> None:
    path = modules / f"{name}.py"
    good = path.read_text()
    bad = good.replace(before, after)
    assert bad != good
    path.write_text(bad)
    assert return_docs.main(["--check"], modules) == 1
    told = capsys.readouterr()
    assert f"--- {path}" in told.out and "\n+" in told.out and "run scripts/return_docs.py" in told.err
    assert path.read_text() == bad
    assert return_docs.main([], modules) == 0
    assert path.read_text() == good
    assert return_docs.main(["--check"], modules) == 0


def test_a_modules_own_words_stay(modules: Path) -> None:
    path = modules / "netem.py"
    path.write_text(path.read_text().replace('sample: ["net:eth0"]', 'sample: ["net:eth7"]').replace("The arguments of netem.", "Other words."))
    changed = path.read_text()
    assert return_docs.main([], modules) == 0
    assert path.read_text() == changed and "net:eth7" in changed and "Other words." in changed


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('  sample: ["net:eth0"]\n', "", "RETURN needs a sample of resources"),
        ('RETURN = r"""', 'RETURN = """', 'no RETURN = r"""'),
        ("\nid:\n", "\n# a comment\nid:\n", "text before the first key"),
    ],
)
def test_what_cannot_be_mended_is_named(modules: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, words: str) -> None:
    path = modules / "netem.py"
    bad = path.read_text().replace(before, after, 1)
    path.write_text(bad)
    assert return_docs.main([], modules) == 1
    assert f"netem.py: {words}" in capsys.readouterr().err and path.read_text() == bad
