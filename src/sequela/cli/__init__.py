"""The command line: one verb per step. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from sequela.cli.export import export
from sequela.cli.init import init
from sequela.cli.lines import explain_lines, lines
from sequela.cli.options import EXIT_ZERO, JSON, STUDY, directory_of, progress, today
from sequela.cli.placebo import placebo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.audit.verdict import Audit
    from sequela.core.finding import Finding
    from sequela.study.model import Study
    from sequela.walk import Result

OK, FINDINGS, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130
SCREENFUL = 25  # findings after which a count by code ends the list

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.STYLE_OPTION = "bold"
click.rich_click.MAX_WIDTH = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a verb, print what went wrong in the user's words, end with the family's exit code."""
    from sequela.core.errors import SequelaError

    try:
        result = sequela.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.exit(result if isinstance(result, int) else OK)
    except Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as fault:
        fault.show()
        sys.exit(USAGE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted: the last complete output is untouched", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
    except SequelaError as fault:
        _print_findings(fault.findings)
        sys.exit(fault.exit_code)
    except OSError as fault:
        click.echo(
            f"error X101  {fault.filename or ''}  {fault.strerror or fault}\n"
            "    next: check that the path exists and can be written",
            err=True,
        )
        sys.exit(USAGE)
    except Exception as fault:  # a fault of ours: said as such, with all that is needed to mend it
        import traceback

        from sequela.core.finding import Finding

        traceback.print_exc()
        message = f"this is a fault of Sequela, not of your data: {type(fault).__name__}: {fault}"
        remedy = "report it with the lines above; nothing was written half"
        click.echo(str(Finding("X199", "error", message, remedy=remedy)), err=True)
        sys.exit(INTERNAL)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sequela", prog_name="sequela")
def sequela() -> None:
    """Does treatment B still work after treatment A? From raw records to the printed page.

    [bold]Start here:[/]  sequela demo ovarian      real patients (TCGA), from raw files to a report
                 sequela demo sepher       the SePHER study's shape on simulated patients
                 sequela demo bench        resistant cell lines under a drug, from plates to a report
    """


@sequela.command()
@click.argument("name", type=click.Choice(["ovarian", "sepher", "bench"]), default="ovarian")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the study; NAME-demo by default.")
@click.option(
    "--seed", default=None, type=int, help="Seed of the simulated patients (sepher) or cultures (bench)."
)
@click.option("--null", is_flag=True, help="Simulate a world in which pertuzumab changes nothing (sepher).")
@click.option("--open", "show", is_flag=True, help="Open the report when it is done.")
@JSON
def demo(name: str, out: Path | None, seed: int | None, null: bool, show: bool, as_json: bool) -> int:
    """A ready study, run from its records to its report.

    Example:  sequela demo ovarian
    """
    from sequela.cli.examples import copy_example
    from sequela.study.model import Study
    from sequela.walk import run

    if (null and name != "sepher") or (seed is not None and name == "ovarian"):
        raise click.UsageError(
            "--null belongs to sequela demo sepher, --seed to it and to sequela demo bench: what is simulated"
        )
    directory = copy_example(name, out or Path(f"{name}-demo"), seed=seed, null=null)
    study = Study.read(directory)
    with progress(quiet=as_json) as tell:
        result = run(study, directory / "out", progress=tell)
    _told(result, study, as_json=as_json)
    if show:
        click.launch(str(directory / "out" / "report.html"))
    return OK


@sequela.command()
@STUDY
@click.option("--show", metavar="CODE", help="Only findings of this code.")
@JSON
@EXIT_ZERO
def check(study: Path, show: str | None, as_json: bool, exit_zero: bool) -> int:
    """Check the study file and its records; print findings by patient and centre, write checks.html.

    Example:  sequela check my-study --show C304
    """

    from sequela.audit.design import audit_design
    from sequela.audit.estimand import audit_estimands
    from sequela.report.console import console, print_by_place, print_counts, print_findings, tally
    from sequela.study.model import Study
    from sequela.walk.bench import walk_bench
    from sequela.walk.outputs import write_checks
    from sequela.walk.path import walk

    protocol = Study.read(study)
    asked = ""
    idle: tuple[tuple[str, str], ...] = ()
    with progress(quiet=as_json) as tell:
        if protocol.bench is not None:
            findings = list(walk_bench(protocol, tell).findings)
        else:
            walked = walk(protocol, today=today(), progress=tell)
            idle = walked.checked.idle
            asked = (
                f"{len(walked.checked.run)} rules asked, {len(idle)} not applicable (listed on the page)\n"
            )
            findings = [*walked.findings, *audit_design(protocol), *audit_estimands(protocol)]
    shown = [finding for finding in findings if show is None or finding.code == show.upper()]
    page = write_checks(protocol, tuple(findings), idle)
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in shown], indent=1, ensure_ascii=False))
    else:
        out = console(sys.stdout, os.environ)
        if protocol.bench is None:
            print_by_place(shown, out)
        else:  # of few patients, if any: each with what to do
            print_findings(shown, out)
        if len(shown) > SCREENFUL:
            click.echo()
            print_counts(shown, out)
        click.echo(
            f"{asked}{tally(findings)}; what a code means: sequela explain CODE; the same as a page: {page}"
        )
    return _verdict(findings, exit_zero=exit_zero)


