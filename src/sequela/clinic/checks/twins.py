"""One patient under two identifiers: near-duplicates within and over centres, and copied treatments.

Pairs are scored as Fellegi and Sunter (J Am Stat Assoc 1969;64:1183) do: every field adds log2(m / u) where it agrees
and log2((1 - m) / (1 - u)) where it does not; m is the share of true pairs that agree, u that of others. u is counted
in the registry itself. Dates of one course hang together, so a date's u is that of the interval from the date it
follows: agreeing in the start of treatment says little once the date of metastases agrees. A pair is reported where the
score makes less than 0.05 false pairs expected in all pairs of the registry. Only pairs that share a date (in
registries of over 5,000 two dates) are scored: blocks of shared dates, not all pairs.
"""

from __future__ import annotations

from itertools import combinations
from math import ceil, log
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.clinic.checks.rule import Break
from sequela.clinic.tables import PLACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Records

# A date, and the one it is counted from; birth and the index date stand by themselves.
CHAIN: Final = {
    "birth": None,
    "index": None,
    "diagnosis": "index",
    "surgery": "diagnosis",
    "first_start": "index",
    "death": "index",
}
WORDS: Final = ("sex", "er", "pgr", "ki67", "grade", "her2_ihc", "sites")
M_DAY: Final = 0.85  # true pairs with the same day
M_NEAR: Final = 0.12  # and with days within a month
M_WORD: Final = 0.92
FALSE: Final = 0.05  # false pairs expected in the whole registry
SMALL: Final = 5000
BLOCK: Final = 60  # patients who share a block at most: a larger one is a default, not a coincidence
NEAR: Final = 31


def _people(laid: Laid) -> pl.DataFrame:
    frame = laid.sheets["people"].frame
    fields = [name for name in (*CHAIN, *WORDS) if name in frame.columns]
    # A date that is the same in everyone (day 0 of a study that counts days) is no field.
    fields = [name for name in fields if frame[name].n_unique() > 2 or name == "sex"]
    return frame.select("patient", "centre", *PLACE, *fields).with_row_index("_i")


def candidates(people: pl.DataFrame) -> pl.DataFrame:
    """Pairs `i` < `j` of rows that share a day, or two where the registry is large."""
    days = [name for name in CHAIN if name in people.columns]
    if people.height > SMALL:
        keys = [list(pair) for pair in combinations(days, 2)]
    else:
        keys = [[name] for name in days]
    parts = [pl.DataFrame(schema={"i": pl.UInt32, "j": pl.UInt32})]
    for key in keys:
        block = people.select("_i", *key).drop_nulls()
        block = block.filter(pl.struct(key).is_duplicated()).filter(pl.len().over(key) <= BLOCK)
        pairs = block.join(block, on=key, suffix="_j").filter(pl.col("_i") < pl.col("_i_j"))
        parts.append(pairs.select(pl.col("_i").alias("i"), pl.col("_i_j").alias("j")))
    return pl.concat(parts).unique().sort("i", "j")


def _shuffled(n: int) -> list[NDArray[np.int64]]:
    """Some patients' partners that have nothing to do with them: fixed distances, the same every time."""
    steps = np.unique(np.linspace(1, max(n - 1, 1), min(n - 1, 40)).astype(np.int64))
    return [(np.arange(n) + step) % n for step in steps]


