"""The rules of `sequela check` asked of one patient, while the forms are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.clinic.checks import Records, run_checks
from sequela.clinic.drugs import read_dictionary
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.tables import registry
from sequela.core.errors import DataError
from sequela.records.reading import read_rows
from sequela.walk.courses import courses
from sequela.walk.path import asked_agents, members_of, own_rules, source_as_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from sequela.core.finding import Finding
    from sequela.study.model import Study


def check_forms(
    study: Study, forms: Mapping[str, Sequence[Mapping[str, str | None]]], *, today: date
) -> tuple[Finding, ...]:
    """What is wrong with the forms of one patient: cells that do not fit, and every rule that looks at no one else.

    The rules, their words and their severities are those of `sequela check`; a form that is half empty breaks nothing
    that it does not yet say.

    Args:
        study: the protocol.
        forms: source to its rows, each our field to the text typed; a source that is not there has no rows yet.
            A finding's `file` is the source, its `line` the row, from 1.
        today: the clock, for dates in the future where the study has no data cut.

    Raises:
        StudyError: the study names a rule set that does not exist.
    """
    tables = {}
    for name, declared in study.sources.items():
        try:
            tables[name] = read_rows(source_as_read(name, declared), forms.get(name, ()))
        except DataError as fault:  # a date in another format: the rest cannot be asked before it is mended
            return fault.findings
    dictionary, rules = read_dictionary(), own_rules(study)
    records = registry(study, tables, dictionary, rules)
    asked = asked_agents(study, members_of(dictionary))
    lines = lines_of_therapy(
        records.used, rules, dictionary.classes, asked, courses(study, records, rules, ())
    )
    checked = run_checks(
        Records(study, tables, records, lines.sequences, dictionary, today), one_patient=True
    )
    return (*(finding for table in tables.values() for finding in table.findings), *checked.findings)
