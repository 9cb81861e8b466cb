"""`sequela init --from`: files in, a first study file out, with a summary of what was recognised and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sequela.clinic.drugs import read_dictionary
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.records.discovery import discover
from sequela.records.writing import replace_file
from sequela.study.draft_text import study_text
from sequela.study.drafting import tables_of
from sequela.study.reading import decisions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sequela.clinic.drugs import Dictionary
    from sequela.study.drafting import Table

HER2: Final = frozenset({
    "trastuzumab", "pertuzumab", "trastuzumab_emtansine", "trastuzumab_deruxtecan", "lapatinib", "tucatinib",
    "neratinib",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """What was written.

    Attributes:
        path: the study file.
        summary: lines for people: every table, what its columns were taken for, and why.
        decisions: the TODOs, each with its line (S150).
    """

    path: Path
    summary: tuple[str, ...]
    decisions: tuple[Finding, ...]


def draft(files: Sequence[Path], directory: Path, dictionary: Path | None = None) -> Draft:
    """Write `study.toml` into `directory` from files that nobody has described.

    The files stay where they are; the study file names them by their path from `directory`.

    Args:
        files: records, of any format that can be read.
        directory: may exist, but not hold a study file.
        dictionary: REDCap's data dictionary, or OMOP's concept table.

    Raises:
        UsageError: X112 the directory holds a study file; R113 a format needs a library that is not installed.
        DataError: a file cannot be read.
    """
    target = directory / "study.toml"
    if target.exists() or directory.is_file():
        message = (
            "the directory holds a study file already"
            if target.exists()
            else "this is a file, not a directory"
        )
        raise UsageError(
            Finding(
                "X112", "error", message, Where(str(target if target.exists() else directory)),
                allowed="a directory without study.toml", remedy="give another directory; nothing was written",
            )
        )  # fmt: skip
    names = read_dictionary()
    found = discover(files, dictionary)
    tables, left = tables_of(found, lambda word: names.match(word) is not None)
    agents = _agents(tables, names)
    common = [names.label(agent) for agent, _ in agents.most_common(6)]
    text = study_text(tables, _rules(agents), common, directory.resolve())
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(target, text.encode())
    summary = [line for table in tables for line in _told(table)]
    summary += [f"{other.title}: no column names the patient; left out" for other in left]
    return Draft(target, tuple(summary), tuple(decisions(target)))


def _agents(tables: Sequence[Table], names: Dictionary) -> Counter[str]:
    """How many rows name each agent."""
    counts: Counter[str] = Counter()
    for table in tables:
        drug = table.field("drug")
        if table.role != "treatments" or drug is None:
            continue
        columns = [repeat.columns["drug"] for repeat in table.repeats] or [drug.column]
        for column in columns:
            for word, rows in table.found.frame[column].drop_nulls().value_counts().iter_rows():
                match = names.match(word)
                counts.update(dict.fromkeys(match.agents, rows) if match else {})
    return counts


def _rules(agents: Counter[str]) -> str:
    """HER2 rules where a tenth of the rows or more are HER2-directed drugs; else the general rule set."""
    directed = sum(rows for agent, rows in agents.items() if agent in HER2)
    return "her2-abc" if agents and directed * 10 >= agents.total() else "generic-28-120"


def _told(table: Table) -> list[str]:
    lines = [
        f"{table.found.title}: {table.name}, {table.words} ({table.rows} rows, {table.patients} patients)"
    ]
    known = [field for field in table.fields if field.concept]
    width = max((len(field.name) for field in known), default=0)
    lines += [f"  {field.name:<{width}}  {field.column}   ({field.why})" for field in known]
    others = len(table.fields) - len(known)
    if table.repeats:
        lines.append(f"  {len(table.repeats)} records side by side in a row, each a row of its own")
    if others:
        lines.append(f"  {others} further columns under their own names")
    if table.found.unnamed:
        lines.append(f"  {table.found.unnamed} columns without a name of their own: they cannot be read")
    return lines
