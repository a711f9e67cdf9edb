#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# cluster_test.sh PATH [PYTEST ARGUMENT...]
#
# Runs pytest on the cluster that KUBECONFIG points at. Without it: builds a Kubernetes of our own, which takes up to 10 minutes
# once, and the tests bring it up and take it down again; FAULTLINE_CLUSTER_KEEP=1 lets it stay up. CORE=2.16 takes that
# ansible-core; it is a name that scripts/venv.sh knows.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
PATH=$(scripts/venv.sh "${CORE:-dev}"):$PATH
[ -e "$1" ] || { echo "cluster_test.sh: there is no $1" >&2; exit 1; }

# Here and not in the tests, so that the long wait can be watched.
[ -n "${KUBECONFIG:-}" ] || tests/cluster/harness/cluster.sh build
exec python -m pytest -n 0 "$@"
