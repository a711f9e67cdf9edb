# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cost of the report of a long experiment: seconds, memory with and without the record itself, and the size of each file.

python -m pytest -n 0 -s tests/bench/report                        20,000 samples of 3 probes in 3 phases
REPORT_SAMPLES=2000 REPORT_PROBES=10 REPORT_PHASES=5 python -m pytest -n 0 -s tests/bench/report
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

from ansible_collections.faultline.chaos.plugins.plugin_utils._report.write import write_reports
from tests.support.long_record import long_record


def test_the_report_of_a_long_experiment(tmp_path: Path) -> None:
    samples, probes, phases = (int(os.environ.get(f"REPORT_{name}", usual)) for name, usual in (("SAMPLES", 20_000), ("PROBES", 3), ("PHASES", 3)))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own, for its peak memory
        try:
            record = long_record(samples, probes, phases)
            before, begun, spent = _peak(), time.monotonic(), time.process_time()
            paths = write_reports(record, tmp_path, ("html", "json", "junit"))
            sizes = {name: round(Path(path).stat().st_size / 1e6, 2) for name, path in paths.items()}
            took = {"seconds": round(time.monotonic() - begun, 1), "cpu_seconds": round(time.process_time() - spent, 1)}
            row = {"samples": samples * probes * phases, **took, "peak_mib": _peak(), "record_mib": before, "mb": sizes}
            os.write(writing, json.dumps(row).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        row = answer.read()
    os.waitpid(child, 0)
    print("\n" + row)
    assert row


def _peak() -> int:
    """The peak memory of this process in MiB. The kernel gives a forked process what its parent had, as its start."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
