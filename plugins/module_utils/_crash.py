# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""Crash points: the step boundaries of an attack by name, and the moment between the write and the rename of a file.

They do nothing. The fault tests run a copy of the collection in which another file replaces this one, so that a module dies, hangs or
fails at a step; that file is not part of the built collection.
"""


def crash_point(name):
    """Do nothing."""
