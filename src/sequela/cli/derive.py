"""The verb `lines derive`."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from sequela.cli.options import JSON


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--out", required=True, help="The Parquet file of the lines; on Spark a directory of such files."
)
@click.option(
    "--rules", default="generic-28-120", show_default=True, help="A shipped rule set, or a rule-set file."
)
@click.option("--progressions", multiple=True, help="File with one row a progression.")
@click.option("--patient", default="patient", show_default=True, help="The files' column of the patient.")
@click.option("--drug", default="drug", show_default=True, help="The column of the drug, free text.")
@click.option("--start", default="start", show_default=True, help="The column of the first day or date.")
@click.option("--end", default="end", show_default=True, help="The column of the last one; empty is ongoing.")
@click.option("--day", default="day", show_default=True, help="The column of a progression's day.")
@click.option(
    "--buckets", type=click.IntRange(1), help="Parts that the patients are taken in; by size unless given."
)
@click.option(
    "--spill", type=click.Path(path_type=Path), help="Directory for rows that wait; the system's by default."
)
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True,
    help="Where: in this process, or by the workers of Spark.",
)  # fmt: skip
@JSON
def derive(
    files: tuple[str, ...],
    out: str,
    rules: str,
    progressions: tuple[str, ...],
    patient: str,
    drug: str,
    start: str,
    end: str,
    day: str,
    buckets: int | None,
    spill: Path | None,
    engine: str,
    as_json: bool,
) -> int:
    """Lines of therapy of Parquet or CSV files of any size, without a study file.

    Example:  sequela lines derive treatments.parquet --rules her2-abc --out lines.parquet
    """
    from sequela.clinic.drugs import read_dictionary
    from sequela.clinic.rules import read_rules

    columns = {"patient": patient, "drug": drug, "start": start, "end": end, "day": day}
    chosen, dictionary = read_rules(rules), read_dictionary()
    if engine == "spark":
        if buckets or spill:
            raise click.UsageError(
                "--buckets and --spill are for the local engine: Spark has settings of its own"
            )
        from sequela.clinic.spark import lines_of_files_on_spark

        made = lines_of_files_on_spark(
            files, chosen, dictionary, out, columns=columns, progressions=progressions
        )
    else:
        from sequela.clinic.outofcore import lines_of_files

        made = lines_of_files(
            [Path(file) for file in files], chosen, dictionary, Path(out), columns=columns,
            progressions=[Path(file) for file in progressions], buckets=buckets, spill=spill,
        )  # fmt: skip
    if as_json:
        told = {
            "out": out, "rows": made.rows, "used": made.used, "patients": made.patients, "lines": made.lines,
            "unused": dict(made.unused), "listed": made.listed,
            "unknown": dict(made.unknown), "legend": list(made.legend),
        }  # fmt: skip
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return 0
    click.echo(f"{made.lines:,} lines of {made.patients:,} patients in {out}")
    click.echo(f"{made.used:,} of {made.rows:,} rows used")
    for reason, n in made.unused.items():
        click.echo(f"  {reason}: {n:,}")
    if made.listed:
        click.echo(f"  each is listed in {made.listed}")
    for text, n in made.unknown[:10]:
        click.echo(f"  unknown drug {text!r}: {n:,}")
    return 0
