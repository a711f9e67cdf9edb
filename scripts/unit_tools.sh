#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# unit_tools.sh
#
# The unit tests run the undo in every shell that a target may have, and the dns probe against a real server. Where root and
# apt are there, what is missing for that is installed; elsewhere those tests are skipped, and say what they lack.
set -euo pipefail
missing=()
type -P busybox >/dev/null || missing+=(busybox)
type -P dnsmasq >/dev/null || [ -x /usr/sbin/dnsmasq ] || missing+=(dnsmasq-base)
[ "${#missing[@]}" != 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! type -P apt-get >/dev/null; then
	echo "unit_tools.sh: without ${missing[*]} some tests are skipped" >&2
	exit 0
fi
echo "Installing ${missing[*]} with apt, for the unit tests." >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
