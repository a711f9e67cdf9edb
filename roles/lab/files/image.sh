# shellcheck shell=bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The recipe of the image, read by lab.sh (D, NET, EXTRA, MIRROR, die, mark, host_table are its). Two flavours: "systemd",
# and "plain" with sysvinit and cron, as an old fleet has it. A change of what goes into the image makes "up" build it again.

COMMON=udev,openssh-server,python3,iproute2,nftables,iptables,procps,iputils-ping,kmod,netbase,sudo,passwd,login,mount,e2fsprogs,usr-is-merged
COMMON+=,redis-server,redis-sentinel,redis-tools,nginx-light
declare -A FLAVOUR=([systemd]="systemd-sysv,dbus,systemd-resolved,nscd" [plain]="sysvinit-core,sysv-rc,initscripts,cron")
DISK=2G

packages_of() { echo "$COMMON,${FLAVOUR[$1]}${EXTRA:+,$(echo "$EXTRA" | xargs | tr ' ' ,)}"; }
suite() { (. /etc/os-release; echo "${VERSION_CODENAME:-}"); }
recipe() { # a digest of all that goes into the image
	{
		declare -f bootstrap furnish "furnish_$1"
		packages_of "$1"; suite; echo "$DISK $NET"; cat "$D/key.pub"; dpkg-query -W user-mode-linux
	} 2>/dev/null | sha256sum | cut -c1-12
}

image() { # image FLAVOUR: FLAVOUR.ext4 is a link to the image made by the present recipe
	local f=$1 root=$D/root.tmp suite hash
	suite=$(suite) hash=$(recipe "$f")
	if [ -e "$D/$f-$hash.ext4" ]; then
		ln -sfn "$f-$hash.ext4" "$D/$f.ext4"
		return
	fi
	# shellcheck disable=SC2016 # apt's own words, and the hook's
	: "${MIRROR:=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | awk -v s="$suite" '$2 == s && $3 == "main" {print $1; exit}')}"
	[ -n "$MIRROR" ] || die "apt on this machine has no mirror of $suite main: set lab_mirror (FAULTLINE_LAB_MIRROR)"
	scratch_dir "$root"
	bootstrap "$f" "$suite" "$(packages_of "$f")" "$root" || die "the image was not built: see $D/image-$f.log"
	furnish "$root"
	"furnish_$f" "$root"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info,locale}/*
	mkfs.ext4 -q -F -L root -J size=16 -N 65536 -d "$root" "$D/image.tmp" "$DISK" >/dev/null
	scratch_gone "$root"
	rm -f "$D/$f"-*.ext4
	mv "$D/image.tmp" "$D/$f-$hash.ext4"
	ln -sfn "$f-$hash.ext4" "$D/$f.ext4"
	mark disk
	echo "image $f built"
}

scratch_dir() { # in memory when there is plenty: it saves a quarter of the time
	scratch_gone "$1"
	mkdir "$1"
	if (($(awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo) > 2000)); then mount -t tmpfs -o mode=755,size=1500m lab "$1" || true; fi
}
scratch_gone() { if mountpoint -q "$1"; then umount "$1"; fi; rm -rf --one-file-system "$1"; }

bootstrap() { # a Debian tree from packages; the log of mmdebstrap says which stage it is in
	local f=$1 suite=$2 pkgs=$3 root=$4 l components=main
	grep -q '^ID=ubuntu' /etc/os-release && components=main,universe
	# shellcheck disable=SC2016
	mmdebstrap --mode=root --format=directory --variant=apt --include="$pkgs" --components="$components" \
		--skip=check/qemu,cleanup/apt,cleanup/reproducible --dpkgopt=force-unsafe-io \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		--setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d"; printf "path-exclude=/usr/%s/*\n" share/man share/doc share/info share/locale lib/udev/hwdb.d >"$1/etc/dpkg/dpkg.cfg.d/lab"' \
		--verbose "$suite" "$root" "$MIRROR" 2>&1 </dev/null | tee "$D/image-$f.log" | while read -r l; do
		case $l in
		"I: extracting archives"*) mark fetch ;;
		"I: installing remaining"*) mark unpack ;;
		"E: "*) echo "$l" >&2 ;;
		esac
	done || return
	mark install
}

furnish() { # what every host has
	local r=$1 u
	# the modules that a host here can have a use for
	for u in /usr/lib/uml/modules/*; do
		mkdir -p "$r/lib/modules/${u##*/}"
		(cd "$u" && tar -c modules.* kernel/{crypto,lib,block,mm,kernel,security} kernel/drivers/{block,md,net} kernel/fs/{fuse,overlayfs,autofs}* \
			kernel/net/{802,8021q,bridge,core,ipv4,ipv6,llc,netfilter,packet,psample,sched,tls,unix,xfrm}) 2>/dev/null | tar -x -C "$r/lib/modules/${u##*/}"
		chroot "$r" depmod "${u##*/}"
	done
	chroot "$r" useradd -m -s /bin/bash ops
	echo 'ops ALL=(ALL) NOPASSWD: ALL' >"$r/etc/sudoers.d/ops"; chmod 440 "$r/etc/sudoers.d/ops"
	install -d -m 700 "$r/root/.ssh"; install -d -m 700 -o 1000 -g 1000 "$r/home/ops/.ssh"
	install -m 600 "$D/key.pub" "$r/root/.ssh/authorized_keys"
	install -m 600 -o 1000 -g 1000 "$D/key.pub" "$r/home/ops/.ssh/authorized_keys"
	echo lab >"$r/etc/hostname"; : >"$r/etc/machine-id"
	rm -f "$r/etc/resolv.conf"; : >"$r/etc/resolv.conf" # it may be a link to what only a running host has
	{ echo 127.0.0.1 localhost; echo ::1 localhost; host_table; } >"$r/etc/hosts"
	echo '/dev/ubda / ext4 defaults,noatime 0 1' >"$r/etc/fstab"
	# UML has the ip and inet families of nf_tables only in a kernel made by "lab.sh kernel"
	for u in iptables ip6tables; do chroot "$r" update-alternatives --set $u /usr/sbin/$u-legacy >/dev/null; done
	cat >"$r/usr/local/sbin/lab-boot" <<-'E'
	#!/bin/sh
	# early at boot: the words lab.x=y of the kernel command line become $x; then what this lab needs
	for w in $(cat /proc/cmdline); do case $w in lab.*=*) eval "${w#lab.}" ;; esac; done
	# procps 4.0.2 (ps aux, top) fails without a "core id" line
	grep -q '^core id' /proc/cpuinfo || {
		sed 's/^model name.*/&\ncore id\t\t: 0/' /proc/cpuinfo >/run/cpuinfo
		mount --bind /run/cpuinfo /proc/cpuinfo
	}
	E
	chmod 755 "$r/usr/local/sbin/lab-boot"
}

