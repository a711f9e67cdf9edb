# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors OPTIONS in module_utils/_host/placed.py.
    DOCUMENTATION = r"""
options:
  netns:
    description:
      - Attack the network of this network namespace of the target instead of its own. A name as C(ip netns) lists it, or the number of a
        process in it.
      - SSH to the target does not go through there, so it needs no exception. O(control_addresses) still pass.
      - Names are resolved by the target, not in there.
    type: str
  container:
    description:
      - Attack the network of this container of the target instead of its own. A name or an id as docker, podman or crictl knows it. Where
        none of these tools is, an id of 12 digits or more, or the name of a container of LXC or systemd-nspawn.
      - Containers of one pod share their network. A container with the network of the host is refused.
    type: str
"""
