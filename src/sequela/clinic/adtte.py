"""Times as the industry exchanges them: one row a patient and parameter, in the columns of CDISC ADTTE.

CNSR is the reverse of an event flag: 0 is an event, 1 is censored. Each row keeps where its end was recorded: SRCDOM is
the source of the study file, SRCVAR its field, SRCSEQ the line in the file. ENTRYDY is ours: days from the start to the
beginning of observation (delayed entry), which the standard does not know.

Source: CDISC, Analysis Data Model: Basic Data Structure for Time-to-Event Analyses, version 1.0 (2012).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sequela.clinic.cohort import People
    from sequela.study.model import Study

LABELS: Final = {
    "STUDYID": "Study Identifier",
    "USUBJID": "Unique Subject Identifier",
    "SITEID": "Study Site Identifier",
    "TRTP": "Planned Treatment",
    "TRTPN": "Planned Treatment (N)",
    "PARAM": "Parameter",
    "PARAMCD": "Parameter Code",
    "PARAMN": "Parameter (N)",
    "AVAL": "Analysis Value (days)",
    "STARTDT": "Time-to-Event Origin Date for Subject",
    "ADT": "Analysis Date",
    "STARTDY": "Time-to-Event Origin, Day of the Study",
    "ADY": "Analysis Day, Day of the Study",
    "CNSR": "Censor",
    "EVNTDESC": "Event or Censoring Description",
    "CNSDTDSC": "Censor Date Description",
    "SRCDOM": "Source Data",
    "SRCVAR": "Source Variable",
    "SRCSEQ": "Source Sequence Number (line of the file)",
    "ENTRYDY": "Days from Origin to Entry (delayed)",
}


def parameter_codes(study: Study) -> dict[str, str]:
    """PARAMCD of every endpoint: what the file says, else its name in at most eight capitals and digits, unique."""
    found: dict[str, str] = {}
    for name, endpoint in study.endpoints.items():
        code = endpoint.paramcd or re.sub(r"[^A-Z0-9]", "", name.upper())[:8] or "TTE"
        number = 2
        while code in found.values():
            code, number = f"{code[: 8 - len(str(number))]}{number}", number + 1
        found[name] = code
    return found


def adtte(study: Study, people: People, traced: pl.DataFrame, patients: Iterable[str]) -> pl.DataFrame:
    """The ADTTE rows of `patients`, by parameter and patient.

    Args:
        study: for the parameters, the clock and AVAL of the first day (`report.adtte_first_day`).
        people: for centre and sequence group (TRTP).
        traced: of `sequela.clinic.tracing.trace_all`.
        patients: who stands in it.

    Returns:
        The columns of `LABELS` in their order; STARTDT and ADT are dates, or STARTDY and ADY days where the study's
        clock counts days. An analysis that reads AVAL from the day 1 onwards wants `adtte_first_day = 1`.
    """
    codes = parameter_codes(study)
    places = {name: i for i, name in enumerate(codes, 1)}
    groups = {group.name: i for i, group in enumerate(study.sequences.groups, 1)}
    who = people.frame.select(
        "patient",
        pl.col("centre").cast(pl.String).alias("SITEID"),
        pl.col("sequence").alias("TRTP"),
        pl.col("sequence").replace_strict(groups, default=None, return_dtype=pl.Int32).alias("TRTPN"),
    )
    rows = traced.filter(pl.col("patient").is_in(list(patients))).join(who, on="patient", how="left")
    event = pl.col("state") > 0
    columns = {
        "STUDYID": pl.lit(study.study.identifier or study.study.title),
        "USUBJID": pl.col("patient"),
        "PARAM": pl.col("endpoint").replace_strict(
            {n: study.endpoints[n].label for n in codes}, return_dtype=pl.String
        ),
        "PARAMCD": pl.col("endpoint").replace_strict(codes, return_dtype=pl.String),
        "PARAMN": pl.col("endpoint").replace_strict(places, return_dtype=pl.Int32),
        "AVAL": pl.col("time") + study.report.adtte_first_day,
        "CNSR": (~event).cast(pl.Int32),
        "EVNTDESC": pl.col("description"),
        "CNSDTDSC": pl.when(~event).then("description"),
        "SRCDOM": pl.col("source"),
        "SRCVAR": pl.col("field"),
        "SRCSEQ": pl.col("row"),
        "ENTRYDY": pl.col("entry"),
    }
    columns |= _moments(study)
    made = rows.with_columns(**columns)
    return made.select(name for name in LABELS if name in made.columns).sort("PARAMN", "USUBJID")


def _moments(study: Study) -> dict[str, pl.Expr]:
    if study.study.time == "days":
        return {"STARTDY": pl.col("start"), "ADY": pl.col("day")}
    return {"STARTDT": pl.col("start").cast(pl.Date), "ADT": pl.col("day").cast(pl.Date)}
