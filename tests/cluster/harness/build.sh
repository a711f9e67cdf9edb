# shellcheck shell=bash
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Debian's source package of Kubernetes and some of its packages -> $BIN (static programs), $ROOT (etcd, containerd, runc,
# CNI plugins ... unpacked, nothing of it is installed) and images.tar. A private apt state: the one of the machine stays as it is.
# Part of cluster.sh.

WORK=$D/build # sources, caches, compiler; goes away after a build unless KEEP=1
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
RUNTIME=(etcd-server containerd runc containernetworking-plugins busybox-static conntrack nftables iptables
	libseccomp2 libxtables12 libip4tc2 libip6tc2 libnftnl11 libnftables1 libnetfilter-conntrack3 libnfnetlink0 libmnl0 libjansson4
	libedit2 libbsd0 libmd0 libgmp10 libtinfo6)
TOOLS=(golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev)
PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
BUILD_STEPS=(fetch_packages unpack_packages unpack_source mend_source generate_openapi compile make_images)

# A build is worth what its recipe is: this file and the images.
recipe() { cat "$HERE/build.sh" "$HERE/images.py" | sha256sum | cut -c1-16; }
is_built() { [ "$(cat "$D/stamp" 2>/dev/null)" = "$(recipe)" ]; }

build() {
	local n=0 step
	apt_install dpkg-source:dpkg-dev gcc:gcc /usr/lib/x86_64-linux-gnu/libc.a:libc6-dev python3:python3 "$KEYRING:debian-archive-keyring"
	say "builds Kubernetes 1.20 in $D: up to 10 minutes, this once"
	mkdir -p "$WORK"/{apt/lists/partial,apt/cache/archives/partial,debs,tools,home} "$ROOT" "$BIN"
	rm -f "$D/stamp"; : >"$D/build.log"
	for step in "${BUILD_STEPS[@]}"; do n=$((n + 1)); build_step $n "$step"; done
	recipe >"$D/stamp"
	[ "${KEEP:-0}" = 1 ] || rm -rf --one-file-system "$WORK"
	say "built: $(du -sh --exclude=run "$D" | cut -f1) in $D"
}

build_step() { # build_step NUMBER FUNCTION: with a sign of life while it runs
	local title="build $1/${#BUILD_STEPS[@]} ${2//_/ }" pid began=$SECONDS next=15 tty=0
	[ ! -t 2 ] || tty=1
	# Job control gives the step a process group, so that ending this script ends the compiler too.
	set -m
	(set +m; set -euo pipefail; "$2") >>"$D/build.log" 2>&1 </dev/null &
	pid=$!
	set +m
	# shellcheck disable=SC2064 # the number of now
	trap "kill -TERM -- -$pid 2>/dev/null || true" EXIT
	trap 'exit 130' INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		if [ $tty = 1 ]; then printf '\r\033[Kcluster: %s, %d s %s' "$title" $((SECONDS - began)) "$(doing)" >&2
		elif ((SECONDS - began >= next)); then say "$title: $((SECONDS - began)) s $(doing)"; next=$((next + 15)); fi
	done
	trap - EXIT INT TERM
	[ $tty = 0 ] || printf '\r\033[K' >&2
	# What a step that failed left running would hold our lock.
	wait "$pid" || { kill -TERM -- "-$pid" 2>/dev/null || true; tail -n 5 "$D/build.log" >&2; die "$title failed: see $D/build.log. The next build goes on from here"; }
	say "$title: $((SECONDS - began)) s"
}

doing() { tail -n 1 "$D/build.log" 2>/dev/null | tr -cd '[:print:]' | cut -c1-70; }

