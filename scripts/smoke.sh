#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# smoke.sh [PYTEST ARGUMENT...]
#
# The part of the tests on hosts and on a cluster that fits into every change: each attack once, and one case of most faults.
# All parts run, also after one that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0 builder='' told=$(mktemp)
finish() {
	[ -z "$builder" ] || kill "$builder" 2>/dev/null || true
	rm -f "$told"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The lab first: on a fresh machine both it and the build of Kubernetes install with apt, which serves one at a time.
# That build then takes only what the tests on the lab leave of the processors, for those measure.
if [ -z "${KUBECONFIG:-}" ]; then
	PATH=$(scripts/venv.sh "${CORE:-dev}"):$PATH ansible-playbook faultline.chaos.lab -e lab_state=present || status=1
	chrt --idle 0 tests/cluster/harness/cluster.sh build >"$told" 2>&1 &
	builder=$!
fi
scripts/lab_test.sh tests/lab -m smoke -n 3 -v "$@" || status=1
scripts/lab_test.sh tests/faults -m smoke -v "$@" || status=1
if [ -n "$builder" ]; then
	tail -n +1 -f --pid="$builder" "$told" # how far it is, when it is not done yet
	wait "$builder" || status=1
fi
scripts/cluster_test.sh tests/cluster -m smoke -v "$@" || status=1
[ $status = 0 ]
