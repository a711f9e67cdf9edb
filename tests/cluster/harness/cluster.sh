#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# cluster.sh - a Kubernetes 1.20 of our own on this machine, made from Debian's packages: no container, registry or image.
#
#   cluster.sh check              say what this machine lacks
#   cluster.sh build              make the programs and images. Takes up to 10 minutes, once; "up" does it when needed
#   cluster.sh up [REAL [FAKE]]   start a control plane, REAL nodes that run containers (2) and FAKE ones that say they do (1)
#   cluster.sh status             its processes and nodes; fails when it is down
#   cluster.sh kubeconfig         the path of its kubeconfig          cluster.sh kubectl ...   its kubectl, as cluster-admin
#   cluster.sh down               end what "up" started, forget its state; what "build" made stays
#   cluster.sh purge              the same, and forget what was built
#
# Root on amd64 Debian or Ubuntu. Environment: FAULTLINE_CLUSTER_DIR (default /var/cache/faultline/cluster, 600 MB),
# FAULTLINE_CLUSTER_NET (10.99.0), _PODS (10.244), _BRIDGE (klab0), _PORT (16443, and the 4 behind it),
# _MIRROR (of Debian), KEEP=1 (keep 4 GB that make the next build quick).
set -euo pipefail
umask 077
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
HERE=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
D=${FAULTLINE_CLUSTER_DIR:-/var/cache/faultline/cluster}
RUN=$D/run BIN=$D/bin ROOT=$D/root
NET=${FAULTLINE_CLUSTER_NET:-10.99.0} PODS=${FAULTLINE_CLUSTER_PODS:-10.244}
BRIDGE=${FAULTLINE_CLUSTER_BRIDGE:-klab0} PORT=${FAULTLINE_CLUSTER_PORT:-16443}
export HERE D RUN BIN ROOT NET PODS BRIDGE PORT

STARTED=${EPOCHREALTIME/[.,]/}
say() { local t=$(((${EPOCHREALTIME/[.,]/} - STARTED) / 100000)); printf 'cluster: [%4d.%d s] %s\n' $((t / 10)) $((t % 10)) "$*" >&2; }
die() { echo "cluster: $*" >&2; exit 1; }

# shellcheck source=processes.sh
. "$HERE/processes.sh"
# shellcheck source=build.sh
. "$HERE/build.sh"
# shellcheck source=control_plane.sh
. "$HERE/control_plane.sh"

