# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may import this; it changes without notice.

"""Where a network attack takes place: on the host itself, or in another network namespace of it, a container's for instance."""


class _Here(object):
    """The network of the host itself."""

    guards = ()

    @staticmethod
    def argv(argv):
        """A command as it is run to attack."""
        return list(argv)

    @staticmethod
    def undo_argv(argv):
        """The same command as the undo runs it, behind the guards."""
        return list(argv)


HERE = _Here()
