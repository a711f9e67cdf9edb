# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Which sysctls an attack may set, to which values, and the reasons for refusal; by name and value only, without access to the target.

Keys of net may be set unless they are listed here, because each value is first tried in a throw-away network namespace. Of all other keys
only those in ALLOWED may be set: a key that was not reviewed could run a program, take the host down, or be impossible to restore.
"""

import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption

OPTION = "sysctls"

_RUNS = "it names a program that the kernel runs as root"
_ENDS = "it can make the kernel panic, reboot or switch off"
_ONE_WAY = "what it does cannot be taken back before a reboot"
_TRIGGER = "writing it is an action, not a state that could be put back"
_LOCKED = "it weakens what protects the target from its users"
_FORGETS = "the kernel forgets addresses or routes when it changes, and they would not come back"
_MEMORY = "the host, and with it the undo, could be left without memory: use memory_stress, which keeps a reserve"
_LOGIN = "logins and timers of systemd, and with them SSH and the undo, need it"
_SLOW = "the kernel waits that long with each message that it logs, and everything with it"
_SLOTS = "use {}, which keeps a reserve for SSH and the undo"

# Refused everywhere; the patterns match the whole name.
_NEVER = (
    (r"kernel\.(modprobe|hotplug|poweroff_cmd|usermodehelper\..*)|fs\.binfmt_misc\..*|kernel\.firmware_config\..*", _RUNS),
    (r"kernel\.(panic.*|.*_panic|.*panic_on.*|sysrq|ctrl-alt-del|cad_pid|oops_limit|warn_limit|reboot.*|real-root-dev)|vm\.panic_on_oom", _ENDS),
    (
        r"kernel\.(modules_disabled|kexec_.*|tainted|yama\..*|unprivileged_bpf_disabled|ns_last_pid|bootloader.*)|net\.core\.bpf_.*"
        r"|net\.netfilter\.nf_hooks_lwtunnel|net\.ipv6\.conf\..*\.stable_secret|net\.ipv4\.tcp_fastopen_key|kernel\.random\..*|vm\.memfd_noexec",
        _ONE_WAY,
    ),
    (r"vm\.(drop_caches|compact_memory|stat_refresh)|net\.ipv[46]\.route\.flush", _TRIGGER),
    (
        r"kernel\.(randomize_va_space|kptr_restrict|dmesg_restrict|perf_event_paranoid|apparmor.*|seccomp\..*|sysctl_writes_strict)"
        r"|fs\.(protected_.*|suid_dumpable)|vm\.(mmap_min_addr|mmap_rnd.*|unprivileged_userfaultfd|hugetlb_shm_group)",
        _LOCKED,
    ),
    (r"net\.ipv6\.conf\..*\.(disable_ipv6|addr_gen_mode|use_tempaddr)", _FORGETS),
    (
        r"vm\.(min_free_kbytes|extra_free_kbytes|lowmem_reserve_ratio|watermark_scale_factor|nr_.*hugepages.*|overcommit_(ratio|kbytes)"
        r"|(admin|user)_reserve_kbytes|oom_kill_allocating_task)",
        _MEMORY,
    ),
    (r"kernel\.printk_delay", _SLOW),
    (r"kernel\.(pid_max|threads-max)", _SLOTS.format("pid_exhaustion")),
    (r"fs\.file-max", _SLOTS.format("fd_exhaustion")),
    (r"fs\.nr_open|fs\.mount-max|fs\.epoll\..*|kernel\.pty\..*|kernel\.keys\..*", _LOGIN),
)

# Refused in the network of the target itself, which carries the control path; allowed in another namespace or a container.
_CONTROL = "SSH to the target could be cut off by it: set it in a network namespace or container (netns, container), or use blackhole or netem"
_NOT_HERE = (
    r"net\.ipv4\.conf\..*\.(rp_filter|arp_ignore|arp_filter|src_valid_mark|disable_policy|disable_xfrm|drop_unicast_in_l2_multicast|proxy_arp.*)",
    r"net\.ipv6\.conf\..*\.(accept_ra.*|autoconf|hop_limit|disable_policy|drop_unicast_in_l2_multicast|accept_dad|proxy_ndp|force_forwarding)",
    r"net\.ipv[46]\.neigh\..*\.(.*_solicit|.*_resolicit|unres_qlen.*)",
    r"net\.ipv4\.(ip_default_ttl|ip_no_pmtu_disc|tcp_mem|udp_mem|tcp_l3mdev_accept|tcp_min_snd_mss|tcp_adv_win_scale|tcp_limit_output_bytes)",
    r"net\.ipv4\.route\.min_pmtu|net\.ipv6\.route\.max_size|net\.netfilter\.nf_conntrack_tcp_loose|net\.(netfilter\.)?nf_conntrack_max",
    r"net\.core\.(netdev_budget.*|dev_weight.*|max_skb_frags|optmem_max)",
)

# Lowest allowed value for every number in the value; those of net apply only in the network of the target.
_FLOORS = (
    (r"vm\.max_map_count", 4096),  # per process; many times what sh and coreutils need
    (r"fs\.inotify\.max_user_watches", 1024),  # systemd uses a few hundred
    (r"fs\.inotify\.max_user_instances", 16),
    (r"net\.ipv4\.tcp_[rw]mem", 4096),
    (r"net\.core\.[rw]mem_(default|max)", 4096),
    (r"fs\.pipe-user-pages-(hard|soft)", 1024),  # of each user; a pipe has 16
    (r"user\.max_\w+_namespaces", 1024),  # services of systemd, that of SSH too, may have namespaces of their own
    (r"net\.ipv4\.tcp_notsent_lowat", 4096),  # with 0 no TCP socket is ever ready to send
    (r"net\.core\.netdev_max_backlog", 10),
    (r"net\.ipv[46]\.neigh\.default\.gc_thresh3", 128),
    (r"net\.ipv4\.tcp_(retries2|synack_retries)", 2),
    (r"net\.ipv4\.tcp_max_syn_backlog", 16),
    (r"net\.netfilter\.nf_conntrack_tcp_timeout_established", 60),
)

# Highest allowed value, also in the trial and in other network namespaces: the kernel takes memory for so many entries at once.
_CEILINGS = (
    (r"net\.core\.rps_sock_flow_entries", 1 << 20),
    (r"net\.core\.flow_limit_table_len", 1 << 16),
    (r"net\.netfilter\.nf_conntrack_buckets", 1 << 20),
)

# Allowed outside of net.
ALLOWED = (
    r"vm\.(swappiness|vfs_cache_pressure|dirty_\w+|dirtytime_expire_seconds|laptop_mode|page-cluster|page_lock_unfairness|stat_interval|zone_reclaim_mode"
    r"|min_slab_ratio|min_unmapped_ratio|extfrag_threshold|compaction_proactiveness|compact_unevictable_allowed|watermark_boost_factor"
    r"|percpu_pagelist_\w+|oom_dump_tasks|overcommit_memory|max_map_count)",
    r"fs\.(aio-max-nr|inotify\.\w+|pipe-\S+|leases-enable|lease-break-time|dir-notify-enable|mqueue\.\w+|fanotify\.\w+)",
    r"kernel\.(shm(all|max|mni)|msg(max|mnb|mni)|sem|numa_balancing|sched_(autogroup_enabled|cfs_bandwidth_slice_us|child_runs_first)|hostname|domainname"
    r"|core_pattern|core_uses_pid|core_pipe_limit|printk|printk_ratelimit|printk_ratelimit_burst|print-fatal-signals|timer_migration"
    r"|hung_task_(timeout_secs|check_count|check_interval_secs|warnings)|io_uring_disabled)",
    r"user\.max_\w+_namespaces",
    r"dev\.raid\.speed_limit_(min|max)",
    r"sunrpc\.\w*slot_table_entries",
)

# When one key of a pair is written, the kernel sets the other to 0.
PAIRS = {}
for _one, _other in (("vm.dirty_ratio", "vm.dirty_bytes"), ("vm.dirty_background_ratio", "vm.dirty_background_bytes")):
    PAIRS.update({_one: _other, _other: _one})


def _is(pattern, name):
    return re.match(f"(?:{pattern})\\Z", name) is not None


def _numbers(value):
    return [int(word) for word in re.findall(r"(?:^|(?<=\s))-?[0-9]+(?=\s|$)", value)]


def _strange(value):
    """Words that are no plain decimals: the kernel also reads 0x0 and 07777, which cannot be compared with a limit."""
    return [word for word in value.split() if not re.match(r"(0|-?[1-9][0-9]*)\Z", word)]


def refuse_name(name):
    """Errors: BadOption for a key that is refused everywhere."""
    for pattern, reason in _NEVER:
        if _is(pattern, name):
            raise BadOption(OPTION, name, f"{reason}; leave it out")


def refuse_value(name, value):
    """Errors: BadOption for a value that would run a program, or take resources that the undo needs."""
    if name == "kernel.core_pattern" and value.lstrip()[:1] in ("|", "@"):
        raise BadOption(OPTION, f"{name}: {value}", "with | or @ the kernel would hand core dumps to a program; give the pattern of a file name")
    if name == "vm.overcommit_memory" and value not in ("0", "1"):
        raise BadOption(OPTION, f"{name}: {value}", f"give 0 or 1; with 2 {_MEMORY}")
    if not name.startswith("net."):
        _refuse_low(name, value)
    for pattern, most in _CEILINGS:
        if _is(pattern, name) and (_strange(value) or any(not 0 <= number <= most for number in _numbers(value))):
            raise BadOption(OPTION, f"{name}: {value}", "the kernel takes memory for so many at once: give a plain decimal number of at most %d" % most)


def refuse_here(name, value):
    """Errors: BadOption for a key or value that could cut the control path in the network of the target itself."""
    if any(_is(pattern, name) for pattern in _NOT_HERE):
        raise BadOption(OPTION, name, _CONTROL)
    _refuse_low(name, value)


def _refuse_low(name, value):
    for pattern, floor in _FLOORS:
        strange = _strange(value)
        if _is(pattern, name) and strange:
            raise BadOption(OPTION, f"{name}: {value}", f"{strange[0]} is no plain decimal number; give one of at least {floor}")
        if _is(pattern, name) and any(number < floor for number in _numbers(value)):
            raise BadOption(OPTION, f"{name}: {value}", "below %d it could cut off SSH to the target, or stop the undo; give at least that" % floor)


def notes(name, value):
    """What stays after the undo of a key, for the operator."""
    if re.match(r"net\.\w+\.(conf|neigh)\.default\.", name):
        return [f"an interface that is made during the attack begins with the attack's {name}, and keeps that value afterwards"]
    if _is(r"net\.ipv6\.conf\..*\.forwarding", name) and value == "0":
        return [f"while {name} is 0 the target may take addresses from the advertisements of routers, and keeps them afterwards until they expire"]
    return []


def refuse_unknown_effect(name):
    """Errors: BadOption for a key outside of net that is not known to be restorable and safe for the host."""
    if not name.startswith("net.") and not any(_is(pattern, name) for pattern in ALLOWED):
        raise BadOption(OPTION, name, "it is not among the keys known to be put back by writing them; use the module custom with an undo of your own")


def holds(name):
    """The names of the resources that setting a key uses: two attacks on the same resource exclude each other.

    A parameter of one interface counts as that of all interfaces, because "all" and "default" change those of others.
    """
    whole = re.sub(r"^(net\.\w+\.(?:conf|neigh))\..*\.(\w+)\Z", r"\1.*.\2", name)
    found = {re.sub(r"_time_ms\Z", "_time", whole)}  # one value in two units
    if name in PAIRS:
        found.add(PAIRS[name])
    if name in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):
        found.update(("net.ipv4.ip_forward", "net.ipv4.conf.*.forwarding", "net.ipv4.conf.*.accept_redirects"))
    return sorted(found)