@sequela.command()
@STUDY
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the audit; STUDY/audit by default."
)
@JSON
@EXIT_ZERO
def audit(study: Path, out: Path | None, as_json: bool, exit_zero: bool) -> int:
    """Can the result be believed? Every check on design and data, by arm, on one page; write audit.html.

    Example:  sequela audit my-study
    """
    from sequela.study.model import Study
    from sequela.walk.audit_outputs import as_dict, write_audit
    from sequela.walk.auditing import audit as examine
    from sequela.walk.outputs import BANNER
    from sequela.walk.path import base_of, require_cohort, walk

    protocol = Study.read(study)
    banner = BANNER if protocol.study.simulated else None
    with progress(quiet=as_json) as tell:
        walked = walk(protocol, today=today(), progress=tell)
        require_cohort(walked)
        found = examine(walked, banner=banner, progress=tell)
    page = write_audit(walked, found, out or base_of(protocol) / "audit", banner)
    if as_json:
        click.echo(json.dumps(as_dict(found), indent=1, ensure_ascii=False))
    else:
        _print_audit(found.audit, page)
    return FINDINGS if found.audit.count("fail") and not exit_zero else OK


sequela.add_command(placebo)
sequela.add_command(export)
sequela.add_command(init)
sequela.add_command(lines)
sequela.add_command(explain_lines)


@sequela.command()
@STUDY
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory of the outputs; STUDY/out by default."
)
@click.option(
    "--smallest-cell",
    type=click.IntRange(0),
    help="Protect counts of people under this, for a report that may leave the house; as in [report] unless given.",
)
@click.option("--plan", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--open", "show", is_flag=True, help="Open the report when it is done.")
@JSON
@EXIT_ZERO
def run(
    study: Path,
    out: Path | None,
    smallest_cell: int | None,
    plan: bool,
    show: bool,
    as_json: bool,
    exit_zero: bool,
) -> int:
    """From the records to the report: lines, cohort, endpoints, estimates, audit, tables and figures.

    Example:  sequela run my-study --plan
    """
    from sequela.cli.plan import planned
    from sequela.study.model import Study
    from sequela.walk import run as whole
    from sequela.walk.path import base_of

    protocol = Study.read(study)
    target = out or base_of(protocol) / ("release" if smallest_cell else "out")
    if smallest_cell is not None:
        kept = protocol.report.model_copy(update={"smallest_cell": smallest_cell})
        protocol = protocol.model_copy(update={"report": kept})
    if plan:
        steps = planned(protocol, target)
        click.echo(
            json.dumps(steps, indent=1)
            if as_json
            else "\n".join(f"{step['step']:<10} {step['what']}" for step in steps)
        )
        return OK
    with progress(quiet=as_json) as tell:
        result = whole(protocol, target, progress=tell)
    _told(result, protocol, as_json=as_json)
    if show:
        click.launch(str(target / "report.html"))
    return _verdict(result.findings, exit_zero=exit_zero)


@sequela.command()
@STUDY
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the run; STUDY/out by default.")
def report(study: Path, out: Path | None) -> int:
    """Lay out report.html again from the last run, without computing anything.

    Example:  sequela report my-study
    """
    from sequela.walk.outputs import render_again

    page = render_again(out or directory_of(study) / "out")
    click.echo(f"report: {page}")
    return OK


@sequela.command(name="open")
@STUDY
@click.option(
    "--what",
    type=click.Choice(["report", "checks", "folder"]),
    default="report",
    help="report (by default), checks or folder.",
)
def open_(study: Path, what: str) -> int:
    """Open the report, the checks or the folder of the last run.

    Example:  sequela open my-study --what checks
    """
    out = directory_of(study) / "out"
    target = out if what == "folder" else out / f"{what}.html"
    if not target.exists():
        raise click.UsageError(f"{target} does not exist yet: sequela run {study}")
    click.echo(str(target))
    click.launch(str(target))
    return OK


@sequela.command()
@click.argument("document", type=click.Path(path_type=Path))
@JSON
def recheck(document: Path, as_json: bool) -> int:
    """Check printed numbers against each other: a paper's tables, or one's own (HTML, DOCX, CSV, TOML).

    Example:  sequela recheck manuscript.docx
    """
    from sequela.audit.printed.recheck import check_document, checked, read_document
    from sequela.report.console import console, print_findings

    read = read_document(document)
    findings = check_document(read)
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=1, ensure_ascii=False))
    else:
        print_findings(findings, console(sys.stdout, os.environ))
        click.echo(checked(read))
    return _verdict(findings, exit_zero=False)


