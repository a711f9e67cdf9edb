# shellcheck shell=bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What we start is written down as "pid, start time, name", and only what still is that process is ever ended.
# Part of cluster.sh and node.sh.

start_time() { # of process $1, in ticks since boot; field 22, counted behind the name, which may hold anything
	local s
	s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# shellcheck disable=SC2086 # words are wanted
	set -- ${s##*) }
	[ "$1" != Z ] && echo "${20}"
}

record() { # record PID NAME
	local t
	t=$(start_time "$1") || die "$2 ended at once: see $RUN/log/$2.log"
	echo "$1 $t $2" >>"$RUN/processes"
}

start() { # start NAME PROGRAM...: in a session of its own, without our lock and our descriptors
	local name=$1; shift
	setsid "$@" >>"$RUN/log/$name.log" 2>&1 </dev/null 9>&- &
	record $! "$name"
}

alive() { [ "$(start_time "$1")" = "$2" ]; } # alive PID START

processes() { # name, pid, up or dead
	local p t name
	while read -r p t name; do echo "$name $p $(if alive "$p" "$t"; then echo up; else echo dead; fi)"; done <"$RUN/processes"
}

same_boot() { [ "$(cat "$RUN/boot_id" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; }

end_processes() { # the newest first; those that do not go within 5 seconds are killed
	local p t name i left
	[ -e "$RUN/processes" ] || return 0
	tac "$RUN/processes" >"$RUN/ending"
	# a node's init ignores TERM from outside as every process 1 does; its end ends all that runs on the node
	while read -r p t name; do if alive "$p" "$t"; then if [[ $name == node* ]]; then kill -KILL "$p"; else kill -TERM "$p"; fi; fi; done <"$RUN/ending"
	for ((i = 0; i < 50; i++)); do
		left=0
		while read -r p t name; do if alive "$p" "$t"; then left=1; fi; done <"$RUN/ending"
		[ $left = 1 ] || return 0
		sleep 0.1
	done
	while read -r p t name; do if alive "$p" "$t"; then kill -KILL "$p"; fi; done <"$RUN/ending"
}
