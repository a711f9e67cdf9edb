# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Undo guards and steps for programs that people name: whether root may still run one, and one whose failure does not matter."""

from shlex import quote

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed, comment, words

_TRUSTED = r"""
vouched=
trusted() { # trusted PATH...: root's or ours, and nobody else can write to a file, or replace what is in a directory
    [ "$vouched" != "$*" ] || return 0
    limit
    said=$($limiter stat -c '%u %A %n' -- "$@" 2>&1 </dev/null 9>&-) || { problem "a program of this undo is not run: ${said:-stat failed}"; return 1; }
    while read -r owner mode name; do
        case $owner in 0 | "$uid") ;; *) mode=foreign ;; esac
        case $mode in
        l* | d????????[tT]) continue ;;
        foreign | ????????w*) ;;
        ?????w*) [ "$uid" = 0 ] || continue ;; # a user's own group was looked at before the attack
        *) continue ;;
        esac
        problem "a program of this undo is not run, for others can change $name: chown it back, chmod go-w"
        return 1
    done <<EOF
$said
EOF
    vouched=$*
}
"""


class Trusted(Typed):
    """Nobody but root and this user can change a program: paths are its file, the links to it and every directory on the way, none twice."""

    fields = ("paths",)
    functions = _TRUSTED

    def __init__(self, paths):
        super().__init__(paths=list(paths))

    def condition(self):
        return "trusted {}".format(" ".join(quote(path) for path in self.paths))


class Ease(Typed):
    """Run a program whose failure does not matter: the steps after it look."""

    fields = ("title", "argv")

    def __init__(self, title, argv):
        super().__init__(title=title, argv=list(argv))

    def render(self):
        return [comment(self.title), f"fails {words(self.argv)} || :"]
