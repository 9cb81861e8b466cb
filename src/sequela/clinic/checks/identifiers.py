"""Identifiers: two spellings of one, and one unlike the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.checks.rows import breaks
from sequela.clinic.tables import PLACE

if TYPE_CHECKING:
    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Break, Records

ENOUGH: Final = 20  # identifiers that make a pattern
SHARE: Final = 0.95  # of them that must follow it


def key(identifier: pl.Expr) -> pl.Expr:
    """Runs of letters and of figures without capitals, signs and leading zeros: `P-007`, `p7` → `p-7`."""
    runs = identifier.str.to_lowercase().str.extract_all(r"\p{L}+|\p{N}+")
    return runs.list.eval(pl.element().str.replace(r"^0+(\p{N})", "$1")).list.join("-")


def pattern(identifier: pl.Expr) -> pl.Expr:
    """Letters as A or a, a run of figures as 9: `TCGA-04-1331` → `AAAA-9-9`."""
    capital = identifier.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"\p{Ll}", "a")
    return capital.str.replace_all(r"\p{N}+", "9")


def _everyone(laid: Laid) -> pl.DataFrame:
    """Each identifier once, with the first place it stands in; the patients' file first."""
    known = laid.registry.patients.select("patient", *PLACE).cast({"_file": pl.String, "_line": pl.Int64})
    return pl.concat([known, *laid.strangers.values()]).unique("patient", keep="first", maintain_order=True)


def spelt_twice(laid: Laid) -> list[Break] | str:
    """C383."""
    rows = _everyone(laid).with_columns(key(pl.col("patient")).alias("_key"))
    rows = rows.filter((pl.col("_key") != "") & pl.col("_key").is_duplicated())
    first = rows.unique("_key", keep="first", maintain_order=True).select(
        "_key", pl.col("patient").alias("_other")
    )
    rows = rows.join(first, on="_key", maintain_order="left").filter(pl.col("patient") != pl.col("_other"))
    return breaks(rows.with_columns(pl.concat_str("patient", pl.lit(" and "), "_other").alias("found")))


def unlike_the_others(records: Records) -> list[Break] | str:
    """C384: by centre where it has 20 patients or more, else in the whole file."""
    rows = records.registry.patients.select(
        "patient", pl.col("centre").cast(pl.String), *PLACE, pattern(pl.col("patient")).alias("_pattern")
    )
    if rows.height < ENOUGH:
        return f"fewer than {ENOUGH} patients"
    group = pl.when(pl.len().over("centre") >= ENOUGH).then("centre").fill_null("")
    rows = rows.with_columns(group.alias("_group"))
    small = rows["_group"] == ""
    usual = _usual(rows.filter(~small)) if not small.all() else None
    whole = _usual(rows.with_columns(pl.lit("").alias("_group")))
    usual = whole if usual is None else pl.concat([usual, whole])
    rows = rows.join(usual, on="_group", maintain_order="left").filter(pl.col("_pattern") != pl.col("_usual"))
    found = pl.concat_str("patient", pl.lit(" among "), "_pattern_of").alias("found")
    return breaks(rows.with_columns(found))


def _usual(rows: pl.DataFrame) -> pl.DataFrame:
    """The pattern of nearly all identifiers of each group, and one of them; nothing where there is none."""
    counts = rows.group_by("_group", "_pattern").agg(
        pl.len().alias("_n"), pl.col("patient").first().alias("_pattern_of")
    )
    counts = counts.with_columns((pl.col("_n") / pl.col("_n").sum().over("_group")).alias("_share"))
    enough = pl.col("_n").sum().over("_group") >= ENOUGH
    return counts.filter(enough & (pl.col("_share") >= SHARE)).select(
        "_group", pl.col("_pattern").alias("_usual"), "_pattern_of"
    )
