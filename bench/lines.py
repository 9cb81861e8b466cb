"""Lines of therapy at any size: CPU seconds of all threads and peak memory, each in a process of its own, imports included.

    python -m bench.lines [--patients 1e4 1e5 1e6] [--ways memory lists sets files] [--page]

Records (`bench.lines_records`: ten a patient, shuffled, seeded) are written to Parquet first, which is not counted. What
was measured is merged into bench/lines.json, and the table of docs/scale.md is made from it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).with_name("lines.json")
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
MARKS = ("<!-- bench.lines -->", "<!-- end of bench.lines -->")
WAYS = {
    "memory": "lines, drugs as a mask",
    "lists": "lines with lists of drugs, and where every record went",
    "sets": "32 rule sets, counted",
    "files": "lines written to Parquet, a bucket of patients at a time",
}
FEW = 20_000
MERCK = 0.025  # CPU seconds a patient


def in_memory(path: Path) -> int:
    """The lines without lists of names; how many."""
    from sequela.clinic.drugs import read_dictionary
    from sequela.clinic.folding import NO_COURSES, coded, course, fold, limits, traits
    from sequela.clinic.lines import line_table
    from sequela.clinic.rules import read_rules

    rules, classes = read_rules("her2-abc"), read_dictionary().classes
    given = coded(treatments(path))
    asked = traits(given.agents, rules, classes)
    folded = fold(given.rows, asked, limits(rules), course(given.patients, NO_COURSES))
    return line_table(given, folded)[0].height


def with_lists(path: Path) -> int:
    """All that `lines_of_therapy` gives; how many lines."""
    from sequela.clinic.drugs import read_dictionary
    from sequela.clinic.lines import lines_of_therapy
    from sequela.clinic.rules import read_rules

    found = lines_of_therapy(treatments(path), read_rules("her2-abc"), read_dictionary().classes)
    return found.sequences.table.height


def under_sets(path: Path) -> int:
    """Lines, second lines and re-classified patients under 32 rule sets; the lines of the first."""
    from sequela.clinic.drugs import read_dictionary
    from sequela.clinic.rivals import lines_under

    return lines_under(treatments(path), rule_sets(), read_dictionary().classes)["lines"][0]


def in_buckets(path: Path) -> int:
    """The lines written to Parquet, a bucket of patients at a time; how many."""
    from sequela.clinic.drugs import read_dictionary
    from sequela.clinic.outofcore import lines_of_files
    from sequela.clinic.rules import read_rules

    out = path.with_name("lines.parquet")
    made = lines_of_files(
        [path], read_rules("her2-abc"), read_dictionary(), out, columns={"drug": "agent"}, spill=path.parent
    )
    return made.lines


def rule_sets() -> list[Any]:
    """The own rules first, then gaps, windows and confirmed cycles around them: 32."""
    from sequela.clinic.rules import read_rules

    own = read_rules("her2-abc")

    def changed(days: int, window: int, cycles: int) -> Any:
        parts = {
            "gap": own.gap.model_copy(update={"days": days}),
            "regimen": own.regimen.model_copy(update={"window_days": window}),
            "new_drug": own.new_drug.model_copy(update={"confirm_cycles": cycles}),
        }
        return own.model_copy(update=parts)

    grid = [key for key in product((60, 90, 120, 180), (21, 28, 30, 42), (1, 2)) if key != (120, 28, 1)]
    return [own, *(changed(*key) for key in grid)]


def treatments(path: Path) -> Any:
    """The records as `lines_of_therapy` takes them."""
    import polars as pl

    frame = pl.read_parquet(path).with_row_index("row")
    return frame.with_columns(pl.col("row").cast(pl.Int64), stop_reason=pl.lit(None, pl.String))


MEASURED: dict[str, Callable[[Path], int]] = {
    "memory": in_memory,
    "lists": with_lists,
    "sets": under_sets,
    "files": in_buckets,
}


def run(way: str, path: Path, cache: Path | None = None) -> dict[str, float]:
    """One measurement in a fresh process; machine code is kept in `cache`, or where it always is."""
    place = {} if cache is None else {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "bench.lines", "--measure", way, str(path)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **place}) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} of {path} failed")
    return {
        "lines": int(said),
        "cpu": round(usage.ru_utime + usage.ru_stime, 3),
        "elapsed": round(time.perf_counter() - began, 3),
        "peak": round(usage.ru_maxrss / 1e6, 3),
    }


def measure(patients: int, ways: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """The least of some rounds of every way; what compiling costs is measured on few patients before."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        small, path = Path(folder) / "small.parquet", Path(folder) / "records.parquet"
        for n, file in ((FEW, small), (patients, path)):
            subprocess.run([sys.executable, "-m", "bench.lines_records", str(n), str(file)], check=True)
        for way in ways:
            first, again = (run(way, small, Path(folder)) for _ in range(2))
            told = min((run(way, path, Path(folder)) for _ in range(rounds)), key=lambda one: one["cpu"])
            found[way] = told | {"compiling": round(first["cpu"] - again["cpu"], 1)}
            print(f"{patients:>10,} {way:8} {found[way]}", flush=True)
    return found


def table(data: dict[str, Any]) -> str:
    """The rows of docs/scale.md."""
    rows = [
        "| | patients | records | lines | CPU s | elapsed s | peak GB | CPU µs a patient | Merck's Python takes |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for way, words in WAYS.items():
        for size in sorted(data["cells"].get(way, {}), key=int):
            cell, n = data["cells"][way][size], int(size)
            times = "" if way == "sets" else f"{_round(MERCK * n / cell['cpu'])} × as long"
            rows.append(
                f"| {words} | {n:,} | {10 * n:,} | {cell['lines']:,} | {cell['cpu']:.2f} | {cell['elapsed']:.1f} "
                f"| {cell['peak']:.2f} | {1e6 * cell['cpu'] / n:.2f} | {times} |"
            )
    last = {way: cells[max(cells, key=int)]["compiling"] for way, cells in data["cells"].items()}
    machine = (
        f"Machine: {data['machine']}. Compiling, once after an installation: {last['memory']:.0f} CPU s for lines, "
        f"{last['sets']:.0f} for many rule sets."
    )
    return "\n".join([*rows, "", machine])


def _round(value: float) -> str:
    """Two digits that count."""
    digits = max(0, len(str(int(value))) - 2)
    return f"{round(value, -digits):,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--patients", nargs="*", type=lambda word: int(float(word)), default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", action="store_true", help="measure nothing, write the table again")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(MEASURED[asked.measure[0]](Path(asked.measure[1])))
        return
    data: dict[str, Any] = json.loads(DATA.read_text()) if DATA.exists() else {"cells": {}}
    for patients in () if asked.page else asked.patients:
        for way, cell in measure(patients, asked.ways, asked.rounds).items():
            data["cells"].setdefault(way, {})[str(patients)] = cell
        data["machine"] = (
            f"{os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}"
        )
        DATA.write_text(json.dumps(data, indent=1) + "\n")
    page = PAGE.read_text("utf-8")
    before, rest = page.split(MARKS[0])
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{table(data)}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}", "utf-8")


if __name__ == "__main__":
    main()
