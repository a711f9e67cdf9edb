#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# lab.sh - Debian hosts with kernels of their own (User-Mode Linux), in a network namespace of this machine.
#
#   lab.sh check [N]      say what this machine lacks for N hosts   lab.sh up [N]       build what is missing, start N hosts
#   lab.sh status         one line per host                         lab.sh inventory    the hosts as an Ansible inventory
#   lab.sh ssh I [CMD]    a shell or a command on host I            lab.sh cp I SRC DST copy a file to it
#   lab.sh start I        press its power button                    lab.sh cut I        pull its power cord
#   lab.sh freeze I       let it hang                               lab.sh thaw I       let it go on
#   lab.sh net-cut I      unplug its network cable                  lab.sh net-heal I   plug it in again
#   lab.sh reset I        start it with a new disk                  lab.sh pid I        its process on this machine
#   lab.sh forget I       pull its cord, throw its disk away
#   lab.sh exec CMD..     run CMD in the network of the lab         lab.sh kernel       build a kernel with nft and PSI (slow)
#   lab.sh down           stop the hosts, forget their disks        lab.sh purge        the same, and forget the image
#
# Root on amd64 Debian or Ubuntu. Environment: FAULTLINE_LAB_DIR, _NS, _NET (first three numbers), _MEMORY, _PACKAGES
# (extra, space separated), _PLAIN (numbers of the hosts that boot sysvinit and cron instead of systemd), _BOXES (numbers of the
# hosts that share the kernel of this machine, see box.sh), _MIRROR, _TIMEOUT.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
HERE=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
D=${FAULTLINE_LAB_DIR:-}
if [ -z "$D" ]; then if [ -e "$HERE/settings" ]; then D=$HERE; else D=/var/cache/faultline/lab; fi; fi

setting() { # setting NAME DEFAULT: the environment, else what the last "up" wrote down, else the default
	local v=FAULTLINE_LAB_$1
	if [ -n "${!v+x}" ]; then echo "${!v}"
	elif grep -qs "^$1=" "$D/settings"; then sed -n "s/^$1=//p" "$D/settings"
	else echo "$2"; fi
}
NS=$(setting NS faultline-lab) NET=$(setting NET 10.77.0) NET6=fd77:
MEM=$(setting MEMORY 256M) EXTRA=$(setting PACKAGES '') PLAIN=$(setting PLAIN '') BOXES=$(setting BOXES '') MIRROR=$(setting MIRROR '')

die() { echo "lab: $*" >&2; exit 1; }
ip_of() { echo "$NET.$((10 + $1))"; }
mac_of() { printf '02:00:00:00:77:%02x' "$1"; }
id_of() { printf '%032x' $((0x77000 + $1)); }
is_plain() { [[ " ${PLAIN//,/ } " == *" $1 "* ]]; }
is_box() { [[ " ${BOXES//,/ } " == *" $1 "* ]]; }
origin_of() { # of a disk: the image, and whether it is a box's
	local o
	o=$(readlink "$D/$(flavour_of "$1").ext4")
	if is_box "$1"; then o+=' box'; fi
	echo "$o"
}
flavours() { local i; for i in $(seq "$1"); do flavour_of "$i"; done | sort -ru; } # of hosts 1 to N
flavour_of() { if is_plain "$1"; then echo plain; else echo systemd; fi; }
disks() { find "$D" -maxdepth 1 -name 'n*.cow' 2>/dev/null | sed -n 's/.*\/n\([0-9]*\)\.cow$/\1/p' | sort -n; }

mark() { # mark STAGE [TEXT]: a stage of "up" is over; subshells share the time of the last one through the file
	local t=$(($(date +%s) - $(stat -c %Y "$D/progress")))
	echo "$1 ${2:-$t s}" >>"$D/progress"
	echo "lab: $1: ${2:-$t s}" >&2
}

pid_of() { # the process of a host of this lab, if it runs
	local p
	p=$(cat "$D/run/n$1/pid" 2>/dev/null) && [ -n "$p" ] || return 1
	tr '\0' '\n' 2>/dev/null <"/proc/$p/cmdline" | grep -qxF -e "uml_dir=$D/run" -e "box_dir=$D/run" && echo "$p"
}

