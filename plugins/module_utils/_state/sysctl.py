# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Sysctls of the target: names and files, the effects of writing them (tried in a throw-away network namespace), and their undo."""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption, NotRestorable
from ansible_collections.faultline.chaos.plugins.module_utils._hints import did_you_mean
from ansible_collections.faultline.chaos.plugins.module_utils._host import trial
from ansible_collections.faultline.chaos.plugins.module_utils._host.host import lines
from ansible_collections.faultline.chaos.plugins.module_utils._host.kernel_files import last_line, read_in, same_value, value_of
from ansible_collections.faultline.chaos.plugins.module_utils._state.sysctl_rules import OPTION, PAIRS
from ansible_collections.faultline.chaos.plugins.module_utils._undo.kernel_files import (
    BackHasBegun,
    BeginBack,
    EndBack,
    Put,
    SameFile,
    StillOurs,
    ValueIs,
)
from ansible_collections.faultline.chaos.plugins.module_utils._undo.links import FindLink
from ansible_collections.faultline.chaos.plugins.module_utils._undo.steps import Part, SameBoot, Undo, When
from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import LINK

ROOT = "/proc/sys"
MOST = 32  # keys of one attack
_LONGEST = 4096  # characters of a value; the kernel accepts one page
_NAME = r"^[A-Za-z0-9_]+(?:[./][A-Za-z0-9_:@+-]+)+\Z"
_INTERFACE = r"^(net/\w+/(?:conf|neigh)/)(?!all/|default/)([^/]+)(/.*)\Z"  # in a path below ROOT
_SWAP = str.maketrans("./", "/.")
_LEARNED = 0x00010000 | 0x00040000  # RTF_DEFAULT | RTF_ADDRCONF: a default route from a router, as in include/uapi/linux/ipv6_route.h

# Not tried in check mode, because that would load kernel modules.
_LOADS_MODULES = ("net.ipv4.tcp_congestion_control", "net.core.default_qdisc")
# Arguments: FILE BEFORE VALUE for each key; prints its family with BEFORE, with VALUE, and with BEFORE again. Of those that all networks share,
# some can be seen in a new one, but not written.
_TRY = r"""
cd /proc/sys || exit
put() { printf '%s\n' "$2" >"$1" || printf 'refused:%s\n' "$1"; }
show() { printf 'part:%s\n' "$1"; grep -rs '' "$2"; }
while [ $# -ge 3 ]; do
    family=${1#net/} family=net/${family%%/*}
    case $(ls -l "$1" 2>/dev/null) in ??-*) printf 'locked:%s\n' "$1" ;; esac
    put "$1" "$2"
    show before "$family"
    put "$1" "$3"
    show after "$family"
    put "$1" "$2"
    show back "$family"
    shift 3
done
printf 'part:end\n'
"""


class Key:
    """A sysctl. name: as sysctl(8) writes it, with dots between the parts and a slash for a dot within a part; path: below ROOT.

    interface: the network interface that it belongs to, or None.
    """

    def __init__(self, path):
        self.path = path
        self.name = path.translate(_SWAP)
        found = re.match(_INTERFACE, path)
        self.interface = found.group(2) if found else None

    def __eq__(self, other):
        return self.path == other.path

    def __hash__(self):
        return hash(self.path)

    @classmethod
    def parse(cls, text):
        """Errors: BadOption."""
        if not isinstance(text, str) or not re.match(_NAME, text) or len(text) > 200:
            raise BadOption(OPTION, text, "give the name of a sysctl, such as net.ipv4.tcp_retries2 (a dot in the name of an interface becomes a slash)")
        return cls(text if re.search(r"[./]", text).group() == "/" else text.translate(_SWAP))

    @property
    def file(self):
        return os.path.join(ROOT, self.path)

    @property
    def file_of_link(self):
        """The file with LINK in the place of the interface."""
        return os.path.join(ROOT, re.sub(_INTERFACE, lambda found: found.group(1) + LINK + found.group(3), self.path))

    @property
    def of_network(self):
        return self.path.startswith("net/")

    @property
    def in_trial(self):
        """The path in a new network namespace, where lo replaces every interface."""
        return re.sub(_INTERFACE, r"\1lo\3", self.path)


