# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The common part of all probes: options, and the result of one attempt."""

from __future__ import annotations

import typing as t
from abc import ABC, abstractmethod
from dataclasses import dataclass

from ansible_collections.faultline.chaos.plugins.plugin_utils._options import Options
from ansible_collections.faultline.chaos.plugins.plugin_utils._runners.base import Runner
from ansible_collections.faultline.chaos.plugins.plugin_utils._samples import Tolerance

PHASES = ("before", "during", "after")
SHORTEST_INTERVAL = 0.05
LONGEST_TIMEOUT = 300.0
MOST_RETRIES = 10
BODY_LIMIT = 1 << 20


@dataclass(frozen=True)
class Measurement:
    """The result of one attempt: a scalar for the plot, and the reason if it failed."""

    ok: bool
    value: str | int | float | bool | None = None
    detail: str | None = None


class Probe(ABC):
    """One measurement. Reading the options is pure; `attempt` measures and must be thread-safe."""

    type: t.ClassVar[str] = ""
    #: Whether measuring certainly changes nothing; other probes are skipped in check mode.
    reads_only: bool = True
    #: The maximum number of samples in flight.
    most_at_once: int = 16
    #: Whether answers are judged by rules, in a process of their own.
    has_rules: bool = False
    #: The inventory host that runs commands for the probe, or None.
    on: str | None = None
    runner: Runner

    def __init__(self, name: str, options: Options, interval: float) -> None:
        self.name = name
        options.take("name")
        options.take("type")
        self.timeout: float = options.duration("timeout", 2.0, minimum=0.001, maximum=LONGEST_TIMEOUT)
        self.interval: float = options.duration("interval", interval, minimum=SHORTEST_INTERVAL)
        self.retries: int = options.whole("retries", 0, MOST_RETRIES, 0)
        self.initial_delay: float = options.duration("initial_delay", 0.0)
        self.phases = options.choices("phases", PHASES, PHASES)
        self.tolerance = Tolerance.read(options.section("tolerance"))
        self.read(options)
        options.done()

    @abstractmethod
    def read(self, options: Options) -> None:
        """Reads and checks the options of the type."""

    @abstractmethod
    def attempt(self, timeout: float) -> Measurement:
        """Measures once, in at most `timeout` seconds. Every exception is a failed attempt."""

    @property
    @abstractmethod
    def target(self) -> str:
        """What is measured, for people; without secrets."""

    @property
    def longest(self) -> float:
        """The maximum duration of one sample, with its retries."""
        return self.timeout * (self.retries + 1)