state_of() { # up, frozen, no-ssh or off
	local p
	if ! p=$(pid_of "$1"); then echo off
	elif grep -q '^State:.T' "/proc/$p/status"; then echo frozen
	elif answers "$1"; then echo up
	else echo no-ssh; fi
}

answers() { ip netns exec "$NS" timeout 3 bash -c "exec 3<>/dev/tcp/$(ip_of "$1")/22 && read -r -t 3 b <&3 && [[ \$b == SSH* ]]" 2>/dev/null; }

check() { # every missing thing on a line of its own, with what to do about it
	local n=$1 bad=0 i free need owner
	lacks() { echo "lab: $*" >&2; bad=1; }
	[ "$EUID" = 0 ] || lacks "needs root: run it as root or with sudo"
	[ "$(uname -m)" = x86_64 ] || lacks "needs an amd64 machine, this is $(uname -m): use any other hosts as inventory instead"
	if ! type -P apt-get >/dev/null || ! grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; then
		lacks "needs Debian or Ubuntu with apt: run it in such a machine, or use any other hosts as inventory"
	elif ! type -P linux.uml >/dev/null && ! apt-cache show user-mode-linux >/dev/null 2>&1; then
		apt-get update -q >/dev/null 2>&1 || true
		apt-cache show user-mode-linux >/dev/null 2>&1 || lacks "apt has no package user-mode-linux: enable the section main (Debian) or universe (Ubuntu)"
	fi
	if [ "$EUID" = 0 ]; then
		{ [ -c /dev/net/tun ] && : <>/dev/net/tun; } 2>/dev/null ||
			lacks "cannot open /dev/net/tun: run modprobe tun, or give the container --device /dev/net/tun --cap-add NET_ADMIN"
		unshare -n true 2>/dev/null || lacks "may not make network namespaces: give the container --cap-add SYS_ADMIN"
		i=$D
		until [ -e "$i" ]; do i=$(dirname "$i"); done
		free=$(df --output=avail -m "$i" | tail -1) need=$((100 + 50 * n))
		compgen -G "$D/systemd-*.ext4" >/dev/null || need=$((1500 + need))
		((free >= need)) || lacks "$D has $free MB free, image and disks need $need: free some, set FAULTLINE_LAB_DIR, or start fewer hosts"
		for i in $(seq "$n"); do
			! is_box "$i" || unshare --mount --net --pid --uts --ipc --cgroup --fork true 2>/dev/null ||
				lacks "n$i shall be a box, and this machine allows no such namespaces: leave FAULTLINE_LAB_BOXES empty, or give the container all capabilities"
		done
		need=0
		for i in $(seq "$n"); do pid_of "$i" >/dev/null || need=$((need + 100)); done
		free=$(awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo)
		((free >= need)) || lacks "$free MB of memory free, $n hosts need $need: free some, or start fewer hosts"
		if owner=$(ns_owner) && [ "$owner" != "$D" ]; then
			lacks "the network namespace $NS is in use by ${owner:-somebody else}: take that down, or set FAULTLINE_LAB_NS"
		fi
	fi
	if ! [[ $MEM =~ ^[0-9]+M$ ]] || ((${MEM%M} < 96)); then lacks "memory $MEM: write megabytes like 256M, 96M or more"; fi
	return $bad
}

ns_owner() { # the directory of the lab that has the namespace; fails when there is none
	[ -e "/run/netns/$NS" ] || return 1
	ip -n "$NS" link show br0 2>/dev/null | sed -n 's/^ *alias faultline-lab //p'; }

packages() { # what this machine needs to build and run hosts, in one go
	local want=() p
	for p in linux.uml:user-mode-linux mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs ip:iproute2 ssh:openssh-client nc:netcat-openbsd; do
		type -P "${p%:*}" >/dev/null || want+=("${p#*:}")
	done
	# kernels before 6.13 cannot run where the CPU has AMX: see umlfp.c
	if grep -qw amx_tile /proc/cpuinfo && [ ! -e "$D/umlfp.so" ]; then type -P gcc >/dev/null || want+=(gcc libc6-dev); fi
	apt_install "${want[@]}"
	if grep -qw amx_tile /proc/cpuinfo && [ ! -e "$D/umlfp.so" ]; then
		gcc -O2 -shared -fPIC -o "$D/umlfp.tmp" "$HERE/umlfp.c" && mv "$D/umlfp.tmp" "$D/umlfp.so"
	fi
	if [ ! -e "$D/key" ]; then ssh-keygen -q -t ed25519 -N '' -C faultline-lab -f "$D/key"; fi
}

