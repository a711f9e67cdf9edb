# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The second reading of an attack's effect, made by its revert.sh: before the undo, or while the attack is active.

A reading has in_place (None: it could not be read), lost (the parts that are gone), met (how many packets, kills, answers ... it acted on),
asked and measured (of the same unit). Keys that an attack cannot tell are left out.
"""

import json

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError


def parse(attack_id, output):
    """The reading in the output of a revert.sh; None when the attack has none."""
    mark = f"faultline {attack_id}: reading "
    for line in output.split("\n"):  # what it quotes may hold other ends of lines
        if line.startswith(mark):
            try:
                return json.loads(line[len(mark) :])
            except ValueError:
                return {"in_place": None}
    return None


def look(host, journal, attack_id):
    """The reading of an active attack, which stays as it is; None when it has none."""
    if not journal.script_intact(attack_id):
        return {"in_place": None}
    try:
        return parse(attack_id, host.ask(["/bin/sh", journal.script(attack_id), "look"])[1])
    except AttackError:
        return {"in_place": None}
