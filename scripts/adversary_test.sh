#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# adversary_test.sh [PYTEST ARGUMENT...]
#
# Tests with neighbours that interfere, on hosts made of namespaces of this machine, as root; no lab. FAULTLINE_SAMPLE=1 runs every case,
# which takes an hour; by default it is one in eight. `-m lab tests/adversary/test_lab.py` runs those on the lab instead, which it brings up.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
PATH=$(scripts/venv.sh "${CORE:-dev}"):$PATH
export FAULTLINE_SAMPLE=${FAULTLINE_SAMPLE:-8}

case " $* " in
*" -m lab "*) exec python -m pytest -n 0 "$@" ;;
*tests/*) exec python -m pytest -n 2 -m "not lab" "$@" ;;
*) exec python -m pytest -n 2 tests/adversary -m "not lab" "$@" ;;
esac
