"""What several verbs take: the study, machine-readable output, the exit code."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

STUDY = click.argument("study", default=".", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output on standard output.")
EXIT_ZERO = click.option(
    "--exit-zero", is_flag=True, help="End with 0 also when there are findings of severity error."
)
