#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# sanity.sh [--core VERSION] [STEP...]
#
# Copies the working tree (tracked and new files, nothing that git ignores) into a real ansible_collections tree and runs
# the checks there. Steps: ruff mypy returns yamllint ansible-lint changelog docs build (together: lint), sanity, targets, integration.
#   build         ansible-galaxy collection build, and a look at what is in the tarball; it stays in dist/
#   sanity        ansible-test sanity, every test of it
#   targets       ansible-test compile and import with every Python on this machine that the ansible-core supports on a target
#   integration   ansible-test integration on this machine, as root
# Without a step: lint and sanity. --core takes the ansible-core for the last three (see venv.sh).
set -euo pipefail
export LC_ALL=C.UTF-8 NO_COLOR=1 ANSIBLE_NOCOLOR=1 ANSIBLE_DEVEL_WARNING=false
repo=$(cd "$(dirname "$0")/.." && pwd)
lint=(ruff mypy returns yamllint ansible-lint changelog docs build)
core=dev
steps=()
while [ $# -gt 0 ]; do
	case $1 in
		--core) core=$2; shift ;;
		lint) steps+=("${lint[@]}") ;;
		ruff | mypy | returns | yamllint | ansible-lint | changelog | docs | build | sanity | targets | integration) steps+=("$1") ;;
		*) sed -n '/^# sanity.sh/,/^set/{/^#/p}' "$0" >&2; exit 2 ;;
	esac
	shift
done
[ ${#steps[@]} -gt 0 ] || steps=("${lint[@]}" sanity)

venv() { PATH=$("$repo/scripts/venv.sh" "$1"):$PATH; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/ansible_collections/faultline/chaos

# The tree lies outside of every git checkout: ansible-test skips in silence what git ignores.
copy_tree() {
	mkdir -p "$tree"
	cd "$repo"
	comm -z -23 <(git ls-files -z --cached --others --exclude-standard --deduplicate -- ':!.collections' | sort -z) \
		<(git ls-files -z --deleted | sort -z) | tar --null --no-recursion -T - -cf - | tar -x -C "$tree"
	cd "$tree"
	export ANSIBLE_COLLECTIONS_PATH=$work ANSIBLE_CONFIG=$tree/ansible.cfg
}

# ansible-test fetches pip from a server of its own. This stands in for it: the pip that Python brings, then the pinned one.
# It needs a home of its own, so that nobody else's ansible-test meets the stand-in.
ansible_test() {
	local home=${FAULTLINE_CACHE:-$HOME/.cache/faultline}/ansible-test version
	local pip_config=${PIP_CONFIG_FILE:-$HOME/.config/pip/pip.conf}
	mkdir -p "$home/.ansible/test/cache"
	for version in 23_1_2 24_2 25_2; do
		cat >"$home/.ansible/test/cache/get_pip_$version.py" <<-'E2'
			import subprocess
			import sys

			subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
			packages = [arg for arg in sys.argv[1:] if not arg.startswith("--no-")]
			sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "-q", *packages]))
		E2
	done
	if [ -e "$pip_config" ]; then export PIP_CONFIG_FILE=$pip_config; fi
	HOME=$home ansible-test "$@"
}

# ran LOG TEST...: each test was really run, on something.
ran() {
	local log=$1 test
	shift
	! grep -q 'All targets skipped' "$log" || { echo "ansible-test skipped all targets"; return 1; }
	for test in "$@"; do
		grep -q "Running sanity test \"$test\"" "$log" || { echo "ansible-test did not run its test $test"; return 1; }
	done
}

python_version() { python -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

step_ruff() {
	ruff check .
	ruff format --check .
}
# From the top of the tree: names of modules begin with ansible_collections.
step_mypy() {
	cd "$work"
	mypy --config-file "$tree/mypy.ini" "${tree#"$work/"}"/plugins/{plugin_utils,action,filter,module_utils/_{errors,hints,units,draw}.py}
}
step_returns() { python scripts/return_docs.py --check; }
step_yamllint() { yamllint --strict .; }
step_ansible_lint() { ansible-lint --offline --profile production; }
step_changelog() { antsibull-changelog lint; }
step_docs() { antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all .; }

step_sanity() {
	venv "$core"
	ansible_test sanity --python "$(python_version)" 2>&1 | tee "$work/log"
	ran "$work/log" compile import pep8 pylint validate-modules yamllint
}

step_targets() {
	local directory
	venv "$core"
	for directory in "$HOME"/.pyenv/versions/*/bin; do PATH=$PATH:$directory; done
	# These alone: unit tests of modules, which never run on a target, count as code of targets for ansible-test.
	ansible_test sanity --test compile --test import plugins/modules/ plugins/module_utils/ 2>&1 | tee "$work/log"
	ran "$work/log" compile import
	grep -oE 'on Python 3\.[0-9]+' "$work/log" | sort -uV >"$work/pythons"
	[ "$(wc -l <"$work/pythons")" -gt 1 ] || { echo "only one Python here: install others with pyenv, 3.6 above all"; return 1; }
}

step_integration() {
	venv "$core"
	ansible_test integration --local --python "$(python_version)" --allow-destructive 2>&1 | tee "$work/log"
	grep -q 'Running .* integration test role' "$work/log"
}

step_build() {
	local unwanted wanted
	ansible-galaxy collection build --force --output-path "$repo/dist"
	tar -tzf "$repo"/dist/faultline-chaos-*.tar.gz >"$work/shipped"
	unwanted=$(grep -vE '^(meta|plugins|roles|playbooks|docs|extensions|inventories|changelogs)(/|$)|^(README|CHANGELOG|SECURITY)\.md$|^COPYING$|^(MANIFEST|FILES)\.json$' "$work/shipped") || true
	[ -z "$unwanted" ] || { printf 'not meant to be shipped:\n%s\n' "$unwanted"; return 1; }
	# The crash points of the fault tests are no part of the product: no variable of an environment makes an attack die.
	mkdir "$work/unpacked"
	tar -xzf "$repo"/dist/faultline-chaos-*.tar.gz -C "$work/unpacked"
	! grep -rl FAULTLINE_TEST "$work/unpacked" || { echo "a test's variable is obeyed by what is shipped"; return 1; }
	for wanted in meta/runtime.yml COPYING README.md CHANGELOG.md; do
		grep -qx "$wanted" "$work/shipped" || { echo "not shipped: $wanted"; return 1; }
	done
}

copy_tree
failed=0
for step in "${steps[@]}"; do
	echo "== $step"
	start=$SECONDS
	# A subshell of its own: "set -e" does not hold inside of an "if".
	set +e
	(set -e; venv dev; cd "$tree"; "step_${step//-/_}")
	status=$?
	set -e
	rm -rf "$tree/tests/output" "$tree/.ansible" "$tree/.ruff_cache" "$work/.mypy_cache"
	if [ $status = 0 ]; then echo "== $step passed in $((SECONDS - start)) s"; else echo "== $step FAILED"; failed=$((failed + 1)); fi
done
echo "checks: $((${#steps[@]} - failed)) passed, $failed failed"
[ $failed = 0 ]
