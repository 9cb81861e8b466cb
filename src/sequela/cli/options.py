"""What several verbs share: the study, machine-readable output, the exit code; the clock and the moving line."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import date

STUDY = click.argument("study", default=".", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output on standard output.")
EXIT_ZERO = click.option(
    "--exit-zero", is_flag=True, help="End with 0 also when there are findings of severity error."
)


def today() -> date:
    """The day on this machine's clock."""
    from datetime import datetime

    return datetime.now().astimezone().date()


def directory_of(study: Path) -> Path:
    """The directory of a study, which may be given by its file."""
    return study if study.is_dir() else study.parent


@contextmanager
def progress(*, quiet: bool) -> Generator[Callable[[str], None]]:
    """One changing line on a terminal; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("starting") as status:
        yield lambda step: status.update(step)
