#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# screenshot.sh REPORT.html [DIRECTORY] [HEIGHT]
#
# Writes light.png, dark.png and print.pdf of a report, with a headless Chromium that keeps nothing and asks nobody.
set -euo pipefail
report=$(realpath "${1:?usage: screenshot.sh REPORT.html [DIRECTORY] [HEIGHT]}")
mkdir -p "${2:-.}"
out=$(realpath "${2:-.}")
height=${3:-2400}
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

look() {
	"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$profile" --window-size="1240,$height" \
		"$@" "file://$report" 2>"$profile/log" || { cat "$profile/log" >&2; exit 1; }
}

look --screenshot="$out/light.png"
look --screenshot="$out/dark.png" --blink-settings=preferredColorScheme=0
look --print-to-pdf="$out/print.pdf" --no-pdf-header-footer
