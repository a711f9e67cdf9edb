#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# demo.sh [local]
#
# A real experiment finds a real loss of data: Redis on three hosts of the lab, its primary killed, first with nothing on disk and
# restarted at once, then hardened. Exits with 0 when the first lost acknowledged writes and the second held.
# Where the lab cannot run, and with "local", a small service of this machine is attacked instead, without root.
# Reports go to reports/. Needs ansible-playbook in PATH; "make demo" sees to that.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
export FAULTLINE_LAB_DIR=${FAULTLINE_LAB_DIR:-/var/cache/faultline/lab}
export FAULTLINE_CACHE=${FAULTLINE_CACHE:-$HOME/.cache/faultline}
scenarios=playbooks/scenarios
reports=${FAULTLINE_REPORTS:-$PWD/reports}
work=$(mktemp -d)

say() { printf '\n== %s\n' "$*"; }
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2], ""))' "$work/$1.json" "$2" 2>/dev/null || true; }

# Whatever happens, what runs on this machine does not outlive the demo.
finish() {
	local program
	for program in redis_writer local_service; do
		python3 -B "$scenarios/files/$program.py" stop "$FAULTLINE_CACHE/$program" >/dev/null 2>&1 || true
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

redis() { # redis CONFIGURATION: the outcome goes to a file; an experiment that deviates is no error here
	"$FAULTLINE_LAB_DIR/lab.sh" exec ansible-playbook -i inventories/lab faultline.chaos.scenarios.redis_failover \
		-e "redis_configuration=$1" -e "redis_report_dir=$reports" -e "redis_outcome_file=$work/$1.json" || true
}

tell() { # tell CONFIGURATION
	printf '  %-9s %-9s %s\n' "$1" "$(field "$1" verdict)" "$(field "$1" summary)"
	printf '  %-19s %s\n' '' "$(field "$1" report)"
}

demo_lab() {
	say "1 of 2: Redis that keeps nothing on disk and is restarted at once. This experiment is expected to fail."
	redis default
	say "2 of 2: Redis that keeps everything on disk and leaves time for the failover."
	redis hardened
	say "Redis loses its primary (${SECONDS} s)"
	tell default
	tell hardened
	if [ "$(field default verdict)" = deviated ] && [ "$(field default lost)" -gt 0 ] && [ "$(field hardened verdict)" = held ] && [ "$(field hardened lost)" = 0 ]; then
		echo "As it should be: the experiment finds the loss, and the hardened configuration has none."
	else
		echo "This is not what the demo should show: the default configuration loses writes, the hardened one does not."
		return 1
	fi
}

demo_local() {
	local home
	home=$(getent passwd "$EUID" | cut -d: -f6)
	if [ ! -w "$home" ]; then
		echo "demo.sh: attacks keep their journal in the home directory of the user, and $(id -un) has none to write to" >&2
		return 1
	fi
	say "A small service of this machine loses its process again and again, then its CPU time. No root is needed."
	local status=0
	ansible-playbook -i localhost, faultline.chaos.scenarios.local_service -e "local_report_dir=$reports" | tee "$work/log" || status=$?
	say "A service survives the loss of its process (${SECONDS} s)"
	printf '  %-9s %s\n' "$([ $status = 0 ] && echo held || echo 'not held')" "$(sed -n 's/^Report: //p' "$work/log")"
	return $status
}

why=""
if [ "${1:-}" = local ]; then
	why="as asked for"
elif ! why=$(roles/lab/files/lab.sh check 3 2>&1); then
	why=$(head -n 1 <<<"${why#lab: }")
else
	why=""
	say "Bringing up three hosts with kernels of their own; the first time that takes some minutes"
	ansible-playbook faultline.chaos.lab -e lab_state=present -e lab_hosts=3 || why="see above"
fi
if [ -n "$why" ]; then
	say "No lab on this machine: $why"
	demo_local
else
	demo_lab
fi