apt_install() {
	[ $# -gt 0 ] || return 0
	local opts=(-qy --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o DPkg::Lock::Timeout=120)
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get install "${opts[@]}" "$@" || { apt-get update -q && apt-get install "${opts[@]}" "$@"; }; } >"$D/apt.log" 2>&1 </dev/null ||
		{ tail -3 "$D/apt.log" >&2; die "apt could not install $*: see $D/apt.log"; }
	echo "installed $*"
}

ssh_config() {
	cat >"$D/ssh_config.tmp" <<-E
		Host *
		  User root
		  IdentityFile $D/key
		  IdentitiesOnly yes
		  StrictHostKeyChecking no
		  UserKnownHostsFile /dev/null
		  LogLevel ERROR
		  ConnectTimeout 5
		  ServerAliveInterval 5
		  ServerAliveCountMax 3
		  ControlMaster auto
		  ControlPersist 60
		  ControlPath $D/run/cm-%r@%h
		  ProxyCommand ip netns exec $NS nc %h %p
	E
	mv "$D/ssh_config.tmp" "$D/ssh_config"
}

hang_up() { # forget the shared ssh connections to a host that goes away
	local s
	for s in "$D"/run/cm-*@"$(ip_of "$1")"; do
		[ ! -S "$s" ] || ssh -F "$D/ssh_config" -o ControlPath="$s" -O exit x >/dev/null 2>&1 || true # its master may be dead
		rm -f "$s"
	done
}

net() {
	ns_owner >/dev/null && return
	ip netns add "$NS"
	ip -n "$NS" link set lo up
	ip -n "$NS" link add br0 type bridge
	ip -n "$NS" link set br0 alias "faultline-lab $D" up
	ip -n "$NS" addr add "$NET.1/24" dev br0
	ip -n "$NS" addr add "${NET6}:1/64" dev br0 nodad
	mkdir -p "/etc/netns/$NS" # what "ip netns exec" shows as /etc/hosts, so that names work in the namespace
	{ cat /etc/hosts 2>/dev/null || true; host_table; } >"/etc/netns/$NS/hosts"
}

host_table() { local i; for i in $(seq 100); do echo "$(ip_of "$i") n$i"; echo "${NET6}:$((10 + i)) n$i-v6"; done; }

cpu_of() { # one host, one CPU: ptrace between CPUs costs twice the time
	local c=() r
	# shellcheck disable=SC2013 # words are wanted
	for r in $(awk '/Cpus_allowed_list/{gsub(",", " ", $2); print $2}' /proc/self/status); do
		mapfile -t -O ${#c[@]} c < <(seq "${r%-*}" "${r#*-}")
	done
	echo "${c[$((($1 - 1) % ${#c[@]}))]}"
}

start() { # power on; the disk of a host is a file of its own and outlives its power
	local i=$1 n=n$1 base kind
	pid_of "$i" >/dev/null && return
	if [ ! -e "$D/$n.cow" ]; then
		[ -e "$D/$(flavour_of "$i").ext4" ] || die "no image yet: run lab.sh up"
		origin_of "$i" >"$D/$n.base"
	fi
	read -r base kind <"$D/$n.base" || true
	[ -e "$D/$base" ] || die "the image of $n is gone: run lab.sh up"
	net
	hang_up "$i"
	rm -rf "$D/run/$n"
	if [ "$kind" = box ]; then box_start "$i" "$base"; else uml_start "$i" "$base"; fi
	echo "$n started"
}

uml_start() { # a process that is a kernel; its disk is a copy-on-write file over the image
	local i=$1 n=n$1 base=$2 envs=() kernel=linux.uml
	[ -x "$D/linux" ] && kernel=$D/linux
	[ -e "$D/umlfp.so" ] && envs+=("LD_PRELOAD=$D/umlfp.so")
	# the memory of a host is a file in /dev/shm, unless that is noexec or too small, as in containers
	if findmnt -no OPTIONS /dev/shm | grep -qw noexec || (($(df --output=avail -m /dev/shm | tail -1) < 2 * ${MEM%M})); then envs+=("TMPDIR=$D"); fi
	ip -n "$NS" link show "tap$i" >/dev/null 2>&1 || ip -n "$NS" tuntap add dev "tap$i" mode tap
	ip -n "$NS" link set "tap$i" master br0 up
	(
		ulimit -c 0; cd "$D"
		for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd > 2)) && eval "exec $fd>&-"; done 2>/dev/null
		exec ip netns exec "$NS" setsid taskset -c "$(cpu_of "$i")" env "${envs[@]}" "$kernel" \
			umid="$n" uml_dir="$D/run" mem="$MEM" ubd0="$D/$n.cow,$D/$base" root=/dev/ubda rw \
			eth0="tuntap,tap$i,$(mac_of "$i")" \
			lab.name="$n" lab.ip4="$(ip_of "$i")" lab.ip6="${NET6}:$((10 + i))" lab.gw="$NET.1" net.ifnames=0 audit=0 \
			systemd.hostname="$n" systemd.machine_id="$(id_of "$i")" \
			con=null con0=null,fd:1 ssl=null
	) </dev/null >>"$D/$n.log" 2>&1 &
	disown
}

