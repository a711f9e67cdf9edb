# shellcheck shell=bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Boxes: hosts of the lab that share the kernel of this machine, in namespaces and control groups of their own. Read by lab.sh
# (D, NS, NET, MEM, die and the like are its).
#
# They boot in a second and a fork costs them what it costs here, a tenth or less of what it costs a User-Mode Linux. In return
# the clock, kernel modules and most of /proc/sys are not theirs: their first process lacks the capabilities for the former, and
# sees the latter read-only. A boot has a boot_id of its own, but the uptime is that of this machine.

BOX_TASKS=4096 # processes and threads of a box; its memory is that of the other hosts

box_groups() { # "TYPE DIRECTORY OPTIONS" of each mounted hierarchy of control groups, options as mount -o takes them
	awk '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" {
		n = split($4, o, ","); s = ""
		for (k = 1; k <= n; k++) if (o[k] !~ /^(rw|ro|nosuid|nodev|noexec|relatime|noatime|nsdelegate|memory_recursiveprot|release_agent=.*|clone_children)$/)
			s = s (s ? "," : "") (o[k] ~ /^name=/ ? "none," : "") o[k]
		print $3, $2, s }' /proc/mounts
}

box_group_of() { echo "$1/box-$NS-n$2"; } # box_group_of HIERARCHY I; no name that an audit of this machine takes for one of an attack

box_files() { # box_files I NAME..: those of these control files that exist
	local _type h _opts name g
	while read -r _type h _opts; do
		g=$(box_group_of "$h" "$1")
		for name in "${@:2}"; do [ ! -e "$g/$name" ] || echo "$g/$name"; done
	done < <(box_groups)
}

box_enter() { # process 1 of box I goes into control groups of its own, and sees no others from there on
	local type h _opts g f
	while read -r type h _opts; do
		g=$(box_group_of "$h" "$1")
		mkdir -p "$g"
		for f in cpuset.cpus cpuset.mems; do if [ "$type" = cgroup ] && [ -e "$g/$f" ]; then cat "$h/$f" >"$g/$f"; fi; done
		for f in memory.limit_in_bytes memory.max; do [ ! -e "$g/$f" ] || echo "$MEM" >"$g/$f"; done
		[ ! -e "$g/pids.max" ] || echo $BOX_TASKS >"$g/pids.max"
		echo 0 >"$g/cgroup.procs"
	done < <(box_groups)
	exec unshare --cgroup -- bash "$HERE/lab.sh" box-boot "box_dir=$D/run" "$1"
}

box_over() { # the control groups of box I are empty, and gone
	local _type h _opts g t=$((SECONDS + 20))
	while read -r _type h _opts; do
		g=$(box_group_of "$h" "$1")
		[ -d "$g" ] || continue
		until find "$g" -depth -type d -exec rmdir {} + 2>/dev/null; do
			if ((SECONDS >= t)); then die "something in $g does not end"; fi
			sleep 0.05
		done
	done < <(box_groups)
}

box_start() { # box_start I IMAGE
	local i=$1 n=n$1
	if [ ! -e "$D/$n.cow" ]; then cp --sparse=always "$D/$2" "$D/$n.tmp"; mv "$D/$n.tmp" "$D/$n.cow"; fi
	box_over "$i"
	mkdir -p "$D/run/$n"
	(
		cd "$D" || exit
		for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd > 2)) && eval "exec $fd>&-"; done 2>/dev/null
		exec setsid env "FAULTLINE_LAB_DIR=$D" bash "$HERE/lab.sh" box-run "box_dir=$D/run" "$i"
	) </dev/null >>"$D/$n.log" 2>&1 &
	echo $! >"$D/run/$n/pid"
	disown
}

box_freeze() { # box_freeze I [thaw]: all of it, and the process that stands for it
	local f
	for f in $(box_files "$1" freezer.state); do if [ "${2-}" = thaw ]; then echo THAWED; else echo FROZEN; fi >"$f"; done
	for f in $(box_files "$1" cgroup.freeze); do if [ "${2-}" = thaw ]; then echo 0; else echo 1; fi >"$f"; done
}

box_run() { # until it is switched off; a reboot of the first process of a namespace reads as if SIGHUP had ended it
	local status=129
	while [ $status = 129 ]; do
		status=0
		unshare --mount --net --pid --uts --ipc --fork --kill-child -- bash "$HERE/lab.sh" box-enter "box_dir=$D/run" "$1" || status=$?
		box_over "$1"
	done
}

box_boot() { # process 1 of box I, until it becomes init
	local i=$1 n=n$1 r=$D/run/n$1/root run=$D/run/n$1 d type h opts words
	mount --make-rprivate /
	mkdir -p "$r"
	mount -o loop "$D/$n.cow" "$r"
	mount -t proc proc "$r/proc"
	mount -t sysfs -o ro sysfs "$r/sys"
	mount -t tmpfs -o mode=755 tmpfs "$r/dev"
	mount -t tmpfs -o mode=755 tmpfs "$r/run"
	for d in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
		mknod -m 666 "$r/dev/${d%%:*}" c "$(echo "$d" | cut -d: -f2)" "${d##*:}"
	done
	mkdir "$r/dev/pts" "$r/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$r/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
	ln -s pts/ptmx "$r/dev/ptmx"
	ln -s /proc/self/fd "$r/dev/fd"
	# read-only, as in every container, but for the network's part; a boot_id of this boot; no sysrq
	mount --bind "$r/proc/sys" "$r/proc/sys"
	mount --bind "$r/proc/sys/net" "$r/proc/sys/net"
	mount -o remount,bind,ro "$r/proc/sys"
	cat /proc/sys/kernel/random/uuid >"$run/boot_id"
	mount --bind "$run/boot_id" "$r/proc/sys/kernel/random/boot_id"
	[ ! -e "$r/proc/sysrq-trigger" ] || mount --bind "$r/dev/null" "$r/proc/sysrq-trigger"
	words="lab.name=$n lab.ip4=$(ip_of "$i") lab.ip6=${NET6}:$((10 + i)) lab.gw=$NET.1"
	echo "$words" >"$run/cmdline"
	mount --bind "$run/cmdline" "$r/proc/cmdline"
	while read -r type h opts; do
		if [ "$h" != /sys/fs/cgroup ]; then
			mountpoint -q "$r/sys/fs/cgroup" || mount -t tmpfs -o mode=755 tmpfs "$r/sys/fs/cgroup"
			mkdir -p "$r$h"
		fi
		mount -t "$type" ${opts:+-o "$opts"} "$type" "$r$h"
	done < <(box_groups)
	# always of the same number, which the box sees as that of its other end
	nsenter --net="/run/netns/$NS" bash -ec "ip link del tap$i 2>/dev/null || true
		ip link add tap$i index $((1000 + i)) type veth peer name eth0 address $(mac_of "$i") netns 1
		ip link set tap$i master br0 up"
	cd "$r" || exit
	mkdir -p .outside
	pivot_root . .outside
	umount -l /.outside
	rmdir /.outside
	# shellcheck disable=SC2086 # words are wanted
	exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/sbin/init $words "systemd.hostname=$n" "systemd.machine_id=$(id_of "$i")"
}