def scores(
    people: pl.DataFrame, pairs: pl.DataFrame
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int8]]]:
    """The score of each pair in bits, and for each field 1 agrees, 0 unknown or near, -1 differs."""
    i, j = pairs["i"].to_numpy(), pairs["j"].to_numpy()
    total = np.zeros(len(i))
    said: dict[str, NDArray[np.int8]] = {}
    for name, before in CHAIN.items():
        if name in people.columns:
            values = people[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            base = (
                people[before].cast(pl.Float64).fill_null(np.nan).to_numpy()
                if before in people.columns
                else None
            )
            gap = np.abs(values[i] - values[j])
            same, near = _by_chance(values if base is None else values - base)
            weight = np.where(gap == 0, np.log2(M_DAY / same), np.log2(M_NEAR / near))
            weight = np.where(gap <= NEAR, weight, np.log2((1 - M_DAY - M_NEAR) / (1 - near)))
            total += np.where(np.isnan(gap), 0.0, weight)
            said[name] = np.where(gap == 0, 1, np.where(gap > NEAR, -1, 0)).astype(np.int8)
    for name in WORDS:
        if name in people.columns:
            weight, agree = _words(people[name], i, j)
            total += weight
            said[name] = agree
    return total, said


def _by_chance(values: NDArray[np.float64]) -> tuple[float, float]:
    """Shares of unrelated pairs with the same value, and with values within a month but not the same."""
    gaps = np.concatenate([np.abs(values - values[other]) for other in _shuffled(len(values))])
    gaps = gaps[~np.isnan(gaps)]
    n = len(gaps) + 2
    return float((gaps == 0).sum() + 1) / n, float(((gaps > 0) & (gaps <= NEAR)).sum() + 1) / n


def _words(
    values: pl.Series, i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    text = values.cast(pl.String)
    counts = text.drop_nulls().value_counts()
    n = max(int(counts["count"].sum()), 1)
    share = dict(zip(counts[counts.columns[0]], counts["count"] / n, strict=True))
    u = (
        text.replace_strict(share, default=None, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()
        if share
        else np.full(len(text), np.nan)
    )
    code = text.cast(pl.Categorical).to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    agree = code[i] == code[j]
    known = ~np.isnan(code[i]) & ~np.isnan(code[j])
    differ = np.log2((1 - M_WORD) / max(1 - float(((counts["count"] / n) ** 2).sum()), 1e-9))
    weight = np.where(agree, np.log2(M_WORD / np.maximum(u[i], 1 / n)), differ)
    return np.where(known, weight, 0.0), np.where(known, np.where(agree, 1, -1), 0).astype(np.int8)


def pairs_alike(
    people: pl.DataFrame, called: Mapping[str, str] | None = None
) -> list[tuple[int, int, float, str]]:
    """Rows of each pair that is probably one patient, its score and the fields that agree and differ, as `called`."""
    spoken = {name: (called or {}).get(name, name).replace("_", " ") for name in people.columns}
    pairs = candidates(people)
    if not pairs.height:
        return []
    total, said = scores(people, pairs)
    n = people.height
    bar = np.log2(n * (n - 1) / 2 / FALSE)
    found: list[tuple[int, int, float, str]] = []
    for at in np.flatnonzero(total > bar).tolist():
        same = [spoken[name] for name, marks in said.items() if marks[at] == 1]
        other = [spoken[name] for name, marks in said.items() if marks[at] == -1]
        words = f"the same {', '.join(same)}" + (f"; other {', '.join(other)}" if other else "")
        found.append((int(pairs["i"][at]), int(pairs["j"][at]), float(total[at]), words))
    return found


def one_patient_twice(laid: Laid) -> list[Break] | str:
    """C386."""
    people = _people(laid)
    if not any(name in people.columns for name in CHAIN):
        return "the study dates nothing of the patients"
    rows = people.select("patient", pl.col("centre").cast(pl.String), *PLACE)
    found: list[Break] = []
    called = {"first_start": "first treatment", **laid.sheets["people"].fields}
    for i, j, _, words in pairs_alike(people, called):
        (one, first, _, _), (two, second, file, line) = rows.row(i), rows.row(j)
        place = "" if first == second else f" of {first or 'no centre'}"
        found.append(Break(f"patient {one}{place}: {words}", file, line, two, second))
    return found


def _enough_days(patients: int, *, dated: bool) -> int:
    """Days that two patients must share so that chance does it to fewer than 0.05 pairs, at 1 in 1,000 for each day."""
    pairs = max(patients * (patients - 1) / 2, 1)
    return max(3 if dated else 4, ceil(log(pairs / FALSE) / log(1000)))


def same_treatments(records: Records) -> list[Break] | str:
    """C388: two rows or more, with four different days (three of a calendar), that stand under another patient too.

    In large registries more days. An end that very many share (a data cut) is none, nor is the day after another.
    """
    every = records.registry.treatments.drop_nulls(["patient_rank", "start"])
    stop = pl.when(~pl.col("end_assumed")).then("end").alias("stop")
    rows = every.select("row", "patient_rank", "agent", "start", stop)
    rows = rows.with_columns(rows.select("agent", "start", "stop").hash_rows(seed=1).alias("_mark"))
    given = rows.group_by("patient_rank").agg(pl.col("_mark").sum().alias("_sum"), pl.len().alias("n"))
    given = given.filter((pl.col("n") >= 2) & pl.struct("_sum", "n").is_duplicated())
    ends = every.select(stop).drop_nulls().to_series().value_counts()
    cuts = ends.filter(pl.col("count") > max(BLOCK, 10 * every.height // max(ends.height, 1)))["stop"]
    # Their days are counted only now that they are few.
    own = pl.when(~pl.col("stop").is_in(cuts.implode())).then("stop")
    apart = pl.concat_list("start", own).explode().drop_nulls().unique().sort().diff() > 1
    days = (apart.sum() + 1).alias("days")
    rows = every.with_columns(stop).join(given, on="patient_rank").sort("row")
    given = rows.group_by("patient", "_sum", "n", maintain_order=True).agg(days, pl.col(*PLACE).first())
    given = given.filter(
        pl.col("days") >= _enough_days(records.registry.patients.height, dated=records.dated)
    )
    given = given.filter(pl.struct("_sum", "n").is_duplicated())
    first = given.unique(["_sum", "n"], keep="first", maintain_order=True).select(
        "_sum", "n", pl.col("patient").alias("_other")
    )
    again = given.join(first, on=["_sum", "n"], maintain_order="left").filter(
        pl.col("patient") != pl.col("_other")
    )
    return [
        Break(f"the {n} drugs of patient {other}, on the same days", file, line, patient)
        for patient, n, other, file, line in again.select("patient", "n", "_other", *PLACE).iter_rows()
    ]