cut_power() { # the whole process group: the children of a killed main process would stay behind
	local p
	p=$(pid_of "$1") || return 0
	kill -KILL -- "-$p"
	while pid_of "$1" >/dev/null; do sleep 0.05; done
	box_over "$1"
	hang_up "$1"
}

forget() { cut_power "$1"; rm -f "$D/n$1.cow" "$D/n$1.base"; }

wait_ssh() {
	local until=$((SECONDS + $(setting TIMEOUT 120)))
	until answers "$1"; do
		if ((SECONDS >= until)); then die "n$1 does not answer: see $D/n$1.log"; fi
		sleep 0.1
		if [ -e "$D/run/n$1" ] && ! pid_of "$1" >/dev/null && sleep 0.5 && ! pid_of "$1" >/dev/null; then
			tail -n 3 "$D/n$1.log" >&2; die "n$1 died while booting: see $D/n$1.log"
		fi
	done
}

up() {
	local n=$1 i f
	mkdir -p "$D/run"; chmod 700 "$D"; : >"$D/progress"
	check "$n" || exit 1
	packages; mark packages
	printf '%s\n' "NS=$NS" "NET=$NET" "MEMORY=$MEM" "PACKAGES=$EXTRA" "PLAIN=$PLAIN" "BOXES=$BOXES" "MIRROR=$MIRROR" >"$D/settings.tmp"
	mv "$D/settings.tmp" "$D/settings"
	ssh_config
	if [ "$HERE" != "$D" ]; then install -m 755 "$HERE"/{lab,image,box,kernel}.sh "$D"; install -m 644 "$HERE/umlfp.c" "$D"; fi
	# shellcheck source=image.sh
	. "$HERE/image.sh"
	for f in $(flavours "$n"); do image "$f"; done
	for i in $(seq "$n"); do # a disk is worth nothing without the image it was made on
		[ ! -e "$D/n$i.cow" ] || [ "$(cat "$D/n$i.base" 2>/dev/null)" = "$(origin_of "$i")" ] || { cut_power "$i"; rm -f "$D/n$i.cow"; echo "n$i gets a new disk"; }
	done
	for i in $(seq "$n"); do start "$i"; done
	for i in $(seq "$n"); do wait_ssh "$i"; done
	inventory >"$D/hosts.ini"
	mark boot
}

plan() { # for the role: check, and the stages that "up" will go through
	check "$1" || exit 1
	rm -f "$D/progress"
	# shellcheck source=image.sh
	. "$HERE/image.sh"
	echo packages
	local f
	for f in $(flavours "$1"); do [ -e "$D/$f-$(recipe "$f").ext4" ] || { printf '%s\n' fetch unpack install disk; break; }; done
	echo boot
}

