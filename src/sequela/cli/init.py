"""The verb `init`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[DIRECTORY] [FILE ...]")
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Records to look at: a study file is written that maps every column. More files may follow.",
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="REDCap's data dictionary, or OMOP's concept table.",
)
@click.option(
    "--template",
    type=click.Choice(["study", "bench"]),
    default=None,
    help="Without --from: study (patients, by default) or bench (cultures).",
)
def init(
    paths: tuple[Path, ...], files: tuple[Path, ...], dictionary: Path | None, template: str | None
) -> int:
    """A new study: from your own files, or with small invented records that run at once.

    Example:  sequela init my-study --from patients.xlsx drugs.csv
    """
    directory, records = _parted(paths, files)
    if not records:
        if dictionary is not None:
            raise click.UsageError("--dictionary belongs to --from")
        return _template(directory, template or "study")
    if template is not None:
        raise click.UsageError("--template is for a study without --from")
    from sequela.walk.drafting import draft

    made = draft(records, directory, dictionary)
    click.echo("\n".join(made.summary))
    click.echo(f"\nwritten: {made.path}")
    if made.decisions:
        click.echo(f"{len(made.decisions)} decisions are left to you, marked TODO:")
        click.echo("\n".join(f"  line {f.where.line}: {f.message}" for f in made.decisions))
    click.echo(f"next:  sequela check {directory}")
    return 0


def _parted(paths: tuple[Path, ...], files: tuple[Path, ...]) -> tuple[Path, tuple[Path, ...]]:
    """The directory, and the files: what follows --from may be given without repeating it."""
    if not files:
        if len(paths) != 1:
            raise click.UsageError("give one directory: sequela init my-study")
        return paths[0], ()
    further = tuple(path for path in paths if path.is_file())
    directories = [path for path in paths if not path.is_file()]
    if len(directories) > 1:
        names = ", ".join(map(str, directories))
        raise click.UsageError(f"one directory at most; these are no files: {names}")
    return (directories[0] if directories else Path()), (*files, *further)


def _template(directory: Path, template: str) -> int:
    from sequela.cli.examples import copy_template

    written = copy_template(directory, template)
    click.echo(f"{len(written)} files in {directory}/")
    click.echo(f"next:  sequela check {directory}\n       sequela run {directory}")
    return 0