@sequela.command()
def schema() -> int:
    """Print the JSON Schema of a study file.

    Example:  sequela schema > study.schema.json
    """
    from sequela.study.reading import schema as text

    click.echo(text(), nl=False)
    return OK


@sequela.command()
@click.argument("code")
def explain(code: str) -> int:
    """What a finding's code means, and what to do about it.

    Example:  sequela explain GT002
    """
    from sequela.cli.codes import explain as words

    click.echo(words(code))
    return OK


@sequela.command()
@JSON
def doctor(as_json: bool) -> int:
    """Look at this machine: Python, processor, libraries, fonts, room to write.

    Example:  sequela doctor
    """
    from sequela.cli.doctor import examine

    checks = examine(Path())
    if as_json:
        click.echo(json.dumps(checks, indent=1))
    else:
        for item in checks:
            click.echo(
                f"{'ok     ' if item['ok'] else 'PROBLEM'}  {item['what']:<22} {item['found']}"
                + ("" if item["ok"] else f"\n         next: {item['remedy']}")
            )
    return OK if all(item["ok"] for item in checks) else FINDINGS


def _verdict(findings: Sequence[Finding], *, exit_zero: bool) -> int:
    errors = any(finding.severity == "error" for finding in findings)
    return FINDINGS if errors and not exit_zero else OK


def _print_findings(findings: Sequence[Finding]) -> None:
    """What went wrong, on standard error."""
    from sequela.report.console import console, print_findings

    print_findings(findings, console(sys.stderr, os.environ))


def _print_audit(found: Audit, page: Path) -> None:
    """The verdicts, one a line, and what could not be answered first."""
    if found.unanswerable:
        click.echo(found.unanswerable + "\n")
    click.echo(found.comparison)
    for verdict in found.verdicts:
        click.echo(f"  {verdict.verdict:<15} {verdict.code:<6} {verdict.title}: {verdict.sentence}")
    counts = ", ".join(f"{found.count(name)} {name}" for name in ("fail", "warn", "pass", "not applicable"))
    click.echo(f"{counts}; what a code means: sequela explain CODE; figures by arm: {page}")


def _told(result: Result, study: Study, *, as_json: bool) -> None:
    """The outcome of a run in a few lines."""
    from sequela.report.console import tally
    from sequela.walk.outputs import banner_of

    if as_json:
        click.echo(json.dumps(_as_json(result), indent=1, ensure_ascii=False))
        return
    click.echo(study.study.title + (f"   [{banner.lower()}]" if (banner := banner_of(study)) else ""))
    for row in result.attrition.rows:
        click.echo(f"  {row.cells[-1].text:>6}  {row.label}")
    for content in result.corrections:
        if len(content.groups) == 2:
            click.echo(f"{content.endpoint}, {content.groups[1]} against {content.groups[0]}")
            for row in content.rows:
                click.echo(f"  {row.label}: {_ratio(row)}")
    for one in result.contrasts:
        click.echo(f"  {one}")
    listed = result.out and (result.out / "checks.html").is_file()
    click.echo(
        tally(result.findings) + (f" (each with its place: {result.out}/checks.html)" if listed else "")
    )
    click.echo(
        f"report: {result.out}/report.html   ({len(result.tables)} tables, figures as SVG, PDF and PNG)"
    )


def _ratio(row: Any) -> str:
    from sequela.core.wording import interval, number

    ratio = row.hazard_ratio
    return (
        f"HR {number(ratio.value)} (95% CI {interval(ratio.lower, ratio.upper)})"
        if ratio
        else row.reason or "–"
    )


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "out": str(result.out),
        "manifest": dict(result.manifest),
        "attrition": [{"step": row.label, "kept": row.cells[-1].value} for row in result.attrition.rows],
        "tables": list(result.tables),
        **({"comparisons": list(result.contrasts)} if result.contrasts else {}),
        "findings": [finding.as_dict() for finding in result.findings],
    }
