# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What neighbours do, as lines of sh. An interference applies to every attack that holds something of its kind (see attacks.py).

A script sees $it, which the attack holds (a pattern is expanded first), $id, the id of the attack, and $journal. It ends with 0 when it has
acted. Then the host without the attack gets it, too; what belongs to the attack alone is not there, and it fails there. `after` is done
on both hosts once the attack was reverted, before the audit: the neighbour takes it back, or mounts again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.adversary.support.attacks import BOX, START, VICTIM, Attack

ALWAYS, JOURNALLED, IN_PLACE = range(3)  # from when on an interference can act: at once, with the journal, with the attack
AFTER, STUCK = "after", "stuck"  # between inject and undo; after an undo that failed
UNDO = ("undo:1", "undo:2", "undo:3", "undo:5")  # before that call of a program of the undo


@dataclass(frozen=True)
class Interference:
    name: str
    kind: str  # of what it applies to; "" for every attack
    script: str
    after: str = ""
    since: int = ALWAYS
    existing: bool = False  # needs a file or a process that an attack may have taken away

    def __str__(self) -> str:
        return self.name

    @property
    def fills(self) -> bool:
        """Whether it takes all space that there is, which is not the same on both hosts until it gives it back."""
        return "/neighbour" in self.script

    def text(self, attack: Attack, attack_id: str) -> str:
        """The script as it is run."""
        held = attack.holds.get(self.kind, "")
        return f"{PRELUDE}\nid={attack_id} journal=/var/lib/faultline/{attack_id} pattern='{held}'\nfor it in {held or 'none'}; do break; done\n{self.script}\n"


PRELUDE = """set -e
named() {
    for comm in /proc/[0-9]*/comm; do
        read -r name 2>/dev/null <$comm || continue
        case $name in $1) pid=${comm#/proc/}; echo ${pid%/comm} ;; esac
    done
}
all() { found=$(named "$1"); [ -n "$found" ]; } # $found are the processes of that name; fails when there are none
"""

_DEPLOY = "; chmod 755 {0}; printf 'name = new\\n' >{0}/app.conf"


def kind_of(kind: str, scripts: dict[str, str | tuple[str, str]], since: int = ALWAYS, existing: bool = False) -> list[Interference]:
    """Interferences of one kind: {name: script, or (script, after)}."""
    pairs = {name: (each, "") if isinstance(each, str) else each for name, each in scripts.items()}
    word = kind.replace(" ", "_")
    return [Interference(f"{word or 'record'}_{name}", kind, script, after, since, existing) for name, (script, after) in pairs.items()]


_ANOTHER = "ip link add $it address 02:00:00:00:00:09 type veth peer name peer0 address 02:00:00:00:00:0a; ip link set peer0 up; ip link set $it up"
_CHAIN = """chain=$(iptables-legacy-save -t filter | sed -n 's/^:\\(FL[^ ]*\\) .*/\\1/p' | head -n 1); [ -n "$chain" ]"""
_SETFATTR = """python3 -c 'import os, sys; os.setxattr(sys.argv[1], "{}", b"{}")' $it"""
_FILL = "head -c 100M /dev/zero >{0}/neighbour 2>/dev/null || [ -s {0}/neighbour ]"

