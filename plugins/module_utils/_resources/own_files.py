# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""What the attacks have in common that put files of their own into a directory that the operator names."""

from ansible_collections.faultline.chaos.plugins.module_utils._host import filesystem, mounts


class OwnFiles:
    """Before Attack in the bases. validate() sets self.path; the plan has the OwnDirectory as plan.directory."""

    _where = None

    def where(self):
        """Real path and mount of the directory, looked up once. Errors: BadOption."""
        if self._where is None:
            place = filesystem.directory("path", self.path)
            self._where = (place, mounts.mount_of(place))
        return self._where

    def inject(self, plan):
        plan.directory.make(self.journal, self.id)
        super().inject(plan)
