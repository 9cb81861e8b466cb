"""A whole study at any size: records from Parquet, lines, endpoints, groups, checks, curves, tests, Cox models.

python -m bench.study --patients 1e4 1e5 1e6 [--page]

Each size is a process of its own, imports included: CPU seconds of all threads, elapsed seconds, peak memory. The registry
(`bench.registry`, about eleven treatments a patient) is made before and not measured; the compiled fold is taken from its
cache, as from the second run on. `--page` writes the table into docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from bench.registry import write_registry

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
MARKS = ("<!-- bench.study -->", "<!-- end of bench.study -->")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--patients", nargs="+", type=lambda word: int(float(word)), default=[10_000, 100_000])
    asked.add_argument("--page", action="store_true", help="write the table into docs/scale.md")
    asked.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.measure:
        print(json.dumps(_measured(given.measure)))
        return
    table = [
        "| patients | treatments | cohort | CPU s | of these checks | elapsed s | peak GB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for patients in given.patients:
        with tempfile.TemporaryDirectory() as directory:
            study = write_registry(Path(directory), patients)
            for _ in range(2):  # the first run fills the cache of the compiled fold
                told = _run(study)
        table.append(
            f"| {patients:,} | {told['rows']:,} | {told['cohort']:,} | {told['cpu']:.1f} | {told['checks']:.1f} "
            f"| {told['elapsed']:.1f} | {told['peak']:.2f} |"
        )
        print(table[-1], flush=True)
    if given.page:
        before, rest = PAGE.read_text("utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        lines = "\n".join(["", "", *table, "", ""])
        PAGE.write_text(f"{before}{MARKS[0]}{lines}{MARKS[1]}{after}", encoding="utf-8")


def _run(study: Path) -> dict[str, float]:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.study", "--measure", str(study)], stdout=subprocess.PIPE, text=True
    ) as process:
        out = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the study failed")
    elapsed = time.perf_counter() - began
    return json.loads(out) | {
        "cpu": usage.ru_utime + usage.ru_stime, "elapsed": elapsed, "peak": usage.ru_maxrss / 1024**2
    }  # fmt: skip


def _measured(path: Path) -> dict[str, float]:
    """Walk and analyse; the checks are also timed on their own, for other programs have none."""
    import sequela as sq
    from sequela.clinic import checks
    from sequela.walk import path as steps
    from sequela.walk.analyses import analyse

    took = 0.0

    def timed(records: object) -> object:
        nonlocal took
        began = time.process_time()
        found = checks.run_checks(records)
        took = time.process_time() - began
        return found

    steps.run_checks = timed
    study = sq.Study.read(path)
    walked = steps.walk(study, today=date(2026, 1, 1))
    for analysis in study.analyses:
        analyse(analysis, walked)
    return {"rows": walked.registry.treatments.height, "cohort": len(walked.cohort), "checks": took}


if __name__ == "__main__":
    main()
