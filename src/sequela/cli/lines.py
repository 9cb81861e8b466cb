"""Verbs about lines of therapy: one patient's proof, two rule sets, many rule sets, files of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from sequela.cli.derive import derive
from sequela.cli.options import JSON, STUDY, directory_of, progress, today

if TYPE_CHECKING:
    from sequela.walk.explaining import Explanation


@click.command(name="explain-lines")
@click.argument("patient")
@STUDY
@JSON
def explain_lines(patient: str, study: Path, as_json: bool) -> int:
    """One patient's lines of therapy with the rule behind every boundary; the lanes as a picture, and both as a page.

    Example:  sequela explain-lines TCGA-04-1332 ovarian-demo
    """
    from dataclasses import asdict

    from sequela.records.writing import replace_file
    from sequela.report.document import figure_block, render
    from sequela.report.figures import save
    from sequela.study.model import Study
    from sequela.walk.explaining import explain_lines as explained
    from sequela.walk.lanes import lane, proof
    from sequela.walk.outputs import BANNER
    from sequela.walk.path import walk

    protocol = Study.read(study)
    walked = walk(protocol, today=today())
    found = explained(walked, patient)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False))
        return 0
    _print_explanation(found)
    if found.lines:
        banner = BANNER if protocol.study.simulated else None
        beside = directory_of(study) / "lanes"
        drawn = lane(walked, patient, banner)
        block = figure_block(drawn, save(drawn, beside), "", beside)
        page = beside / f"{drawn.id}.html"
        replace_file(page, render(proof(found, block, banner)).encode())
        click.echo(f"page: {page}   picture: {beside / drawn.id}.svg")
    return 0


@click.group()
def lines() -> None:
    """Lines of therapy: derive them from files of any size, compare two rule sets, or see the estimates under many."""


lines.add_command(derive)


@lines.command()
@click.argument("first")
@click.argument("second")
@STUDY
@JSON
def compare(first: str, second: str, study: Path, as_json: bool) -> int:
    """Patients whose lines differ between two rule sets, and the changed estimates.

    Example:  sequela lines compare ovarian generic-28-120 ovarian-demo
    """
    from sequela.clinic.rules import read_rules
    from sequela.study.model import Study
    from sequela.walk.multiverse import differences, line_of, multiverse
    from sequela.walk.path import base_of, read_sources, walk_from

    protocol, now = Study.read(study), today()
    # A path is that of where one stands, or of the study file.
    bases = [None if Path(name).is_file() else base_of(protocol) for name in (first, second)]
    pair = [(name, read_rules(name, base)) for name, base in zip((first, second), bases, strict=True)]
    universes = multiverse(protocol, now, pair)
    tables = read_sources(protocol, lambda _: None)
    old, new = (walk_from(protocol, tables, rules, today=now) for _, rules in pair)
    changed = differences(new, old)
    if as_json:
        names = ("patient", first, second)
        rows = [dict(zip(names, row, strict=True)) for row in changed]
        click.echo(json.dumps({"universes": list(map(line_of, universes)), "patients": rows}, indent=1))
        return 0
    for who, before, after in changed:
        click.echo(f"{who}\n  {first}: {before}\n  {second}: {after}")
    click.echo(f"{len(changed)} patients with other lines")
    click.echo("\n".join(map(line_of, universes)))
    return 0


@lines.command(name="multiverse")
@STUDY
@click.option("--gaps", default="60,90,120,180", show_default=True, help="Gaps in days.")
@click.option("--windows", default="21,28,30,42", show_default=True, help="Regimen windows in days.")
@click.option(
    "--choices",
    is_flag=True,
    help="Also progression modes, additions, restarts, swaps, companions alone and confirmed cycles, one at a time.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Directory; STUDY/multiverse by default.")
@JSON
def multiverse_(study: Path, gaps: str, windows: str, choices: bool, out: Path | None, as_json: bool) -> int:
    """The estimates under every gap and window around the study's own rule set: table and specification curve.

    Example:  sequela lines multiverse sepher-demo
    """
    from sequela.clinic.rules import read_rules
    from sequela.records.writing import replace_file
    from sequela.report.figures import save
    from sequela.report.html import table_page
    from sequela.report.tables import as_dict, to_csv
    from sequela.study.model import Study
    from sequela.walk import multiverse as universe
    from sequela.walk.multiverse import line_of, multiverse, multiverse_table, specification_curve
    from sequela.walk.outputs import BANNER
    from sequela.walk.path import base_of

    protocol = Study.read(study)
    banner = BANNER if protocol.study.simulated else None
    base = read_rules(protocol.lines.rules, base_of(protocol))
    rules = universe.grid(base, _whole("gaps", gaps), _whole("windows", windows))
    if choices:
        rules += universe.choices(base, progressions=universe.has_progressions(protocol))
    with progress(quiet=as_json) as tell:
        universes = multiverse(protocol, today(), rules, tell)
    table = multiverse_table(protocol, universes, banner)
    directory = out or directory_of(study) / "multiverse"
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / "multiverse.csv", ((f"# {banner}\n" if banner else "") + to_csv(table)).encode())
    replace_file(directory / "multiverse.html", table_page(table).encode())
    for name, _, _ in universes[0].estimates:
        save(specification_curve(protocol, universes, name, banner), directory)
    if as_json:
        click.echo(json.dumps(as_dict(table), indent=1, ensure_ascii=False))
        return 0
    click.echo(
        "\n".join([*map(line_of, universes), *table.notes, f"table and specification curves: {directory}/"])
    )
    return 0


def _whole(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--{name} takes whole numbers of days, such as 60,90; found {text!r}"
        ) from None


def _print_explanation(found: Explanation) -> None:
    click.echo(f"{found.patient}   rule set {found.rules}")
    for line in found.lines:
        click.echo(f"\n{line.title}\n  starts: {line.start_reason}   ends: {line.end_reason}")
        if line.maintenance:
            click.echo(f"  maintenance from {line.maintenance}")
        if line.beyond:
            click.echo(f"  goes on beyond the progression of {line.beyond}")
        for given in line.given:
            click.echo(
                f"  {given.start} to {given.end}  {given.drug}  = {given.agent}  [{given.rule}]  {given.where}"
            )
    if found.outside:
        click.echo("\nIn no line")
        for given in found.outside:
            click.echo(f"  {given.start} to {given.end}  {given.drug}  [{given.rule}]  {given.where}")
    total = found.curative + len(found.lines)
    click.echo(f"\nLines: {total} ({found.curative} curative + {len(found.lines)} palliative)")
    for one in found.overrides:
        click.echo(f"Decided by hand: {one}")
    click.echo("\nMoments: " + "; ".join(f"{label} {day}" for day, label in found.moments))
