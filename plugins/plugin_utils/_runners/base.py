# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The interface of all runners, which run commands on the controller or on a host."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

OUTPUT_LIMIT = 1 << 18  # bytes of each output of a command


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    rc: int
    stdout: str
    stderr: str


class Runner(t.Protocol):
    """Runs commands in one place."""

    def run(self, argv: list[str], timeout: float) -> Completed:
        """The exit status and output of the command. Errors: TimeoutError or OSError when there is no exit status."""

    def close(self) -> None:
        """Ends the commands that still run."""
