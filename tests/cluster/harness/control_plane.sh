# shellcheck shell=bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Certificates, control plane and nodes. Everything is on the private bridge and valid for this one "up".
# Part of cluster.sh.

PKI=$RUN/pki
ETCD=http://127.0.0.1:$((PORT + 3)) ETCD_PEER=http://127.0.0.1:$((PORT + 4))
SERVICES=10.96.0
GATES=TTLAfterFinished=true # off in 1.20, on in all later ones

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"; }

cert() { # cert NAME SUBJECT EXTENSION...: signed by our CA
	local name=$1 subject=$2; shift 2
	key "$name"
	openssl req -new -key "$PKI/$name.key" -subj "$subject" -out "$PKI/$name.csr"
	openssl x509 -req -in "$PKI/$name.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 365 \
		-extfile <(printf '%s\n' keyUsage=digitalSignature "$@") -out "$PKI/$name.crt" 2>/dev/null
}

client_cert() { cert "$1" "$2" extendedKeyUsage=clientAuth; }

kubeconfig() { # kubeconfig NAME [FILE]: for the certificate NAME
	cat >"${2:-$RUN/$1.kubeconfig}" <<-E
		apiVersion: v1
		kind: Config
		current-context: faultline
		contexts: [{name: faultline, context: {cluster: faultline, user: $1}}]
		clusters: [{name: faultline, cluster: {server: "https://$ADDRESS:$PORT", certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")}}]
		users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$PKI/$1.crt"), client-key-data: $(base64 -w0 "$PKI/$1.key")}}]
	E
}

certificates() {
	key ca
	openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=faultline-test-ca -days 365 -out "$PKI/ca.crt" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
	key sa
	openssl ec -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
	cert apiserver /CN=kube-apiserver extendedKeyUsage=serverAuth \
		"subjectAltName=IP:127.0.0.1,IP:$NET.1,IP:$SERVICES.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
	client_cert admin /O=system:masters/CN=admin
	client_cert scheduler /CN=system:kube-scheduler
	client_cert proxy /CN=system:kube-proxy
	openssl rand -hex 16 >"$PKI/token" # of the fake kubelet and the policy enforcer; for this "up" only
	echo "$(cat "$PKI/token"),admin,admin,\"system:masters\"" >"$PKI/tokens.csv"
	for name in admin scheduler proxy; do kubeconfig $name; done
}

bridge_owner() { ip link show "$BRIDGE" 2>/dev/null | sed -n 's/^ *alias test-cluster //p'; }

bridge() {
	if [ -e "/sys/class/net/$BRIDGE" ]; then
		[ "$(bridge_owner)" = "$D" ] || die "the bridge $BRIDGE belongs to somebody else: set FAULTLINE_CLUSTER_BRIDGE (and _NET, _PODS, _PORT)"
		return
	fi
	if [[ $(ip -4 route show) == *"$NET.0/24"* ]]; then die "$NET.0/24 is in use: set FAULTLINE_CLUSTER_NET"; fi
	ip link add "$BRIDGE" type bridge
	ip link set "$BRIDGE" alias "test-cluster $D" up
	ip addr add "$NET.1/24" dev "$BRIDGE"
}

api() { curl -s --max-time 3 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" "https://$(cat "$RUN/address"):$PORT$1"; }

await() { # await SECONDS TEXT COMMAND...
	local until=$((SECONDS + $1)) text=$2; shift 2
	until "$@"; do
		((SECONDS < until)) || die "waited in vain until $text"
		all_alive || die "$(processes | sed -n 's/ dead$//p' | paste -sd,) died"
		sleep 0.1
	done
	say "$text"
}

control_plane() { # control_plane REAL
	local advertise
	mkdir -p "$RUN"/{pki,log,etcd}
	cat /proc/sys/kernel/random/boot_id >"$RUN/boot_id"
	: >"$RUN/processes"
	ADDRESS=127.0.0.1 advertise=(--endpoint-reconciler-type=none)
	if [ "$1" -gt 0 ]; then bridge; ADDRESS=$NET.1 advertise=(--advertise-address "$ADDRESS"); fi
	echo "$ADDRESS" >"$RUN/address"
	certificates
	start etcd "$ROOT/usr/bin/etcd" --name faultline --data-dir "$RUN/etcd" \
		--listen-client-urls $ETCD --advertise-client-urls $ETCD \
		--listen-peer-urls $ETCD_PEER --initial-advertise-peer-urls $ETCD_PEER --initial-cluster "faultline=$ETCD_PEER"
	start kube-apiserver "$BIN/kube-apiserver" --etcd-servers $ETCD --bind-address "$ADDRESS" --secure-port "$PORT" "${advertise[@]}" \
		--cert-dir "$PKI" --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
		--token-auth-file "$PKI/tokens.csv" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
		--service-cluster-ip-range $SERVICES.0/16 --service-account-issuer https://kubernetes.default.svc \
		--service-account-signing-key-file "$PKI/sa.key" --service-account-key-file "$PKI/sa.pub" \
		--kubelet-client-certificate "$PKI/admin.crt" --kubelet-client-key "$PKI/admin.key" --kubelet-preferred-address-types InternalIP \
		--default-not-ready-toleration-seconds 20 --default-unreachable-toleration-seconds 20 --feature-gates $GATES
	await 60 "the API server is ready" api_ready
	start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig "$RUN/admin.kubeconfig" --leader-elect=false \
		--bind-address 127.0.0.1 --port 0 --secure-port $((PORT + 1)) --cert-dir "$PKI" --root-ca-file "$PKI/ca.crt" \
		--service-account-private-key-file "$PKI/sa.key" --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
		--node-monitor-period 2s --node-monitor-grace-period 16s --feature-gates $GATES
	start kube-scheduler "$BIN/kube-scheduler" --kubeconfig "$RUN/scheduler.kubeconfig" --leader-elect=false \
		--bind-address 127.0.0.1 --port 0 --secure-port $((PORT + 2)) --cert-dir "$PKI"
	await 60 "the controllers work" account_has_token
}

api_ready() { [ "$(api /readyz)" = ok ]; }
account_has_token() { [[ $(api /api/v1/namespaces/default/serviceaccounts/default) == *'"secrets"'* ]]; }
nodes_ready() { [ "$(api /api/v1/nodes | grep -c '"reason": "KubeletReady"')" -ge "$1" ]; }

nodes() { # nodes REAL FAKE
	local n taint=()
	modprobe -qa overlay br_netfilter veth bridge nf_tables nf_conntrack 2>/dev/null || true # where the kernel has them as modules
	for ((n = 1; n <= $1; n++)); do
		client_cert "node$n" "/O=system:nodes/CN=system:node:node$n"
		kubeconfig "node$n"
		cert "kubelet$n" "/CN=node$n" extendedKeyUsage=serverAuth "subjectAltName=DNS:node$n,IP:$NET.$((10 + n))"
		start_node "$n" "$1"
	done
	if [ "$2" -gt 0 ]; then
		[ "$1" -eq 0 ] || taint=(--taint) # beside real nodes a pod must ask for a fake one
		start fake_kubelet python3 -u "$HERE/fake_kubelet.py" "$ADDRESS:$PORT" "$PKI/ca.crt" "$PKI/token" "$2" "${taint[@]}"
	fi
	[ $(($1 + $2)) -eq 0 ] || await 90 "$1 real and $2 fake nodes are Ready" nodes_ready $(($1 + $2))
}

start_node() { # start_node N REAL: its namespaces, cable and route
	local n=$1 dir=$RUN/node$1.d init='' i
	mkdir -p "$dir"
	export REAL_NODES=$2
	start "node$n" bash "$HERE/node.sh" enter "$n"
	for ((i = 0; i < 200; i++)); do
		init=$(cat "$dir/init.pid" 2>/dev/null) && [ -n "$init" ] && break
		sleep 0.05
	done
	[ -n "$init" ] || die "node$n did not start: see $RUN/log/node$n.log"
	ip link add "$BRIDGE-n$n" type veth peer name eth0 netns "$init"
	ip link set "$BRIDGE-n$n" master "$BRIDGE" up
	ip route replace "$PODS.$n.0/24" via "$NET.$((10 + n))" dev "$BRIDGE"
}

remove_node() { # remove_node DIRECTORY, after the end of its processes
	local name=${1##*/} group i
	name=${name%.d}
	ip link del "$BRIDGE-n${name#node}" 2>/dev/null || true
	while read -r group; do
		for ((i = 0; i < 50; i++)); do # the last of a dead node's processes go in their own time
			find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
			[ -d "$group" ] || break
			sleep 0.1
		done
	done < <(cat "$1/cgroups" 2>/dev/null)
	rm -rf --one-file-system "$1"
}
