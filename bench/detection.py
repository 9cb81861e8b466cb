"""How often the audit finds a planted fault, and how often it speaks without one.

    python -m bench.detection [--seeds 50] [--out docs/detection.md]

Each study is written as files, read, walked and audited as a user's would be. The table stands between two marks of the
page and is replaced as a whole.
"""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sequela.study.model import Study
from sequela.virtual.faults import CLEAN, FAULTS, Fault, write
from sequela.walk.auditing import audit
from sequela.walk.path import walk

TODAY = date(2026, 1, 1)
MARKS = ("<!-- bench.detection -->", "<!-- end -->")


def verdicts(fault: Fault, seed: int) -> dict[str, str]:
    """Every check of the audit on one invented study."""
    with TemporaryDirectory() as place:
        path = write(
            fault.world(np.random.default_rng([seed, (*FAULTS, *CLEAN).index(fault)])), fault.asked, place
        )
        found = audit(walk(Study.read(path), today=TODAY))
    return {one.code: one.verdict for one in found.audit.verdicts}


def detected(fault: Fault, seeds: int) -> tuple[float, float]:
    """Share of studies in which a check of the fault warns or fails, and in which it fails."""
    found = [{verdicts(fault, seed).get(code, "") for code in fault.codes} for seed in range(seeds)]
    return float(np.mean([bool(one & {"warn", "fail"}) for one in found])), float(
        np.mean(["fail" in one for one in found])
    )


def alarms(seeds: int) -> dict[str, Counter[str]]:
    """By check, how often each verdict was given on clean studies."""
    counts: dict[str, Counter[str]] = {}
    for fault in CLEAN:
        for seed in range(seeds):
            for code, verdict in verdicts(fault, seed).items():
                counts.setdefault(code, Counter())[verdict] += 1
    return counts


def tables(seeds: int) -> str:
    """Both tables of the page."""
    lines = ["| planted fault | check | found | of these as `fail` |", "|---|---|---|---|"]
    for fault in FAULTS:
        found, failed = detected(fault, seeds)
        codes = ", ".join(f"`{code}`" for code in fault.codes)
        lines.append(f"| {fault.name} | {codes} | {100 * found:.0f} % | {100 * failed:.0f} % |")
    counts = alarms(4 * seeds)
    lines += ["", "| check on clean studies | applies in | `warn` | `fail` |", "|---|---|---|---|"]
    for code, one in counts.items():
        applies = sum(one.values()) - one["not applicable"]
        if applies:
            lines.append(
                f"| `{code}` | {applies} | {100 * one['warn'] / applies:.1f} % | {100 * one['fail'] / applies:.1f} % |"
            )
    idle = [f"`{code}`" for code, one in counts.items() if sum(one.values()) == one["not applicable"]]
    said = f"{seeds} studies of each fault, {4 * seeds} of each of the {len(CLEAN)} clean designs."
    return "\n".join(
        [said, "", *lines, "", f"Without anything to look at in the clean designs: {', '.join(idle)}."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("docs/detection.md"))
    asked = parser.parse_args()
    made = tables(asked.seeds)
    page = asked.out.read_text()
    before, rest = page.split(MARKS[0])
    asked.out.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


if __name__ == "__main__":
    main()
