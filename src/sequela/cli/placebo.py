"""The verb `placebo`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from sequela.cli.options import JSON, STUDY, today

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sequela.audit.placebo import Placebo


@click.command()
@STUDY
@click.option("--analysis", help="Analysis of two groups to try; the main comparison by default.")
@click.option(
    "--runs", default=200, show_default=True, type=click.IntRange(20, 100_000), help="Worlds to invent."
)
@click.option("--seed", default=2020, show_default=True, help="Seed of the first world.")
@click.option(
    "--frailty",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 5),
    help="Variance of the patients' frailty.",
)
@click.option(
    "--jobs",
    default=None,
    type=click.IntRange(1),
    help="Processes; one a processor by default, whatever the result.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the page; STUDY/placebo by default."
)
@JSON
def placebo(
    study: Path,
    analysis: str | None,
    runs: int,
    seed: int,
    frailty: float,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """What would this study find if the treatment did nothing? Its own design, in invented worlds; write placebo.html.

    Example:  sequela placebo sepher-demo --runs 200
    """
    from sequela.study.model import Study
    from sequela.walk.path import base_of, require_cohort, walk
    from sequela.walk.placebo import placebo as live_through
    from sequela.walk.placebo import write_placebo

    protocol = Study.read(study)
    now = today()
    walked = walk(protocol, today=now)
    require_cohort(walked)
    with _bar(quiet=as_json) as tell:
        found = live_through(
            walked,
            today=now,
            analysis=analysis,
            runs=runs,
            seed=seed,
            frailty=frailty,
            jobs=jobs or os.cpu_count() or 1,
            progress=tell,
        )
    page = write_placebo(protocol, found, out or base_of(protocol) / "placebo")
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
    else:
        _print(found, page)
    return 0


@contextmanager
def _bar(*, quiet: bool) -> Generator[Callable[[str, float], None]]:
    """A progress bar a step on a terminal; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda _words, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def tell(words: str, share: float) -> None:
            if words not in tasks:
                tasks[words] = progress.add_task(words, total=1.0)
            progress.update(tasks[words], completed=share)

        yield tell


def _print(found: Placebo, page: Path) -> None:
    """The sentence, then a line a method."""
    click.echo(found.comparison)
    click.echo(found.sentence + "\n")
    wide = max(len(method.label) for method in found.methods)
    for method in found.methods:
        if not method.known:
            click.echo(f"  {method.label:<{wide}}  no estimate in any world")
            continue
        (middle, low, high), (rate, _, _) = method.middle, method.rejected
        seen = "" if method.observed is None else f"   observed {method.observed:.2f}"
        ratios = f"HR {middle:.2f} ({low:.2f} to {high:.2f})"
        click.echo(f"  {method.label:<{wide}}  {ratios}   p < 0.05 in {100 * rate:5.1f}%{seen}")
    click.echo(f"page, figure, every run: {page}")
