# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Small files of the kernel (/proc, /sys, control groups): written in one write(2), and read in the kernel's own spelling.

The kernel takes each write(2) for a whole value, so a value must not be split. What it shows afterwards may be spelled differently (1,2,3 is
shown as 1-3, 0x10 as 16), and it may be another value (1001 ms becomes 1004 ms where a clock tick is 4 ms).
The undo has the same in sh: _undo/kernel_files.py.
"""

import os
import re

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError

# For another network namespace, whose files only a process in it can see. Arguments: value, path.
WRITE = ["sh", "-c", 'printf "%s\\n" "$1" >"$2"', "sh"]


def write(path, text):
    """Write a value in one write(2). Errors: OSError with the name of the file."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode("utf-8", "surrogateescape") + b"\n")
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(handle)


def write_in(host, place, path, text):
    """As write(), in the network of a place (see namespace.py). Errors: AttackError."""
    if place.key:
        rc, out, err = host.run(place.argv([*WRITE, text, path]), check=False)
        if rc != 0:
            raise AttackError(f"{path} refuses {text!r}: {last_line(err or out)}")
        return
    try:
        write(path, text)
    except OSError as error:
        raise AttackError(f"{path} refuses {text!r}: {error.strerror}")


def read_in(host, place, path):
    """The value as value_of() gives it, in the network of a place; None when it cannot be read."""
    if place.key:
        rc, out, _err = host.run(place.argv(["cat", path]), check=False)
        return value_of(out) if rc == 0 else None
    text = host.read(path, None)
    return None if text is None else value_of(text)


def value_of(text):
    """A value normalised for comparison: its words separated by one space."""
    return " ".join(_words(text))


def _words(text):
    """As the shell of the undo splits it: at other spaces than these the kernel does not, either."""
    return re.findall(r"[^ \t\n]+", str(text))


def same_value(one, other):
    """Whether two spellings mean the same to the kernel: words, numbers (0x10 is 16), lists of numbers (1,2,3 is 1-3)."""
    return [_meaning(word) for word in _words(one)] == [_meaning(word) for word in _words(other)]


def last_line(text):
    """The last line of a program's output, without the shell's prefix."""
    return (text.strip() or "it failed").split("\n")[-1].rpartition(": ")[2]


def _meaning(word):
    """A number, the sorted ranges of a list of numbers (never the numbers themselves: 0-4294967295 is short to write), or the word itself."""
    if re.match(r"-[1-9][0-9]{0,30}\Z|0[xX][0-9a-fA-F]{1,30}\Z", word):
        word = str(int(word, 0))
    found = []
    for part in word.split(","):
        if not re.match(r"[0-9]{1,30}(-[0-9]{1,30})?\Z", part):
            return word
        first, _dash, last = part.partition("-")
        found.append((int(first), int(last or first)))
    merged = []
    for first, last in sorted(found):
        if last < first:
            return word
        if merged and first <= merged[-1][1] + 1:
            first, last = merged[-1][0], max(last, merged.pop()[1])
        merged.append((first, last))
    return merged