mirror() { # the one that this machine uses, when it is a bookworm
	# shellcheck disable=SC2016 # apt's own words
	apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "bookworm" && $3 == "main" && !n++ {print $1}'; }

fetch_packages() {
	local from=${FAULTLINE_CLUSTER_MIRROR:-$(mirror)}
	[ -n "$from" ] || die "apt of this machine names no mirror of Debian 12 (bookworm): give the address of one in FAULTLINE_CLUSTER_MIRROR"
	printf '%s [signed-by=%s] %s bookworm main\n' deb $KEYRING "$from" deb-src $KEYRING "$from" >"$WORK/apt/sources.list"
	cat >"$WORK/apt/apt.conf" <<-E
		Dir::Etc::sourcelist "$WORK/apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$WORK/apt/lists";
		Dir::Cache "$WORK/apt/cache";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	E
	export APT_CONFIG=$WORK/apt/apt.conf
	apt-get update -q
	cd "$WORK/debs"
	apt-get download -q "${RUNTIME[@]}" "${TOOLS[@]}"
	apt-get source -q --download-only kubernetes
}

unpack_packages() {
	local p tool suffix
	cd "$WORK/debs"
	for p in "${RUNTIME[@]}"; do dpkg -x "$(newest "$p")" "$ROOT"; done
	for p in "${TOOLS[@]}"; do dpkg -x "$(newest "$p")" "$WORK/tools"; done
	for tool in iptables ip6tables; do
		for suffix in '' -save -restore; do ln -sf xtables-nft-multi "$ROOT/usr/sbin/$tool$suffix"; done
	done
	rm -rf "$ROOT"/usr/share/{doc,man,lintian,bash-completion}
	chmod 755 "$ROOT"
}

newest() { local f=("$1"_*.deb); echo "${f[-1]}"; }

source_tree() { echo "$WORK/gopath/src/k8s.io/kubernetes"; }

unpack_source() {
	local tree
	tree=$(source_tree)
	[ ! -d "$tree" ] || return 0
	mkdir -p "$(dirname "$tree")"
	rm -rf "$tree.tmp"
	dpkg-source --no-check -x "$WORK"/debs/kubernetes_*.dsc "$tree.tmp"
	mv "$tree.tmp" "$tree"
}

mend_source() { # every change can be made twice
	local reflect2=vendor/github.com/modern-go/reflect2
	cd "$(source_tree)"
	# The reflect2 in there panics with Go 1.18 and newer; Debian's own does not.
	rm -f $reflect2/*.{go,s}
	cp "$WORK"/tools/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} $reflect2/
	# The kubelet looks for a Docker, five times with a second between. There is none.
	mend vendor/github.com/google/cadvisor/container/docker/factory.go 's/rootDirRetries = 5/rootDirRetries = 1/' 'rootDirRetries = 1$'
	mend vendor/github.com/google/cadvisor/container/docker/factory.go \
		's/rootDirRetryPeriod time.Duration = 1000/rootDirRetryPeriod time.Duration = 1/' 'rootDirRetryPeriod time.Duration = 1 '
	# A deleted pod leaves the API after 2 seconds. Its 10 to 60 would be most of the time of every test.
	mend pkg/kubelet/status/status_manager.go 's/syncPeriod = 10 \* time.Second/syncPeriod = 1 * time.Second/' 'syncPeriod = 1 \* time.Second'
	mend pkg/kubelet/kubelet.go 's/ContainerGCPeriod = time.Minute/ContainerGCPeriod = 2 * time.Second/' 'ContainerGCPeriod = 2 \* time.Second'
}

mend() { # mend FILE EXPRESSION PATTERN: fails when the file has no such place (any more)
	sed -i "$2" "$1"
	grep -q "$3" "$1" || { echo "$1 has nothing to mend: $2"; return 1; }
}

go_environment() { # GOPATH mode with what the source package brings; without cgo programs are static
	export GOROOT=$WORK/tools/usr/lib/go-1.19
	export PATH=$GOROOT/bin:$PATH HOME=$WORK/home GOPATH=$WORK/gopath GOCACHE=$WORK/gocache
	export GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' GOPROXY=off GOTOOLCHAIN=local
}

generate_openapi() { # the only generated file that the source package lacks
	local packages
	go_environment
	cd "$(source_tree)"
	go build -v -o "$WORK/home/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
	packages=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg staging/src/k8s.io |
		grep -vE '_examples|code-generator|sample-apiserver|_test.go|/generated/' |
		xargs -n1 dirname | sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | sort -u | paste -sd,)
	"$WORK/home/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
		-h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$WORK/home/violations.report"
}

compile() {
	local flags="-s -w" p
	go_environment
	cd "$(source_tree)"
	for p in component-base/version client-go/pkg/version; do
		p="-X k8s.io/kubernetes/vendor/k8s.io/$p"
		flags="$flags $p.gitVersion=v1.20.2 $p.gitMajor=1 $p.gitMinor=20 $p.gitTreeState=archive"
		flags="$flags $p.gitCommit=faecb196815e248d3ecfb03c680a4507229c2a56 $p.buildDate=2021-01-13T13:20:00Z"
	done
	# Nobody here runs in a cloud or with Docker; their clients are much of what there is to compile.
	go build -v -tags providerless,dockerless -ldflags "$flags" -o "$BIN/" "${PROGRAMS[@]/#/./cmd/}"
	gcc -Os -s -static -DVERSION=3.2 -o "$BIN/pause" build/pause/linux/pause.c
}

make_images() { python3 "$HERE/images.py" "$D/images.tar" "$ROOT/bin/busybox" "$BIN/pause"; }