furnish_systemd() {
	local r=$1
	cat >>"$r/usr/local/sbin/lab-boot" <<-'E'
	mkdir -p /run/systemd/network
	printf '%s\n' '[Match]' 'Name=eth0' '[Network]' "Address=$ip4/24" "Address=$ip6/64" "Gateway=$gw" \
		'IPv6AcceptRA=no' 'IPv6DuplicateAddressDetection=0' >/run/systemd/network/10-eth0.network
	E
	cat >"$r/etc/systemd/system/lab-boot.service" <<-'E'
	[Unit]
	Description=Address and cpuinfo of a lab host
	DefaultDependencies=no
	After=local-fs.target
	Before=sysinit.target systemd-networkd.service
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=/usr/local/sbin/lab-boot
	[Install]
	WantedBy=sysinit.target
	E
	# coldplug only what is there: the hundreds of ttys of UML cost seconds
	mkdir -p "$r/etc/systemd/system/systemd-udev-trigger.service.d"
	printf '[Service]\nExecStart=\nExecStart=-udevadm trigger --action=add --subsystem-match=net --subsystem-match=block\n' \
		>"$r/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf"
	mkdir -p "$r/etc/systemd/system-generators"
	for u in "$r"/lib/systemd/system-generators/*; do
		[ "${u##*/}" = systemd-fstab-generator ] || ln -s /dev/null "$r/etc/systemd/system-generators/${u##*/}"
	done
	# every program at boot costs a tenth of a second and more here
	chroot "$r" systemctl -q mask systemd-{sysusers,random-seed,update-utmp,update-utmp-runlevel,modules-load,journal-flush}.service \
		kmod-static-nodes.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer e2scrub_reap.service getty@tty1.service systemd-pstore.service systemd-binfmt.service \
		modprobe@{drm,configfs,dm_mod,fuse,loop}.service sys-kernel-{config,debug,tracing}.mount \
		sys-fs-fuse-connections.mount dev-hugepages.mount proc-sys-fs-binfmt_misc.automount \
		systemd-networkd-wait-online.service systemd-network-generator.service
	chroot "$r" systemctl -q enable systemd-networkd lab-boot
	chroot "$r" systemctl -q disable redis-server redis-sentinel nginx systemd-resolved nscd 2>/dev/null
	chroot "$r" systemctl -q set-default multi-user.target
}

furnish_plain() {
	local r=$1 u
	cat >>"$r/usr/local/sbin/lab-boot" <<-'E'
	hostname "$name"
	modprobe ipv6
	ip link set lo up
	ip link set eth0 up
	ip addr add "$ip4/24" broadcast + dev eth0
	ip -6 addr add "$ip6/64" dev eth0 nodad
	ip route add default via "$gw"
	E
	cat >"$r/etc/init.d/lab-boot" <<-'E'
	#!/bin/sh
	### BEGIN INIT INFO
	# Provides: lab-boot
	# Required-Start: mountall
	# Required-Stop:
	# X-Start-Before: ssh
	# Default-Start: S
	# Default-Stop:
	# Short-Description: Address and cpuinfo of a lab host
	### END INIT INFO
	[ "$1" = start ] && exec /usr/local/sbin/lab-boot
	E
	chmod 755 "$r/etc/init.d/lab-boot"
	chroot "$r" update-rc.d lab-boot defaults
	for u in redis-server redis-sentinel nginx; do chroot "$r" update-rc.d "$u" disable; done 2>/dev/null
	printf '%s\n' 'id:2:initdefault:' 'si::sysinit:/etc/init.d/rcS' 'l0:0:wait:/etc/init.d/rc 0' 'l1:1:wait:/etc/init.d/rc 1' \
		'l2:2:wait:/etc/init.d/rc 2' 'l6:6:wait:/etc/init.d/rc 6' >"$r/etc/inittab"
}
