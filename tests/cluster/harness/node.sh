#!/usr/bin/env bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# node.sh enter N   a real node "nodeN": namespaces and control groups of its own, then "init" in them
# node.sh init N    process 1 of the node: containerd, kubelet, kube-proxy, the enforcer of network policies
# Called by cluster.sh, which exports what is in capitals.
set -u
umask 022
VERB=$1 N=$2
NODE=$RUN/node$N.d PKI=$RUN/pki
GROUPS_OF_MACHINE=/sys/fs/cgroup

unified() { [ "$(stat -fc %T $GROUPS_OF_MACHINE)" = cgroup2fs ]; }

join_group() { # join_group DIRECTORY: made if need be, written down for the clean-up
	mkdir -p "$1"
	echo "$1" >>"$NODE/cgroups"
	case $1 in */cpuset/*) # an empty cpuset takes no process
		cat "${1%/*}/cpuset.cpus" >"$1/cpuset.cpus"
		cat "${1%/*}/cpuset.mems" >"$1/cpuset.mems"
		echo 1 >"$1/cgroup.clone_children" ;;
	esac
	echo $$ >"$1/cgroup.procs"
}

enter() {
	local controllers path
	mkdir -p "$NODE"/{kubelet,containerd,cni.d,cni-data,opt,lib,log,pki}
	cp "$PKI/ca.crt" "$PKI/kubelet$N.crt" "$PKI/kubelet$N.key" "$NODE/pki/"
	# One group below ours in every hierarchy. The cgroup namespace shows it as the top.
	if unified; then
		join_group "$GROUPS_OF_MACHINE/cluster-$BRIDGE-node$N"
	else
		while IFS=: read -r _ controllers path; do
			controllers=${controllers#name=} path=${path%/}
			[ -n "$controllers" ] && [ -d "$GROUPS_OF_MACHINE/$controllers" ] || continue
			join_group "$GROUPS_OF_MACHINE/$controllers$path/cluster-$BRIDGE-node$N"
		done < <(cat /proc/$$/cgroup)
	fi
	exec unshare --mount --net --uts --ipc --cgroup --pid --fork --kill-child --propagation private bash "$0" init "$N"
}

mount_groups() {
	local controllers c at
	if unified; then
		umount -R $GROUPS_OF_MACHINE
		mount -t cgroup2 cgroup2 $GROUPS_OF_MACHINE
		# Only a group without processes hands controllers on.
		mkdir $GROUPS_OF_MACHINE/daemons
		echo 1 >$GROUPS_OF_MACHINE/daemons/cgroup.procs
		# shellcheck disable=SC2013 # words are wanted
		for c in $(cat $GROUPS_OF_MACHINE/cgroup.controllers); do echo "+$c" >$GROUPS_OF_MACHINE/cgroup.subtree_control; done
		return
	fi
	controllers=$(cut -d: -f2 /proc/self/cgroup | grep .)
	umount -R $GROUPS_OF_MACHINE
	mount -t sysfs sysfs /sys
	mount -t tmpfs tmpfs $GROUPS_OF_MACHINE
	for c in $controllers; do
		at=$GROUPS_OF_MACHINE/${c#name=}
		mkdir -p "$at"
		case $c in name=*) c=none,$c ;; esac
		mount -t cgroup -o "$c" cgroup "$at" || echo "no control group for $c"
	done
}

mount_all() { # the files of the machine, but for what a node writes
	local setting file
	mount --make-rshared /
	mount -t proc proc /proc
	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns /run/lock
	[ -L /var/run ] || mount --bind /run /var/run
	mount --bind "$NODE/lib" /var/lib
	mount --bind "$NODE/log" /var/log
	mount_groups
	# The kubelet insists on these settings of the kernel. It is shown what it wants, and the machine keeps its own.
	for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
		file=$NODE/sysctl.$(basename "${setting%=*}")
		echo "${setting#*=}" >"$file"
		mount --bind "$file" "/proc/sys/${setting%=*}"
	done
}

connect() {
	local i other
	hostname "node$N"
	ip link set lo up
	for ((i = 0; i < 200; i++)); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.05; done
	ip addr add "$NET.$((10 + N))/24" dev eth0
	ip link set eth0 up
	# No default route: nothing leaves the cluster, and the search for a cloud's metadata fails at once instead of after 11 seconds.
	ip route add 10.96.0.0/16 via "$NET.1"
	for ((other = 1; other <= REAL_NODES; other++)); do
		[ "$other" = "$N" ] || ip route add "$PODS.$other.0/24" via "$NET.$((10 + other))"
	done
	sysctl -qw net.ipv4.ip_forward=1
	sysctl -qw net.bridge.bridge-nf-call-iptables=1 # where the kernel has it: services between pods of one node need it
	echo "nameserver 127.0.0.1" >"$NODE/resolv.conf"
}

settings() {
	cat >"$NODE/cni.d/10-bridge.conflist" <<-E
		{"cniVersion": "0.4.0", "name": "faultline", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$NODE/cni-data",
		            "ranges": [[{"subnet": "$PODS.$N.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	E
	cat >"$NODE/containerd.toml" <<-E
		version = 2
		root = "$NODE/containerd"
		state = "/run/containerd"
		disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
		                    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
		[grpc]
		  address = "/run/containerd/containerd.sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$NODE/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "k8s.gcr.io/pause:3.2"
		  # a root without CAP_SYS_RESOURCE cannot lower an oom_score_adj
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$ROOT/usr/lib/cni"
		    conf_dir = "$NODE/cni.d"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "overlayfs"
		    default_runtime_name = "runc"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		      runtime_type = "io.containerd.runc.v2"
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		        SystemdCgroup = false
		        BinaryName = "$ROOT/usr/sbin/runc"
	E
	cat >"$NODE/kubelet.yaml" <<-E
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $NODE/pki/ca.crt}}
		authorization: {mode: Webhook}
		tlsCertFile: $NODE/pki/kubelet$N.crt
		tlsPrivateKeyFile: $NODE/pki/kubelet$N.key
		cgroupDriver: cgroupfs
		failSwapOn: false
		resolvConf: $NODE/resolv.conf
		clusterDomain: cluster.local
		nodeStatusUpdateFrequency: 4s
		# the disk is the machine's: how full it is must not decide about pods
		evictionHard: {memory.available: 50Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
		imageGCHighThresholdPercent: 100
	E
}

daemon() { # daemon NAME PROGRAM...
	local name=$1; shift
	"$@" >>"$RUN/log/$name$N.log" 2>&1 </dev/null &
}

init() {
	local pid i socket=/run/containerd/containerd.sock
	read -r pid _ </proc/self/stat # the proc of the machine is still there: our number as the machine counts
	mount_all
	echo "$pid" >"$NODE/init.pid.tmp"
	mv "$NODE/init.pid.tmp" "$NODE/init.pid"
	connect
	settings
	export PATH=$ROOT/usr/sbin:$ROOT/usr/bin:$ROOT/sbin:$PATH
	export LD_LIBRARY_PATH=$ROOT/usr/lib/x86_64-linux-gnu XTABLES_LIBDIR=$ROOT/usr/lib/x86_64-linux-gnu/xtables
	daemon containerd containerd --config "$NODE/containerd.toml"
	for ((i = 0; i < 400; i++)); do ctr -a $socket version >/dev/null 2>&1 && break; sleep 0.05; done
	ctr -a $socket -n k8s.io images import "$D/images.tar" >>"$RUN/log/containerd$N.log" 2>&1
	daemon kubelet "$BIN/kubelet" --config "$NODE/kubelet.yaml" --kubeconfig "$RUN/node$N.kubeconfig" \
		--hostname-override "node$N" --node-ip "$NET.$((10 + N))" --root-dir "$NODE/kubelet" --cert-dir "$NODE/pki" \
		--container-runtime remote --container-runtime-endpoint unix://$socket \
		--node-labels "type=real,topology.kubernetes.io/zone=$([ $((N % 2)) = 1 ] && echo a || echo b)"
	daemon kube-proxy "$BIN/kube-proxy" --kubeconfig "$RUN/proxy.kubeconfig" --hostname-override "node$N" \
		--proxy-mode iptables --cluster-cidr "$PODS.0.0/16" --conntrack-max-per-core 0 --conntrack-min 0 \
		--conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s
	daemon network_policy python3 -u "$HERE/network_policy.py" "$NET.1:$PORT" "$PKI/ca.crt" "$PKI/token" "node$N"
	while :; do wait -n || sleep 1; done # the orphans of the node end here
}

"$VERB"
