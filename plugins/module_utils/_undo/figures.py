# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The reading of figures that a worker keeps in the journal while it works (see _host/figures.py)."""

from ansible_collections.faultline.chaos.plugins.module_utils._undo.typed import Typed

_FIGURES = r"""
figures() { # figures SECONDS: of a worker that keeps them at least so often; $met, $asked and $measured. No process: it may have taken them all
    at='' whole='' met=''
    while read -r key value _; do
        case $key in
        met) met=$value ;;
        asked) asked=$value ;;
        measured) measured=$value ;;
        at) at=$value ;;
        end) whole=yes ;;
        esac
    done 2>/dev/null <"$dir/figures"
    now
    number "$at"
    if [ -z "$whole" ]; then looking=unclear; fi
    [ $((up - n)) -le $(($1 * 100)) ]
    part $? 'the work of its worker, which stands still'
}
"""


class Figures(Typed):
    """What the worker met, was asked for and has measured. seconds: a worker that has kept no figures for so long is not at work."""

    fields = ("seconds",)
    functions = _FIGURES

    def __init__(self, seconds):
        super().__init__(seconds=int(seconds))

    def render(self):
        return ["figures %d" % self.seconds]