ALL = [
    *kind_of(
        "own",  # files and directories of the attack beside foreign ones; only root can reach into them, or whoever owns the directory around them
        {
            "renamed": "mv -T $it ${it%/*}/renamed",
            "moved": "mv -T $it /srv/bin/moved",
            "unlinked": "rm -rf $it; [ ! -e $it ]",
            "replaced": "[ -e $it ]; mv -T $it /srv/bin/replaced; mkdir $it; echo theirs >$it/theirs",
            "linked": "file=$(find $it -type f | head -n 1); ln $file /srv/bin/linked",
            "content_moved": "mv -T $it/data /srv/bin/content",
            "content_unlinked": "rm -rf $it/data; [ -e $it ]",
            "one_file_moved": "file=$(find $it/data -type f | head -n 1); mv $file /srv/bin/one",
            "chmod": "chmod 0777 $it",
            "chown": "chown 5000:5000 $it",
            "mounted_over": ("[ -d $it ] && mount -t tmpfs neighbour $it || mount --bind /srv/bin/on $it", "umount $it || :"),
            "symlinked": "mv -T $it /srv/bin/target; ln -s /srv/bin/target $it",
            "immutable": ("chattr +i $it", "for each in $pattern; do chattr -i $each; done"),
        },
        since=IN_PLACE,
    ),
    *kind_of(
        "directory",  # that the attack was pointed to, or that its file is in
        {
            "renamed": "mv -T $it $it.old",
            "moved": "mv -T $it /srv/bin/elsewhere",
            "deployed": "mv -T $it $it.old; mkdir $it" + _DEPLOY.format("$it"),
            "renamed_and_back": ("mv -T $it $it.old", "mv -T $it.old $it"),
            "removed": "rm -rf $it; [ ! -e $it ]",
            "chmod": "chmod 0700 $it",
            "chown": "chown 5000:5000 $it",
            "symlinked": "mv -T $it /srv/bin/real; ln -s /srv/bin/real $it",
            "mounted_over": "mount -t tmpfs -o mode=755 neighbour $it",
            "mounted_over_for_a_while": ("mount -t tmpfs -o mode=755 neighbour $it", "umount $it"),
        },
    ),
    *kind_of(
        "file system",
        {
            "unmounted_for_a_while": ("umount -l $it", "mount -o loop /mnt/srv.img $it"),
            "unmounted": "umount -l $it",
            "mounted_anew": "umount -l $it; mount -o loop /mnt/srv.img $it",
            "mounted_over": "mount -t tmpfs -o mode=755 neighbour $it",
            "mounted_elsewhere": "mkdir /tmp/point; mount --move $it /tmp/point",
            "read_only_for_a_while": ("mount -o remount,bind,ro $it", "mount -o remount,bind,rw $it"),
            "full_for_a_while": (_FILL.format("$it"), "rm -f $it/neighbour"),
        },
    ),
    *kind_of(
        "file",
        {
            "renamed": "mv -T $it $it.bak",
            "moved": "mv -T $it /srv/bin/moved.conf",
            "unlinked": "rm $it",
            "appended": "[ -e $it ]; echo more >>$it",
            "linked": "ln $it /srv/bin/second.conf",
            "chmod": "chmod 0600 $it",
            "chown": "chown 5000:5000 $it",
            "chown_to_the_same": "chown --reference=$it $it",
            "touch": "touch -d @1600000000 $it",
            "setfattr": _SETFATTR.format("user.theirs", "red"),
            "setfattr_changed": _SETFATTR.format("user.colour", "red"),
            "symlinked": "mv -T $it $it.real; ln -s $it.real $it",
            "mounted_over": "mount --bind /srv/bin/on $it",
        },
        existing=True,
    ),
    # As into a container that starts meanwhile.
    *kind_of("file", {"bound": "[ -e $it ]; touch /tmp/bound; mount --bind $it /tmp/bound"}, IN_PLACE),
    *kind_of(
        "file",
        {
            "replaced": "printf 'name = new\\n' >$it.new; mv -T $it.new $it",
            "rewritten": "printf 'name = edited\\n' >$it",
            "made_a_directory": "rm -f $it; mkdir $it",
            "made_a_pipe": "rm -f $it; mkfifo $it",
        },
    ),
    *kind_of(
        "program",  # that the undo runs
        {
            "unlinked": "rm $it",
            "renamed_for_a_while": ("mv $it $it.old", "mv $it.old $it"),
            "replaced": "printf '#!/bin/sh\\nexit 0\\n' >$it.new; chmod 755 $it.new; mv -T $it.new $it",
            "chmod_for_a_while": ("chmod 0644 $it", "chmod 0755 $it"),
            "chown": "chown 5000:5000 $it",
        },
    ),
    *kind_of("switch", {"removed": "rm $it"}, IN_PLACE),  # what else becomes of it is up to the undo of its author
    *kind_of(
        "victim",
        {
            "killed": "all $it; kill -KILL $found",
            "restarted": f"all $it; kill -KILL $found; sleep 0.1; {START}",
            "stopped_for_a_while": ("all $it; kill -STOP $found", "all $it; kill -CONT $found"),
            "stopped": "all $it; kill -STOP $found",
            "continued": "all $it; kill -CONT $found",
            "reniced": "all $it; renice -n 19 -p $found; for pid in $found; do echo 500 >/proc/$pid/oom_score_adj; done",
            "in_a_group": "all $it; for pid in $found; do echo $pid >/sys/fs/cgroup/pids/app/cgroup.procs; done",
        },
        existing=True,
    ),
    *kind_of(
        "victim",
        {
            "proc_covered_for_a_while": (
                "all $it; for pid in $found; do mount --bind /proc/1 /proc/$pid; done",
                "for each in $(sed -n 's|^[^ ]* [^ ]* [^ ]* [^ ]* \\(/proc/[0-9]*\\) .*|\\1|p' /proc/self/mountinfo); do umount $each; done",
            ),
            "twice": f"cp /usr/local/bin/{VICTIM} /tmp/{VICTIM}; setsid /tmp/{VICTIM} 1000000 </dev/null >/dev/null 2>&1 &",
            "program_replaced": f"cp /usr/local/bin/{VICTIM} /usr/local/bin/new; mv /usr/local/bin/new /usr/local/bin/{VICTIM}",
        },
    ),
    *kind_of(
        "limits",
        {
            "changed": "all $it; for pid in $found; do prlimit --pid $pid --nofile=77:77; done",
            "of_a_restarted_one": f"all $it; kill -KILL $found; sleep 0.1; {START}; all $it; for pid in $found; do prlimit --pid $pid --nofile=55:55; done",
        },
    ),
    *kind_of(
        "worker",
        {
            "killed": "all 'faultline-*'; kill -KILL $found",
            "terminated": "all 'faultline-*'; kill -TERM $found",
            "stopped": "all 'faultline-*'; kill -STOP $found",
            "in_a_group": "all 'faultline-*'; for pid in $found; do echo $pid >/sys/fs/cgroup/pids/app/cgroup.procs; done",
            "reniced": "all 'faultline-*'; renice -n 19 -p $found",
        },
        since=IN_PLACE,
    ),
    *kind_of(
        "service",
        {
            "started": "/etc/init.d/$it status && exit 1; /etc/init.d/$it start",
            "stopped": "/etc/init.d/$it status && /etc/init.d/$it stop",
            "restarted": "/etc/init.d/$it stop; /etc/init.d/$it start",
            "removed": "/etc/init.d/$it stop || :; rm /etc/init.d/$it",
            "renamed_for_a_while": ("mv /etc/init.d/$it /etc/init.d/other", "mv /etc/init.d/other /etc/init.d/$it"),
            "started_by_hand": f"all {VICTIM} && exit 1; {START}",
        },
    ),
    *kind_of(
        "device",
        {
            "renamed": "ip link set $it name renamed0",
            "renamed_while_down": "ip link set $it down; ip link set $it name renamed0",
            "renamed_for_a_while": ("ip link set $it name renamed0", "ip link set renamed0 name $it"),
            "in_a_namespace": f"ip link set $it netns {BOX}",
            "in_a_namespace_for_a_while": (
                f"ip link set $it netns {BOX}",
                f"ip netns exec {BOX} ip link set $it netns 1; ip addr add 203.0.113.1/24 dev $it; ip link set $it up",
            ),
            "deleted": "ip link del $it",
            "made_again": f"ip link del $it; {_ANOTHER}; ip addr add 203.0.113.1/24 dev $it",
            "swapped": f"ip link set $it down; ip link set $it name swap0; ip link set swap0 up; {_ANOTHER}",
            "up": "ip link set $it up",
            "down": "ip link set $it down",
            "in_a_bridge": "ip link add br0 address 02:00:00:00:00:0d type bridge; ip link set br0 up; ip link set $it master br0",
            "flushed": "ip addr flush dev $it",
            "readdressed": "ip link set $it address 02:00:00:00:00:0e",
            "without_a_description": 'ip link set $it alias ""',
        },
    ),
    *kind_of(
        "device in a namespace",
        {
            "renamed": f"ip netns exec {BOX} ip link set $it name renamed0",
            "moved": f"ip netns exec {BOX} ip link set $it netns 1",
            "deleted": f"ip netns exec {BOX} ip link del $it",
            "made_again": f"ip netns exec {BOX} sh -c 'ip link del $1; it=$1; {_ANOTHER}' sh $it",
        },
    ),
    *kind_of(
        "namespace",
        {
            "unnamed": "ip netns del $it",
            "renamed": "touch /run/netns/other; mount --bind /run/netns/$it /run/netns/other; ip netns del $it",
            "made_again": "ip netns del $it; ip netns add $it; ip netns exec $it sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode'",
        },
    ),
    *kind_of(
        "rules",
        {
            "flushed": "nft flush ruleset || :; iptables-legacy -F; iptables-legacy -X; ip6tables-legacy -F; ip6tables-legacy -X; iptables-legacy -t nat -F;"
            " iptables-legacy -t nat -X",
            "reloaded": "! nft list ruleset >/tmp/rules || { nft flush ruleset; nft -f /tmp/rules; }; iptables-legacy-save >/tmp/rules;"
            " iptables-legacy-restore </tmp/rules; rm /tmp/rules",
            "renamed": "chain=$(iptables-legacy-save | sed -n 's/^:\\(FL[^ ]*\\) .*/\\1/p' | head -n 1); [ -n \"$chain\" ]; table=$(iptables-legacy-save |"
            ' sed -n "/^\\*/h;/^:$chain /{g;s/.//;p;q}"); iptables-legacy -t $table -E $chain RENAMED',
            "foreign_table": "iptables-legacy -N THEIRS; iptables-legacy -A THEIRS -j RETURN; nft add table inet theirs || :",
            "foreign_rule_in_ours": "table=$(nft list tables | sed -n 's/^table //;/faultline_/p' | head -n 1); [ -n \"$table\" ]; nft add chain $table theirs;"
            " nft add rule $table theirs counter",
            "jump_to_ours": f"{_CHAIN}; iptables-legacy -N THEIRS; iptables-legacy -A THEIRS -j $chain",
        },
        since=IN_PLACE,
    ),
    *kind_of("rules in a namespace", {"flushed": f"ip netns exec {BOX} nft flush ruleset", "foreign_table": f"ip netns exec {BOX} nft add table inet theirs"}),
    *kind_of(
        "resolver",
        {
            "replaced": "echo 'nameserver 198.18.0.3' >/etc/resolv.new; mv /etc/resolv.new $it",
            "rewritten": "echo 'nameserver 198.18.0.3' >$it",
            "unlinked": "rm $it",
        },
    ),
    *kind_of(
        "sysctl",
        {
            "changed": "sysctl -q -w $it=44 || echo 44 >/proc/sys/$(echo $it | tr . /)",
            "mounted_over_with_the_value_before_for_a_while": (
                "echo 60 >/tmp/value; mount --bind /tmp/value /proc/sys/$(echo $it | tr . /)",
                "umount /proc/sys/$(echo $it | tr . /); rm /tmp/value",
            ),
            "mounted_over_for_a_while": (
                "echo 9 >/tmp/value; mount --bind /tmp/value /proc/sys/$(echo $it | tr . /)",
                "umount /proc/sys/$(echo $it | tr . /); rm /tmp/value",
            ),
        },
    ),
    *kind_of(
        "cgroup",
        {
            "used": "setsid /usr/local/bin/flother 999 </dev/null >/dev/null 2>&1 & echo $! >$it/cgroup.procs",
            "renamed": "mv $it ${it%/*}/renamed",
            "below": "mkdir $it/theirs",
            "unmounted_for_a_while": (
                "umount -l ${it%/*}",
                "top=${pattern%/*}; mount -t cgroup -o ${top##*/} cgroup $top",
            ),
        },
        since=IN_PLACE,
    ),
    *kind_of(
        "cgroup limits",
        {
            "changed": "number=$(lsblk -n -o MAJ:MIN $(findmnt -n -o SOURCE /srv) | tr -d ' '); echo $number 777777 >$it/blkio.throttle.read_bps_device",
            "renamed": "mv $it ${it%/*}/renamed",
            "renamed_and_made_again": "mv $it ${it%/*}/renamed; mkdir $it",
            "mounted_over_for_a_while": ("mount -t tmpfs neighbour $it", "umount $it"),
            "hierarchy_mounted_over_for_a_while": ("mount -t tmpfs neighbour ${it%/*}", "umount ${it%/*}"),
            "removed": "for pid in $(cat $it/cgroup.procs); do echo $pid >${it%/*}/cgroup.procs; done; rmdir $it",
            "made_again": "for pid in $(cat $it/cgroup.procs); do echo $pid >${it%/*}/cgroup.procs; done; rmdir $it; mkdir $it",
        },
    ),
    *kind_of(
        "",  # every attack has a journal and dead-men
        {
            "journal_deleted": "rm -r $journal",
            "journal_renamed": "mv -T $journal /var/lib/faultline/other",
            "journal_renamed_for_a_while": ("mv -T $journal /tmp/journal", "mv -T /tmp/journal $journal"),
            "journal_copied": "cp -a $journal /var/lib/faultline/copy",
            "record_deleted": "rm $journal/record.json",
            "record_edited": "sed -i s/undo/redo/ $journal/record.json",
            "script_deleted": "rm $journal/revert.sh",
            "script_edited": "sed -i '/^undo()/,/^}/d' $journal/revert.sh",
            "script_emptied": ": >$journal/revert.sh",
            "script_and_sums_edited": "[ -e $journal/sums ]; sed -i 's/^undo$/:/;s/^    undo$/    :/;s/^    check$/    :/' $journal/revert.sh;"
            ' cd $journal; sums=$(sha256sum $(cut -c 67- sums)); echo "$sums" >sums',
            "sums_deleted": "rm $journal/sums",
            "deadline_later": "echo 99999999999 >$journal/deadline",
            "deadline_deleted": "rm $journal/deadline",
            "history_deleted": "rm /var/lib/faultline/history.jsonl",
            "state_full_for_a_while": (_FILL.format("/var/lib/faultline"), "rm -f /var/lib/faultline/neighbour"),
            "state_read_only_for_a_while": ("mount -o remount,bind,ro /var/lib/faultline", "mount -o remount,bind,rw /var/lib/faultline"),
            "boot_id_hidden_for_a_while": (
                "cat /proc/sys/kernel/random/uuid >/tmp/id; mount --bind /tmp/id /proc/sys/kernel/random/boot_id",
                "umount /proc/sys/kernel/random/boot_id; rm /tmp/id",
            ),
            "state_mounted_over_for_a_while": (
                "mount -t tmpfs -o mode=700 neighbour /var/lib/faultline",
                "umount /var/lib/faultline",
            ),
            "journal_backed_up": "mv -T $journal $journal.bak",
            "state_chmod": "chmod 0777 /var/lib/faultline; chmod -R a+w $journal",
            "control_deleted": "rm /var/lib/faultline/control.sh",
            "deadmen_killed": "[ -e $journal/watchers ]; while read -r pid _; do kill -s KILL -- -$pid; done <$journal/watchers",
            "deadmen_stopped": "[ -e $journal/watchers ]; while read -r pid _; do kill -s STOP -- -$pid; done <$journal/watchers",
        },
        since=JOURNALLED,
    ),
]


def moments(attack: Attack, interference: Interference) -> list[str]:
    """When it may happen: at a step of the injection, afterwards, within the undo, or after an undo that failed."""
    points = list(attack.points)
    if interference.since == JOURNALLED:
        points = points[points.index("journalled") :]
    if interference.since == IN_PLACE:
        points = ["injected"]
    if interference.existing and attack.removes:
        return [*points[: points.index("armed") + 1], UNDO[-1]]
    return [AFTER, STUCK, *UNDO, *points, "dies:injected"]


def cases(seed: str, attacks: Sequence[Attack], interferences: Sequence[Interference]) -> list[tuple[Attack, Interference, str]]:
    """Every interference with every attack to which it applies, at the first of its moments and at another one that the seed draws."""
    found = []
    for attack in attacks:
        for each in interferences:
            if (not each.kind or each.kind in attack.holds) and each.name not in attack.hides:
                first, *others = moments(attack, each)
                found.append((attack, each, first))
                if others:
                    found.append((attack, each, random.Random(f"{seed} {attack} {each}").choice(others)))
    return found