def parse_value(name, value):
    """A value as text. Errors: BadOption."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise BadOption(OPTION, f"{name}: {value}", "give a number or text in quotes, several words apart by blanks")
    text = str(value)
    if len(text) > _LONGEST or not all(letter.isprintable() or letter == "\t" for letter in text):
        raise BadOption(OPTION, f"{name}: {text[:80]}", "give one line of at most %d characters" % _LONGEST)
    return value_of(text)


def one_spelling(sysctls):
    """The option with every name and value spelled in one way. What is wrong, or given twice, stays as it is: validate() refuses it."""
    found = {}
    for name, value in (sysctls or {}).items():
        try:
            key = Key.parse(name)
            found[key.name] = parse_value(key.name, value)
        except BadOption:
            return sysctls
    return found if sysctls and len(found) == len(sysctls) else sysctls


def refuse_absent(host, place, key):
    """Errors: BadOption for a key that does not exist on the target, or cannot be read and written; AttackError for a read-only /proc/sys."""
    mode = _mode(host, place, key)
    if mode is None:
        near = did_you_mean(key.name, _names(host, place, key))
        fix = near or "some are there only once their kernel module is loaded"
        raise BadOption(OPTION, key.name, f"there is no such sysctl on {place.label}; {fix}")
    if not mode & 0o200:
        raise BadOption(OPTION, key.name, f"it is read-only on {place.label}; leave it out")
    if not mode & 0o400:
        raise BadOption(OPTION, key.name, "it is write-only, so that its value could not be put back; leave it out")
    if not place.key and os.statvfs(key.file).f_flag & os.ST_RDONLY:
        raise AttackError(f"{OPTION}: /proc/sys is mounted read-only on the target, as in a container: attack the host that runs it", option=OPTION)


def _mode(host, place, key):
    """The permission bits of a key where the attack acts; None when it does not exist there."""
    if not place.key:
        return os.stat(key.file).st_mode if os.path.isfile(key.file) else None
    rc, out, _err = host.run(place.argv(["stat", "-c", "%F:%a", key.file]), check=False)
    kind, _colon, mode = out.strip().rpartition(":")
    return int(mode, 8) if rc == 0 and kind.startswith("regular") else None


def _names(host, place, key):
    """Names of the existing sysctls, limited to the same first part where that exists."""
    top = os.path.join(ROOT, key.path.split("/")[0])
    if place.key or not os.path.isdir(top):
        top = ROOT
    out = host.run(place.argv(["find", top, "-type", "f"]), check=False)[1]
    return [path[len(ROOT) + 1 :].translate(_SWAP) for path in lines(out)]


def refuse_learned_routes(host, place):
    """Errors: NotRestorable when a router announced a default route: the kernel drops it when IPv6 forwarding is enabled."""
    text = host.run(place.argv(["cat", "/proc/net/ipv6_route"]), check=False)[1]
    for line in lines(text):
        if int(line.split()[8], 16) & _LEARNED == _LEARNED:
            raise NotRestorable(f"{OPTION}: {place.label} has a default route that a router announced, and the kernel would forget it", option=OPTION)


class Change:
    """One key with its value before and the value to set.

    also: {Key: (value before, value after the key is restored)} for keys that the kernel changes along with it.
    """

    def __init__(self, key, before, wanted):
        self.key = key
        self.before = before
        self.wanted = wanted
        self.also = {}
        self.note = ""  # the name of its note in the journal
        self.tried = False  # the trial showed that the kernel accepts the value


def read_changes(host, place, wanted):
    """A Change for each (Key, value), with the current values. Errors: AttackError, NotRestorable."""
    found = []
    for key, value in wanted:
        before = read_in(host, place, key.file)
        if before is None:
            raise NotRestorable(f"{OPTION}: {key.name} cannot be read on {place.label}, so it could not be put back", option=OPTION)
        if same_value(before, value):
            raise AttackError(f"{OPTION}: {key.name} is {before} already: give another value, or leave it out", option=OPTION)
        change = Change(key, before, value)
        change.note = "set-%d" % len(found)
        if key.name in PAIRS:
            other = Key(PAIRS[key.name].translate(_SWAP))
            other_before = read_in(host, place, other.file)
            if other_before is None or before == other_before == "0":
                raise NotRestorable(f"{OPTION}: neither {key.name} nor {other.name} is set, and the kernel does not take 0 back", option=OPTION)
            change.also[other] = (other_before, other_before if before != "0" else None)
        found.append(change)
    return found


def try_changes(host, place, changes):
    """Write each value in a new network namespace that has the key, and record in the changes which other keys the kernel changes with it.

    Errors: BadOption for a value that the kernel refuses or alters, and for keys that change each other; NotRestorable when the value before
    cannot be restored; AttackError when no trial is possible.
    """
    tried = [change for change in changes if change.key.of_network and not (host.check_mode and change.key.name in _LOADS_MODULES)]
    if tried:
        words = [word for change in tried for word in (change.key.in_trial, change.before, change.wanted)]
        rc, out, err = trial.run(host, ["sh", "-c", _TRY, "sh", *words])
        parts = _parts(out)
        if rc != 0 or len(parts) != 3 * len(tried) + 1:
            raise AttackError(f"{OPTION}: no network namespace can be made on the target to try the values in ({last_line(err)})", option=OPTION)
        now = _values(host, place)
        for at, change in enumerate(tried):
            _judge(change, *parts[3 * at : 3 * at + 3], now=now)
    _refuse_mutual(changes)


def _judge(change, before, after, back, now):
    """Evaluate the trial of one change."""
    path, name = change.key.in_trial, change.key.name
    if path not in before.values:
        return  # the key is global, not per network namespace
    if path in before.locked:
        return  # likewise, but it can be seen there
    change.tried = True
    if path in after.refused:
        raise BadOption(OPTION, f"{name}: {change.wanted}", "the kernel of the target does not take this value (tried in a network namespace of its own)")
    if path in before.refused or path in back.refused or not same_value(back.values.get(path), change.before):
        raise NotRestorable(f"{OPTION}: {name} could not be put back to {change.before!r} (tried in a network namespace of its own)", option=OPTION)
    refuse_changed(change, after.values.get(path))
    moved = set(other for other, value in before.values.items() if other != path and not value == after.values.get(other) == back.values.get(other))
    for other in sorted(now):
        key = Key(other)
        if key.in_trial in moved and other != change.key.path:
            change.also[key] = (now[other], back.values[key.in_trial])


def _refuse_mutual(changes):
    """Errors: BadOption when one key of the attack changes another key of it."""
    paths = set(change.key.path for change in changes)
    for change in changes:
        for other in change.also:
            if other.path in paths:
                raise BadOption(OPTION, change.key.name, f"the kernel changes {other.name} with it: give only one of the two")


def refuse_changed(change, now):
    """Errors: BadOption when the kernel altered the written value; another spelling counts as the same value."""
    if not same_value(now, change.wanted):
        raise BadOption(OPTION, f"{change.key.name}: {change.wanted}", f"the kernel of the target makes {now!r} of it; give a value that it keeps")


class _Part:
    """A snapshot in the trial: {path: value}, the paths whose last write was refused, and those that are read-only there."""

    def __init__(self, refused, locked):
        self.values = {}
        self.refused = refused
        self.locked = locked


def _parts(out):
    """The parts that _TRY prints, in order."""
    found, refused, locked = [], set(), set()
    for line in out.rstrip("\n").split("\n"):
        word, _colon, rest = line.partition(":")
        if word == "refused":
            refused.add(rest)
        elif word == "locked":
            locked.add(rest)
        elif word == "part":
            found.append(_Part(refused, locked))
            refused, locked = set(), set()
        elif found:
            found[-1].values[word] = value_of(found[-1].values.get(word, "") + " " + rest)
    return found


def _values(host, place):
    """{path: value} of all readable sysctls below net."""
    out = host.run(place.argv(["grep", "-rs", "", ROOT + "/net"]), check=False)[1]
    return _parts("part:now\n" + "\n".join(line[len(ROOT) + 1 :] for line in out.rstrip("\n").split("\n")))[0].values


# --- the undo -------------------------------------------------------------------------------------------


def undo(host, place, changes):
    """The Undo that restores the values before: once, and only where the value is still that of the attack. Errors: NotRestorable."""
    steps, checks, before = [], [], {}
    enter = place.undo_argv([])
    numbers = _numbers(host, place) if any(key.interface for change in changes for key in [change.key, *change.also]) else {}
    for change in reversed(changes):
        steps += _back(host, place, change, enter, numbers)
        for key in [change.key, *change.also]:
            name = "%02d" % len(before)
            before[name] = host.output(place.argv(["cat", key.file]))
            checks.append(SameFile(f"sysctl {key.name}", key.file_of_link, name, _there(host, place, key, numbers), enter))
    # After a reboot, or when the network namespace has ended, nothing is left to undo.
    guards = [SameBoot(), *place.guards]
    readings = [Part(f"the value of {change.key.name}", guards + _there(host, place, change.key, numbers) + [_still_ours(change, enter)]) for change in changes]
    return Undo([When(guards, steps)], [When(guards, checks)], before, readings)


def _still_ours(change, enter):
    return StillOurs(change.key.file_of_link, change.before, change.note, enter)


def _back(host, place, change, enter, numbers):
    """The steps that restore one key, then the keys that the kernel does not restore with it. Errors: NotRestorable."""
    key = change.key
    ours = _there(host, place, key, numbers) + [_still_ours(change, enter)]
    if change.before == "0" and key.name in PAIRS:  # the kernel may refuse 0, but sets 0 when the other key of the pair is written
        other = Key(PAIRS[key.name].translate(_SWAP))
        return [Put(f"{other.name} as it was, and with it {key.name}", other.file, change.also[other][0], ours, enter)]
    others = []
    for other, (was, then) in change.also.items():
        if was != then:
            if not (_mode(host, place, other) or 0) & 0o200:
                raise NotRestorable(f"{OPTION}: {key.name} changes {other.name} with it, which cannot be put back", option=OPTION)
            mark = _there(host, place, other, numbers) + [ValueIs(other.file_of_link, then, enter)]
            others.append(Put(f"{other.name} as it was", other.file_of_link, was, mark, enter))
    title = f"{key.name} as it was"
    if not others:
        return [Put(title, key.file_of_link, change.before, ours, enter)]
    # Only this write makes the others what their guards expect; without it, such a value is somebody else's.
    first = When(ours, [BeginBack(change.note), Put(title, key.file_of_link, change.before, [], enter)])
    return [first, When([BackHasBegun(change.note)], [*others, EndBack(change.note)])]


def _there(host, place, key, numbers):
    """Guards that become false when the interface of a key is gone. It is known by its number, for its name may change, or become another's."""
    if not key.interface:
        return []
    if key.interface not in numbers:
        raise AttackError(f"{OPTION}: the interface {key.interface} is gone from {place.label}", option=OPTION)
    tool = host.tool("ip") if place.key else None
    return [FindLink(numbers[key.interface], key.interface, key.file_of_link, tool, place.undo_argv([]))]


def _numbers(host, place):
    """{name: number} of the interfaces."""
    if not place.key:
        found = dict((name, host.read(f"/sys/class/net/{name}/ifindex", "").strip()) for name in os.listdir("/sys/class/net"))
        return dict((name, number) for name, number in found.items() if number)
    links = [host.tool("ip"), "-o", "link", "show"]  # /sys shows the interfaces of the host only
    found = {}
    for number, name in re.findall(r"^(\d+): ([^ \n]+):", host.run(place.argv(links))[1], re.M):
        short = name.rpartition("@")[0]
        if not short:
            found[name] = number
            continue
        # Its peer stands behind the @, unless the @ is in its name.
        if short not in found or host.run(place.argv([*links, "dev", short]), check=False)[1].startswith(f"{number}: "):
            found[short] = number
        found.setdefault(name, number)
    return found
