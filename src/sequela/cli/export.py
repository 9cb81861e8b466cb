"""The verb `export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from sequela.cli.options import JSON, STUDY, today

if TYPE_CHECKING:
    from sequela.records.exporting import Target


@click.command()
@STUDY
@click.option(
    "--to",
    "targets",
    multiple=True,
    default=("sav",),
    show_default=True,
    type=click.Choice(["sav", "dta", "csv", "parquet", "xlsx"]),
    help="Format of the data; may be given several times.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the export; STUDY/export by default."
)
@JSON
def export(study: Path, targets: tuple[Target, ...], out: Path | None, as_json: bool) -> int:
    """The analysis set for SPSS, Stata, R, SAS or Excel: one row a patient, with labels, codebook and programs.

    Example:  sequela export my-study --to sav --to dta
    """
    import os

    from sequela.report.console import console, print_findings
    from sequela.study.model import Study
    from sequela.walk.exporting import export as write
    from sequela.walk.path import base_of, require_cohort, walk

    protocol = Study.read(study)
    walked = walk(protocol, today=today())
    require_cohort(walked)
    made = write(walked, targets, out or base_of(protocol) / "export")
    table = made.set.table
    if as_json:
        told = {
            "out": str(made.out),
            "files": list(made.files),
            "rows": table.frame.height,
            "variables": [variable.name for variable in table.variables],
            "findings": [finding.as_dict() for finding in made.findings],
        }
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return 0
    print_findings(made.findings, console(sys.stdout, os.environ))
    click.echo(f"{table.frame.height} patients, {len(table.variables)} variables in {made.out}/")
    click.echo("\n".join(f"  {name}" for name in made.files))
    return 0