check() { # every missing thing on a line of its own, with what to do about it
	local bad=0 at=$D free
	lacks() { echo "cluster: $*" >&2; bad=1; }
	[ "$EUID" = 0 ] || lacks "needs root: run it as root or with sudo, or set KUBECONFIG to a cluster that you have"
	[ "$(uname -m)" = x86_64 ] || lacks "needs an amd64 machine, this is $(uname -m): set KUBECONFIG to a cluster that you have"
	type -P apt-get >/dev/null || lacks "needs Debian or Ubuntu with apt: set KUBECONFIG to a cluster that you have"
	case $D/ in /var/lib/* | /var/log/* | /run/* | /var/run/*) lacks "FAULTLINE_CLUSTER_DIR is $D, but each node has a $D of its own: take another place" ;; esac
	if [ "$EUID" = 0 ]; then
		unshare -mnp --fork true 2>/dev/null || lacks "may not make namespaces: give the container --privileged"
		until [ -e "$at" ]; do at=$(dirname "$at"); done
		free=$(df --output=avail -m "$at" | tail -1)
		if ! is_built && ((free < 5000)); then lacks "$D has $free MB free, a build needs 5000 (600 stay): free some, or set FAULTLINE_CLUSTER_DIR"; fi
		free=$(awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo)
		((free >= 1500)) || lacks "$free MB of memory free, 1500 are needed: free some"
	fi
	return $bad
}

apt_install() { # apt_install TOOL:PACKAGE...: the packages whose tool (a command, or a file by its path) is not there
	local want=() t opts=(-qy --no-install-recommends -o DPkg::Lock::Timeout=120)
	for t in "$@"; do type -P "${t%%:*}" >/dev/null || [ -e "${t%%:*}" ] || want+=("${t#*:}"); done
	[ ${#want[@]} -gt 0 ] || return 0
	say "installs with apt: ${want[*]}"
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get install "${opts[@]}" "${want[@]}" || { apt-get update -q && apt-get install "${opts[@]}" "${want[@]}"; }; } >"$D/apt.log" 2>&1 </dev/null ||
		{ tail -3 "$D/apt.log" >&2; die "apt could not install ${want[*]}: see $D/apt.log"; }
}

lock() { # one change at a time
	mkdir -p "$D"; chmod 700 "$D"
	exec 9>"$D/lock"
	flock -n 9 || { say "another cluster.sh is busy with $D: waiting for it"; flock -w 1800 9 || die "it is still busy"; }
}

up() {
	local real=$1 fake=$2
	if is_up; then
		[ "$(cat "$RUN/shape")" = "$real $fake" ] || die "up already, with $(cat "$RUN/shape") real and fake nodes: run cluster.sh down first"
		all_alive || die "up, but something has died (see cluster.sh status): run cluster.sh down first"
		say "up already"; return
	fi
	check || exit 1
	apt_install ip:iproute2 nft:nftables openssl:openssl curl:curl sysctl:procps python3:python3
	is_built || build
	rm -rf "$RUN"
	trap 'failed_up' EXIT
	control_plane "$real"
	nodes "$real" "$fake"
	echo "$real $fake" >"$RUN/shape"
	trap - EXIT
}

failed_up() { # what is half up goes down again; its logs stay for a look
	local r=$?
	rm -rf "$D/failed"; mkdir -p "$D/failed"
	cp -r "$RUN/log/." "$D/failed/" 2>/dev/null || true
	down || true
	echo "cluster: could not start, see the logs in $D/failed" >&2
	exit $((r ? r : 1))
}

is_up() { [ -e "$RUN/shape" ] && same_boot; }

all_alive() { ! grep -q ' dead$' <(processes); }

status() {
	is_up || { echo "down"; return 1; }
	processes
	api /api/v1/nodes | python3 -c '
import json, sys
for node in json.load(sys.stdin)["items"]:
    ready = [c["status"] for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
    print("node", node["metadata"]["name"], "Ready" if ready == ["True"] else "NotReady", node["metadata"]["labels"].get("type", ""))' ||
		{ echo "the API server does not answer"; return 1; }
	all_alive
}

down() {
	local n
	same_boot && end_processes
	for n in "$RUN"/node*.d; do [ ! -d "$n" ] || remove_node "$n"; done
	if [ "$(bridge_owner)" = "$D" ]; then ip link del "$BRIDGE"; fi
	rm -rf --one-file-system "$RUN"
}

count() { [[ $1 =~ ^(0|[1-9][0-9]?)$ ]] || { echo "cluster: $1 nodes? 0 to 99 are possible" >&2; exit 2; }; }

verb=${1-}; shift || true
case $verb in
check) check ;;
build) lock; check || exit 1; if is_built; then say "built already: $(du -sh --exclude=run --exclude=build "$D" | cut -f1) in $D"; else build; fi ;;
up) count "${1:-2}"; count "${2:-1}"; lock; up "${1:-2}" "${2:-1}"; echo "export KUBECONFIG=$RUN/admin.kubeconfig" ;;
status) status ;;
kubeconfig) is_up || die "down: run cluster.sh up"; echo "$RUN/admin.kubeconfig" ;;
kubectl) is_up || die "down: run cluster.sh up"; exec "$BIN/kubectl" --kubeconfig "$RUN/admin.kubeconfig" "$@" ;;
down) lock; if is_up || [ -e "$RUN" ]; then down; say "down"; else say "not up"; fi ;;
purge) lock; down; rm -rf --one-file-system "${D:?}"/{bin,root,build,failed,images.tar,stamp,build.log,apt.log}; say "purged" ;;
*) sed -n '6,21s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
