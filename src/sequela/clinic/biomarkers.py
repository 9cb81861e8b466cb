"""Biomarkers of patients: a value cut in two, or a published rule with the reason for every status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where
from sequela.study.biomarkers import biomarker_rule, call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.study.model import Biomarker


def with_biomarkers(patients: pl.DataFrame, biomarkers: Mapping[str, Biomarker]) -> pl.DataFrame:
    """`patients` with a column for each biomarker, and `NAME_reason` for each that a rule calls.

    Raises:
        DataError: classes of stained cells add up to more than 100 % in a patient.
    """
    raw: dict[str, pl.Series] = {}  # results in the rules' own words, for the rules that read them
    for name, biomarker in biomarkers.items():
        if biomarker.rule is None:
            patients = patients.with_columns(_cut(biomarker).alias(name))
            continue
        value, reason = _called(patients, name, biomarker, raw)
        raw[name] = value
        patients = patients.with_columns(
            value.replace(biomarker.words).alias(name), reason.alias(f"{name}_reason")
        )
    return patients


def _cut(biomarker: Biomarker) -> pl.Expr:
    assert biomarker.variable is not None and biomarker.cut is not None, "the study was not checked"
    value = pl.col(biomarker.variable)
    above = value >= biomarker.cut if biomarker.side == ">=" else value > biomarker.cut
    low, high = biomarker.levels
    return pl.when(value.is_null()).then(None).when(above).then(pl.lit(high)).otherwise(pl.lit(low))


def _called(
    patients: pl.DataFrame, name: str, biomarker: Biomarker, raw: Mapping[str, pl.Series]
) -> tuple[pl.Series, pl.Series]:
    """What the rule says of each distinct combination of its inputs, given back to the patients."""
    rule = biomarker_rule(biomarker.rule or "")
    given: dict[str, pl.Series] = {}
    for key, field in biomarker.reads.items():
        column = raw.get(field, patients[field])
        if rule.input(key).levels:
            column = column.cast(pl.String)
            words = {word: rule.input(key).level(word) for word in column.drop_nulls().unique()}
            column = column.replace_strict(words, return_dtype=pl.String) if words else column
        given[key] = column.alias(key)
    rows = pl.DataFrame(given)
    kinds = rows.unique(maintain_order=True)
    try:
        called = call(rule, **kinds.to_dict())
    except UsageError as error:
        raise DataError([_placed(finding, name) for finding in error.findings]) from error
    told = kinds.with_columns(called.value.alias("@value"), called.reason.alias("@reason"))
    joined = rows.join(told, on=list(given), how="left", nulls_equal=True, maintain_order="left")
    return joined["@value"], joined["@reason"]


def _placed(finding: Finding, name: str) -> Finding:
    return Finding(
        finding.code,
        finding.severity,
        finding.message,
        Where(field=f"biomarkers.{name}"),
        finding.found,
        finding.allowed,
        finding.remedy,
    )