await() { # await STAGE: block until the running "up" has passed it, and print how long it took
	local l t=$((SECONDS + ${FAULTLINE_LAB_AWAIT:-900}))
	while ((SECONDS < t)); do
		if l=$(grep -s "^$1 " "$D/progress"); then echo "${l#* }"; return; fi
		grep -qs '^failed' "$D/progress" && exit 1
		sleep 0.1
	done
	die "no end of $1 in sight"
}

inventory() {
	echo '[lab]'; for i in $(disks); do echo "n$i ansible_host=$(ip_of "$i")"; done
	printf '[lab:vars]\nansible_user=root\nansible_python_interpreter=/usr/bin/python3\nansible_ssh_common_args=-F %s/ssh_config\n' "$D"
}

down() {
	local i
	for i in $(seq 100); do
		pid_of "$i" >/dev/null || continue
		cut_power "$i"; echo "n$i stopped"
	done
	if [ "$(ns_owner)" = "$D" ]; then ip netns del "$NS"; rm -rf "/etc/netns/${NS:?}"; fi
	rm -rf "$D/run" "$D"/n*.cow "$D"/n*.base "$D"/n*.log "$D/hosts.ini" "$D/progress"
}

failed() { # on every end of "up"
	local r=$?
	[ $r = 0 ] || echo failed >>"$D/progress"
	if mountpoint -q "$D/root.tmp"; then umount "$D/root.tmp"; fi
}
lock() { # one change at a time
	mkdir -p "$D"; exec 9>"$D/lock"; flock -w 900 9 || die "another lab.sh is busy with $D"; }
unlock() { exec 9>&-; } # hosts boot side by side
host() { [[ ${1-} =~ ^[1-9][0-9]?$|^100$ ]] || { echo "lab: which host? (1..100)" >&2; exit 2; }; }
count() { [[ $1 =~ ^[1-9][0-9]?$|^100$ ]] || { echo "lab: $1 hosts? 1 to 100 are possible" >&2; exit 2; }; }
runs() { host "${1-}"; pid_of "$1" || die "n$1 is off"; }

# shellcheck source=box.sh
. "$HERE/box.sh"

verb=${1-}; shift || true
case $verb in
check) count "${1:-3}"; check "${1:-3}" ;;
plan) count "${1:-3}"; plan "${1:-3}" ;;
up) count "${1:-3}"; lock; trap failed EXIT; up "${1:-3}" ;;
await) await "$1" ;;
start) host "${1-}"; lock; start "$1"; unlock; wait_ssh "$1" ;;
cut) host "${1-}"; lock; cut_power "$1" ;;
reset) host "${1-}"; lock; forget "$1"; start "$1"; unlock; wait_ssh "$1" ;;
forget) host "${1-}"; lock; forget "$1" ;;
freeze) p=$(runs "${1-}"); kill -STOP "$p"; box_freeze "$1" ;; # of a kernel the main process only: it panics if its children stop too
thaw) p=$(runs "${1-}"); kill -CONT "$p"; box_freeze "$1" thaw ;;
box-run | box-enter | box-boot) "${verb/-/_}" "$2" ;; # of box.sh itself
pid) runs "${1-}" ;;
net-cut) host "${1-}"; ip -n "$NS" link set "tap$1" nomaster ;;
net-heal) host "${1-}"; ip -n "$NS" link set "tap$1" master br0 ;;
ssh) host "${1-}"; exec ssh -F "$D/ssh_config" "$(ip_of "$1")" "${@:2}" ;;
cp) host "${1-}"; exec scp -q -F "$D/ssh_config" "$2" "$(ip_of "$1"):$3" ;;
exec) exec ip netns exec "$NS" "$@" ;;
status) for i in $(disks); do echo "n$i $(ip_of "$i") $(state_of "$i") pid $(pid_of "$i" || echo -)"; done ;;
inventory) inventory ;;
down) lock; down ;;
purge) lock; down; rm -rf --one-file-system "$D"/{*.sh,umlfp.c,*.ext4,root.tmp,linux,umlfp.so,key,key.pub,ssh_config,settings,apt.log,image-*.log,kernel.log} ;;
kernel) mkdir -p "$D"; apt_install flex bison bc make gcc libc6-dev xz-utils linux-source; bash "$HERE/kernel.sh" "$D" ;;
*) sed -n '6,22s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
