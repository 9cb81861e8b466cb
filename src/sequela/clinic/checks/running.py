"""Every rule asked of the records: its findings, and which rules had nothing to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.clinic.checks import calendar, centres, identifiers, rows, twins
from sequela.clinic.checks.laid import lay
from sequela.clinic.checks.rule import MOST, Break, rules, uncounted
from sequela.clinic.checks.sheets import DAYS
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Records, Rule
    from sequela.clinic.checks.sheets import Sheet

FLAGS: Final = frozenset({
    "dead", "de_novo", "adjuvant", "bone_only", "visceral", "brain", "her2_ish", "her2_negative", "going_on",
    "anti_her2", "repeated", "row_dead", "known",
})  # fmt: skip
ENOUGH: Final = 20  # rows of which most are broken: then it is the column that is wrong
ONE_PATIENT: Final = frozenset({"cell", "row", "patient"})

# What is said of a value where the study's own name of the field would not tell.
SAID: Final = {
    "what": "{}", "drug": "{}", "day": "on {}", "row_death": "death here {}", "stop_reason": "stopped for {}",
    "age_known": "age {}", "n_treatments": "rows of treatment: {}", "first_start": "first treatment {}",
    "progression_gap": "nearest progression {} days away", "previous": "the one before on {}",
    "previous_start": "also from {}", "previous_end": "to {}", "last_progression": "last progression {}",
    "next_start": "next line from {}", "step": "line {}", "contact": "seen {}", "dose_median": "usual dose {}",
    "death_told": "death {}",
}  # fmt: skip

SEARCHES: Final[Mapping[str, Callable[[Laid], list[Break] | str]]] = {
    "C301": rows.duplicate_patients,
    "C302": rows.orphans,
    "C306": rows.death_before_baseline,
    "C307": rows.baseline_out_of_order,
    "C308": rows.before_the_index,
    "C312": rows.future,
    "C313": rows.unknown_drugs,
    "C316": rows.before_index,
    "C317": rows.untreated,
    "C318": rows.overlapping_lines,
    "C335": centres.without_endocrine,
    "C366": rows.long_ago,
    "C367": rows.placeholders,
    "C368": rows.exchanged,
    "C383": identifiers.spelt_twice,
    "C384": identifiers.unlike_the_others,
    "C386": twins.one_patient_twice,
    "C388": twins.same_treatments,
    "C389": rows.rows_twice,
    "C390": centres.constant,
    "C391": calendar.days_of_the_month,
    "C392": calendar.days_of_the_year,
    "C393": calendar.round_percentages,
    "C394": centres.missing,
    "C395": centres.intervals,
    "C396": centres.weekends,
    "C397": calendar.one_date,
    "C398": centres.fractions,
    "C399": calendar.partial,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the rules said.

    Attributes:
        findings: in the order of the catalogue.
        run: codes of the rules that were asked.
        idle: code and reason of every rule that does not apply to these records.
    """

    findings: tuple[Finding, ...]
    run: tuple[str, ...]
    idle: tuple[tuple[str, str], ...]


def run_checks(records: Records, *, one_patient: bool = False) -> Checked:
    """Ask every rule; of a form or a single patient only those that look at no one else."""
    laid = lay(records)
    findings: list[Finding] = []
    run: list[str] = []
    idle: list[tuple[str, str]] = []
    for code, rule in rules().items():
        if one_patient and rule.scope not in ONE_PATIENT:
            continue
        found = _ask(rule, laid.sheets[rule.rows], records) if rule.rows else SEARCHES[code](laid)
        if isinstance(found, str):
            idle.append((code, found))
            continue
        run.append(code)
        findings += _findings(rule, found, records)
    return Checked(tuple(findings), tuple(run), tuple(idle))


def broken(rule: Rule, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a sheet that break a rule which is a statement; columns that are not there are unknown."""
    asked = sorted(set(rule.condition.meta.root_names()))
    lacking = [
        pl.lit(None, pl.Boolean if name in FLAGS else None).alias(name)
        for name in asked
        if name not in frame.columns
    ]
    return frame.with_columns(lacking).filter(rule.condition.fill_null(value=False))


def _ask(rule: Rule, sheet: Sheet, records: Records) -> list[Break] | str:
    lacking = [name for name in rule.needs if name not in sheet.present]
    if lacking:
        return (
            f"the study has no `{lacking[0]}`"
            if records.dated or lacking[0] != "approved"
            else "the study counts days"
        )
    if rule.any and not sheet.present & set(rule.any):
        return f"the study has no {' or '.join(f'`{name}`' for name in rule.any)}"
    found: list[Break] = []
    field = sheet.fields.get(rule.field, rule.field)
    wrong = broken(rule, sheet.frame)
    if rule.severity == "error" and wrong.height * 2 > sheet.frame.height >= ENOUGH:
        words = f"{wrong.height} of {sheet.frame.height} rows: are two columns exchanged in the study file?"
        found.append(Break(words, field=field))
    for row in wrong.head(MOST).iter_rows(named=True):
        told = (_told(name, row[name], sheet, records) for name in rule.shows if row.get(name) is not None)
        words = ", ".join(dict.fromkeys(told))
        found.append(
            Break(words or "nothing", row.get("_file"), row.get("_line"), row["patient"], field=field)
        )
    return found + uncounted(wrong.height)


def _told(name: str, value: Any, sheet: Sheet, records: Records) -> str:
    if name in DAYS:
        text = records.study.day(value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    label = sheet.fields.get(name, name).replace("_", " ")
    return SAID.get(name, f"{label} {{}}").format(text)


def _findings(rule: Rule, found: list[Break], records: Records) -> Iterator[Finding]:
    centre_of = records.registry.centres(one.patient for one in found if one.patient) if found else {}
    told = (rule.code, rule.severity)
    for one in found:
        who = one.patient
        where = Where(
            one.file, one.line, one.field or rule.field, who, one.centre or centre_of.get(who or "")
        )
        yield Finding(*told, rule.message, where, one.found, rule.allowed, rule.remedy)
