#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# lab_test.sh PATH [PYTEST ARGUMENT...]
#
# Brings the lab up and runs pytest. The lab stays up: the next run takes seconds. CORE=2.16 in the environment
# takes that ansible-core; it is a name that scripts/venv.sh knows. FAULTLINE_SAMPLE=6 FAULTLINE_SEED=1 runs one case in six, drawn
# by the seed; with --collect-only -q they are listed, and nothing is brought up.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
PATH=$(scripts/venv.sh "${CORE:-dev}"):$PATH
[ -e "${1%%::*}" ] || { echo "lab_test.sh: there is no ${1%%::*}" >&2; exit 1; }

if [[ " $* " != *" --collect-only "* ]]; then ansible-playbook faultline.chaos.lab -e lab_state=present; fi
exec python -m pytest "$@"
