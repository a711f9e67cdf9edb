# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""The steps of an attack by name: every step boundary, and the moment between the write and the rename of a file.

Nothing happens here. The fault tests run a copy of the collection in which another file stands in the place of this one, so that a
module dies, hangs or fails at a step; that file is no part of what is built and installed.
"""


def crash_point(name):
    """Do nothing."""
