"""Findings and small tables for a terminal: coloured where it can be, plain lines elsewhere."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from sequela.report.checks import by_place, counts, counts_table, gravest_first
from sequela.report.tables import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sequela.core.finding import Finding
    from sequela.report.tables import Table

_STYLES: Final = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
_PLAIN_WIDTH: Final = 100  # columns where nobody's window says otherwise


def console(stream: IO[str], environment: Mapping[str, str]) -> Console:
    """A console on `stream`: no colour with NO_COLOR set (no-color.org) or where it is no terminal.

    Args:
        stream: where to write, such as `sys.stdout`.
        environment: such as `os.environ`; `NO_COLOR` and `COLUMNS` are looked at.
    """
    terminal = stream.isatty()
    columns = environment.get("COLUMNS", "")
    options: dict[str, Any] = (
        {} if terminal else {"width": int(columns) if columns.isdigit() else _PLAIN_WIDTH}
    )
    plain = bool(environment.get("NO_COLOR")) or not terminal
    return Console(
        file=stream,
        force_terminal=terminal,
        no_color=plain,
        color_system=None if plain else "auto",
        highlight=False,
        emoji=False,
        markup=False,
        **options,
    )


def tally(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`, or `no findings`."""
    parts = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts(findings).items() if n]
    return ", ".join(parts) or "no findings"


def findings_text(findings: Sequence[Finding]) -> str:
    """The findings as plain text, the gravest first, with the tally as last line."""
    return "\n".join([*(str(finding) for finding in gravest_first(findings)), tally(findings)])


def print_findings(findings: Sequence[Finding], out: Console, limit: int | None = None) -> None:
    """Print findings, the gravest first; of more than `limit` the rest is counted.

    The words are those of `findings_text`; colour only repeats the severity.
    """
    ordered = gravest_first(findings)
    for finding in ordered[:limit]:
        head, *rest = str(finding).split("\n")
        line = Text(head)
        line.stylize(_STYLES[finding.severity], 0, len(finding.severity))
        out.print(line, soft_wrap=True)
        for text in rest:
            out.print(Text(text, style="dim"), soft_wrap=True)
    if limit is not None and len(ordered) > limit:
        out.print(Text(f"… and {len(ordered) - limit} more"))
    out.print(Text(tally(findings), style="bold"))


def print_by_place(findings: Sequence[Finding], out: Console) -> None:
    """Print findings by centre and patient, a line each; what concerns no patient stands first, in full."""
    general = [finding for finding in findings if finding.where.patient is None]
    if general:
        print_findings(general, out)
    for centre, patients in by_place([finding for finding in findings if finding.where.patient is not None]):
        out.print(Text(f"centre {centre}" if centre else "no centre", style="bold"))
        for patient, own in patients:
            out.print(Text(f"  {patient}"))
            for finding in own:
                line = Text(f"    {finding.severity} {finding.code}  {_short(finding)}")
                line.stylize(_STYLES[finding.severity], 4, 4 + len(finding.severity))
                out.print(line, soft_wrap=True)


def print_counts(findings: Sequence[Finding], out: Console) -> None:
    """Print how many findings of each code, a line each, the gravest first: what a long list ends with."""
    for row in counts_table(findings).rows:
        severity, found, patients, _, message = (cell.text for cell in row.cells)
        whose = f"({patients} patient{'s' * (patients != '1')})" if patients != "0" else ""
        line = Text(f"{severity.lower():<8} {row.label:<6} {found:>6} {whose:<16} {message}")
        line.stylize(_STYLES[severity.lower()], 0, len(severity))
        out.print(line, soft_wrap=True)


def _short(finding: Finding) -> str:
    where = finding.where
    place = f"{where.file}:{where.line}" if where.file and where.line else where.file or ""
    words = [
        place,
        f"`{where.field}`" if where.field else "",
        finding.message,
        f"({finding.found})" if finding.found else "",
    ]
    return "  ".join(word for word in words if word)


def print_table(table: Table, out: Console) -> None:
    """Print a table with its footnotes."""
    to_text(table, out)
