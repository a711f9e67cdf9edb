#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# venv.sh [dev|2.16|2.17|2.18|2.19|2.20|2.21]
#
# Prints the bin directory of a virtual environment, made first when it is missing or when its requirements changed.
# dev holds all tools and the newest ansible-core that the Python of the machine can run; a version holds that
# ansible-core and what the unit tests need. They live in $FAULTLINE_CACHE (default ~/.cache/faultline).
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
cache=${FAULTLINE_CACHE:-$HOME/.cache/faultline}
name=${1:-dev}

say() { printf '%s\n' "$*" >&2; }
die() { say "venv.sh: $*"; exit 1; }

# works PYTHON LOW [HIGH]: it runs, and LOW <= its version <= HIGH. (A pyenv shim exists without running.)
works() { "$1" -c "import sys; v = sys.version_info[:2]; sys.exit(not ($2 <= v <= ${3:-(3, 99)}))" 2>/dev/null; }

# python_for LOW [HIGH]: the Python of the system if it fits, else any that fits.
python_for() {
	local candidate
	for candidate in /usr/bin/python3 "$(type -P python3)" /usr/bin/python3.1[0-9] /usr/local/bin/python3.1[0-9] "$HOME"/.pyenv/versions/3.1[0-9]*/bin/python3; do
		if [ -n "$candidate" ] && works "$candidate" "$@"; then echo "$candidate"; return; fi
	done
	return 1
}

case $name in
	dev) low='(3, 10)' high='(3, 99)' packages=(-r "$repo/tests/requirements.txt") ;;
	2.16 | 2.17) low='(3, 10)' high='(3, 12)' ;;
	2.18) low='(3, 11)' high='(3, 13)' ;;
	2.19) low='(3, 11)' high='(3, 13)' ;;
	2.20 | 2.21) low='(3, 12)' high='(3, 14)' ;;
	*) die "unknown environment '$name': dev, 2.16, 2.17, 2.18, 2.19, 2.20 or 2.21" ;;
esac
[ "$name" = dev ] || packages=("ansible-core~=$name.0" -r "$repo/tests/unit/requirements.txt")

python=$(python_for "$low" "$high") ||
	die "ansible-core $name needs a Python from $low to $high, and there is none in /usr/bin, /usr/local/bin, PATH or ~/.pyenv/versions"
what() { echo "${packages[@]#"$repo/"}"; "$python" -VV; cat "$repo"/tests/requirements.txt "$repo"/tests/unit/requirements.txt; }
# One for each set of requirements, so that another checkout never takes away the one that somebody works with.
venv=$cache/venv-$name-$(what | sha256sum | cut -c1-10)

mkdir -p "$cache"
exec 9>"$cache/.lock-$name"
flock 9
if [ ! -e "$venv/.done" ]; then
	if ! "$python" -c 'import ensurepip' 2>/dev/null; then
		if [ "$(id -u)" != 0 ] || ! type -P apt-get >/dev/null; then die "$python has no ensurepip: install python3-venv"; fi
		say "Installing python3-venv with apt, which $python lacks."
		{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-venv; } >/dev/null
	fi
	say "Making $venv with $("$python" -V)."
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/python" -m pip --disable-pip-version-check -qq install "${packages[@]}" >&2
	touch "$venv/.done"
fi
touch "$venv"
find "$cache" -mindepth 1 -maxdepth 1 -name "venv-$name-*" -mtime +14 -exec rm -rf {} +
echo "$venv/bin"
