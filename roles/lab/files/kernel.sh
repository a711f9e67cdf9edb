#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# kernel.sh DIR - a User-Mode Linux kernel from the source package of Debian, without modules, into DIR/linux. Unlike the
# packaged one it has nf_tables for ip, ip6 and inet, pressure stall information (PSI) and device-mapper faults.
set -euo pipefail
D=$1 build=$1/kernel.build
config=(
	PSI IKCONFIG IKCONFIG_PROC MAGIC_SYSRQ HOSTFS MCONSOLE HIGH_RES_TIMERS SECCOMP SECCOMP_FILTER BPF_SYSCALL SWAP
	TASKSTATS TASK_DELAY_ACCT TASK_XACCT TASK_IO_ACCOUNTING NAMESPACES USER_NS NET_NS
	MEMCG BLK_CGROUP BLK_DEV_THROTTLING CGROUP_{SCHED,PIDS,FREEZER,DEVICE,CPUACCT,BPF} FAIR_GROUP_SCHED CFS_BANDWIDTH
	UML_NET UML_NET_{TUNTAP,VECTOR,DAEMON} UML_RANDOM HW_RANDOM WATCHDOG SOFT_WATCHDOG
	PACKET UNIX INET INET_DIAG IPV6 TUN VETH BRIDGE DUMMY IFB
	NETFILTER NETFILTER_{ADVANCED,XTABLES} NF_{CONNTRACK,NAT} NF_TABLES NF_TABLES_{INET,NETDEV,IPV4,IPV6}
	NFT_{CT,LIMIT,NUMGEN,REJECT,REJECT_INET,NAT,MASQ,REDIR,LOG,HASH,QUOTA,COMPAT}
	NETFILTER_XT_MARK NETFILTER_XT_MATCH_{COMMENT,CONNTRACK,LIMIT,MULTIPORT,OWNER,STATE,STATISTIC,STRING} NETFILTER_XT_TARGET_LOG
	IP_NF_{IPTABLES,FILTER,TARGET_REJECT,MANGLE,NAT} IP6_NF_{IPTABLES,FILTER,TARGET_REJECT,MANGLE}
	NET_SCHED NET_SCH_{NETEM,TBF,HTB,PRIO,SFQ,FQ_CODEL,INGRESS} NET_CLS_{U32,FW,FLOWER,MATCHALL,BPF} NET_CLS_ACT NET_ACT_{MIRRED,GACT,POLICE}
	DEVTMPFS DEVTMPFS_MOUNT BLK_DEV_{UBD,LOOP,DM} MD DM_{DELAY,FLAKEY,DUST}
	EXT4_FS EXT4_FS_POSIX_ACL TMPFS TMPFS_{POSIX_ACL,XATTR} OVERLAY_FS FUSE_FS AUTOFS_FS FANOTIFY
)
tarball=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' | sort -V | tail -1)
[ -n "$tarball" ] || { echo "kernel: no /usr/src/linux-source-*.tar.xz: install the package linux-source" >&2; exit 1; }
rm -rf "$build"; mkdir -p "$build"
tar -C "$build" --strip-components=1 -xf "$tarball"
cd "$build"
make ARCH=um defconfig >/dev/null
{ echo 'CONFIG_LOCALVERSION="-faultline"'; echo '# CONFIG_MODULES is not set'; printf 'CONFIG_%s=y\n' "${config[@]}"; } >lab.config
scripts/kconfig/merge_config.sh -m .config lab.config >/dev/null
make ARCH=um olddefconfig >/dev/null
make ARCH=um -j"$(nproc)" linux >"$D/kernel.log" 2>&1 </dev/null || { tail -5 "$D/kernel.log" >&2; exit 1; }
strip -o "$D/linux.tmp" linux
mv "$D/linux.tmp" "$D/linux"
cd /; rm -rf "$build"
echo "$D/linux is used from the next start of a host on"
