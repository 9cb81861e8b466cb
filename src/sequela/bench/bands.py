"""Band tables: loading controls, phosphorylated over total, reference lanes, and the purity of fractions.

ratio = (target / loading), phospho ratio = (phospho / its loading) / (total / its loading). Each blot has its own
loading control; values of different blots are never divided by each other's. A row that cannot be used keeps its
place with the reason in `unused`; n is experiments, and lanes of one experiment are repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEEDED: Final = ("blot", "lane", "culture", "target", "value")
TOTAL: Final = "total protein"
UNEVEN: Final = 2.0  # loading controls of one blot that differ by more than this
STRESS: Final = ("HSP70", "HSP90", "HSPA1A", "HSC70")


def band_table(frame: pl.DataFrame) -> pl.DataFrame:
    """A band table with all its columns: `experiment`, `fraction`, `reason` and `unused` are added where missing.

    Raises:
        DataError: I120, a column that every band table needs is missing.
    """
    lacking = [name for name in NEEDED if name not in frame.columns]
    if lacking:
        raise DataError(
            Finding("I120", "error", "a band table lacks columns", found=", ".join(frame.columns),
                    allowed=", ".join(NEEDED), remedy=f"add {', '.join(lacking)}")
        )  # fmt: skip
    more = [
        pl.lit(None, pl.String).alias(name)
        for name in ("experiment", "fraction", "reason", "unused")
        if name not in frame.columns
    ]
    typed = frame.with_columns(*more).with_columns(
        pl.col("value").cast(pl.Float64), pl.col("lane").cast(pl.String)
    )
    bad = (
        pl.when(pl.col("unused").is_not_null()).then(pl.col("unused"))
        .when(pl.col("reason").is_not_null()).then(pl.col("reason"))
        .when(pl.col("value").is_null() | pl.col("value").is_nan()).then(pl.lit("no value"))
        .when(pl.col("value") <= 0).then(pl.lit("not above its baseline"))
    )  # fmt: skip
    return typed.with_columns(bad.alias("unused"))


def normalised_bands(
    frame: pl.DataFrame,
    loading: str | None,
    *,
    phospho: Mapping[str, str] | None = None,
    stressed: bool = False,
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Every band divided by its lane's loading control, and phosphorylated bands also by their total.

    Args:
        frame: a band table: `blot`, `lane`, `culture`, `target`, `value`, and `experiment`, `fraction`.
        loading: target that is the loading control, or "total protein"; None divides by nothing, which I121 says.
        phospho: phosphorylated target = its total.
        stressed: cultures were treated: a stress-inducible loading control is then questioned (I124).

    Returns:
        The rows of the targets (loading controls taken out) with `loading`, `ratio` and `unused`, and findings.
    """
    table = band_table(frame)
    findings: list[Finding] = []
    if loading is None:
        findings.append(
            Finding("I121", "warning", "no loading control: amounts of lanes are taken as equal",
                    remedy="name the loading control of each blot, or total protein")
        )  # fmt: skip
        ratios = table.with_columns(
            pl.lit(None, pl.Float64).alias("loading"),
            pl.when(pl.col("unused").is_null()).then(pl.col("value")).alias("ratio"),
        )
    else:
        ratios, found = _divided(table, loading)
        findings += found
        if stressed and loading.upper() in STRESS:
            findings.append(
                Finding("I124", "warning", f"{loading} is made under stress: treatment may change it",
                        remedy="prefer total protein, or show that it does not change")
            )  # fmt: skip
    for part, whole in (phospho or {}).items():
        ratios, found = _over_total(ratios, part, whole)
        findings += found
    return ratios, tuple(findings)


def _divided(table: pl.DataFrame, loading: str) -> tuple[pl.DataFrame, list[Finding]]:
    keys = ["blot", "lane", "fraction"]
    own = table.filter(pl.col("target") == loading)
    twice = own.filter(pl.struct(keys).is_duplicated())
    controls = own.filter(~pl.struct(keys).is_duplicated()).select(
        *keys, pl.col("value").alias("loading"), pl.col("unused").alias("_fault")
    )
    rest = table.filter(pl.col("target").ne_missing(pl.lit(loading)))
    joined = rest.join(controls, on=keys, how="left", nulls_equal=True, maintain_order="left")
    lost = (
        pl.when(pl.col("loading").is_null()).then(pl.lit(f"no {loading} in its lane"))
        .when(pl.col("_fault").is_not_null()).then(pl.lit(f"{loading}: ") + pl.col("_fault"))
    )  # fmt: skip
    marked = joined.with_columns(pl.coalesce("unused", lost).alias("unused"))
    ratio = pl.when(pl.col("unused").is_null()).then(pl.col("value") / pl.col("loading"))
    result = marked.with_columns(ratio.alias("ratio")).drop("_fault")
    return result, [*_lost(result, loading, twice), *_uneven(own, loading)]


def _lost(result: pl.DataFrame, loading: str, twice: pl.DataFrame) -> list[Finding]:
    found: list[Finding] = []
    lost = result.filter(pl.col("unused").str.starts_with(f"no {loading}").fill_null(value=False))
    if lost.height:
        blots = ", ".join(map(str, lost["blot"].unique(maintain_order=True)))
        why = "; twice in a lane" if twice.height else ""
        found.append(
            Finding("I122", "error", f"bands without their loading control {loading}{why}", Where(field="target"),
                    f"{lost.height} bands of {blots}", "one loading band a lane and blot",
                    "measure it on the same blot; the bands are not used")
        )  # fmt: skip
    return found


def _uneven(own: pl.DataFrame, loading: str) -> list[Finding]:
    spread = own.filter(pl.col("unused").is_null()).group_by("blot", "fraction", maintain_order=True).agg(
        (pl.col("value").max() / pl.col("value").min()).alias("spread")
    ).filter(pl.col("spread") > UNEVEN)  # fmt: skip
    return [
        Finding("I123", "warning", f"{loading} differs between lanes of blot {row['blot']}", Where(field="value"),
                f"{row['spread']:.2g}-fold", f"at most {UNEVEN:g}-fold",
                "load again by protein content: division cannot mend what lies outside the linear range")
        for row in spread.iter_rows(named=True)
    ]  # fmt: skip


def _over_total(ratios: pl.DataFrame, part: str, whole: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Rows `part/whole` beside the others: phosphorylated over total of the same lane.

    The total stands on the same blot, else on another one in the same lane of the same experiment and culture.
    """
    totals, parts = ratios.filter(pl.col("target") == whole), ratios.filter(pl.col("target") == part)
    same = ["blot", "lane", "fraction"]
    beside = parts.join(totals, on=same, how="anti", nulls_equal=True).is_empty()
    keys = same if beside else ["experiment", "culture", "lane", "fraction"]
    right = totals.select(*keys, pl.col("ratio").alias("_total"), pl.col("unused").alias("_why"))
    joined = parts.join(right, on=keys, how="left", nulls_equal=True, maintain_order="left")
    several = totals.filter(pl.struct(keys).is_duplicated()).height > 0
    missing = pl.when(pl.col("_total").is_null() & pl.col("unused").is_null()).then(
        pl.coalesce(pl.lit(f"{whole}: ") + pl.col("_why"), pl.lit(f"no {whole} of its lane"))
    )
    made = joined.with_columns(
        pl.lit(f"{part}/{whole}").alias("target"),
        (pl.col("ratio") / pl.col("_total")).alias("ratio"),
        pl.coalesce("unused", missing).alias("unused"),
    ).drop("_total", "_why")
    findings: list[Finding] = []
    lost = made.filter(pl.col("ratio").is_null() | pl.col("unused").is_not_null())
    if lost.height or several or not parts.height:
        why = (
            f"{whole} is there more than once a lane"
            if several
            else f"no {whole} or no {part} in their lanes"
        )
        findings.append(
            Finding("I125", "warning", f"{part}/{whole} cannot be formed everywhere: {why}", Where(field="target"),
                    f"{lost.height} of {made.height} lanes", f"one {whole} a lane and experiment",
                    "lanes of two blots are matched by experiment, culture, lane and fraction")
        )  # fmt: skip
    if several:
        return ratios, findings
    return pl.concat([ratios, made]), findings


def to_reference(
    ratios: pl.DataFrame, culture: str, dose: float | None = None
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """`relative`: each ratio over the mean of the reference culture's lanes on the same blot, target and fraction.

    With a `dose` only the reference's lanes of that dose count (column `dose`). A blot without a usable reference lane
    leaves its rows unused (I126). Test the ratios themselves, paired by experiment: the reference divided by itself
    is 1 without any scatter.
    """
    keys = ["blot", "target", "fraction"]
    own = ratios.filter((pl.col("culture") == culture) & pl.col("unused").is_null())
    own = own if dose is None else own.filter(pl.col("dose") == dose)
    means = own.group_by(keys).agg(pl.col("ratio").mean().alias("_reference"))
    joined = ratios.join(means, on=keys, how="left", nulls_equal=True, maintain_order="left")
    lost = pl.when(pl.col("_reference").is_null() & pl.col("unused").is_null()).then(
        pl.lit(f"no lane of {culture}")
    )
    result = joined.with_columns(
        (pl.col("ratio") / pl.col("_reference")).alias("relative"),
        pl.coalesce("unused", lost).alias("unused"),
    ).drop("_reference")
    without = result.filter(pl.col("unused") == f"no lane of {culture}")
    if without.is_empty():
        return result, ()
    blots = ", ".join(map(str, without["blot"].unique(maintain_order=True)))
    return result, (
        Finding("I126", "error", f"blots without a lane of the reference {culture}", Where(field="culture"), blots,
                "a reference lane on every blot", "load the reference on every blot; the bands are not used"),
    )  # fmt: skip


def rescaled_series(
    frame: pl.DataFrame, within: Sequence[str], replicate: str = "replicate", value: str = "value"
) -> pl.DataFrame:
    """Series of bands as they are often published: relative to the largest, averaged, stretched to 0 to 1.

    Within each group of `within` and each replicate the values are divided by their largest; the mean over
    replicates of every point (all other columns) is stretched to (x - min) / (max - min), and the replicates
    with it. Adds `mean`, `sem` (sd / sqrt(n)) and `n`; one row a point.

    Source: the rule of Imoto, Yamashiro and Okada, iScience 2022; 25: 103944.
    """
    point = [name for name in frame.columns if name not in (replicate, value)]
    scaled = frame.with_columns(
        (pl.col(value) / pl.col(value).max().over([*within, replicate])).alias("_scaled")
    )
    points = scaled.group_by(point, maintain_order=True).agg(
        pl.col("_scaled").mean().alias("_mean"),
        pl.col("_scaled").std(ddof=1).alias("_sd"),
        pl.len().alias("n"),
    )
    low, high = pl.col("_mean").min().over(within), pl.col("_mean").max().over(within)
    return points.with_columns(
        ((pl.col("_mean") - low) / (high - low)).alias("mean"),
        (pl.col("_sd") / (high - low) / pl.col("n").cast(pl.Float64).sqrt()).alias("sem"),
    ).select(*point, "mean", "sem", "n")


def purified(
    nuclear: float, cytoplasmic: float, a: float, b: float, cv: float = 0.1
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Content of a nuclear and a cytoplasmic fraction freed of each other, with standard errors.

    N' = (N - a C) / (1 - a b), C' = (C - b N) / (1 - a b), where a is the share of the cytoplasm that went into
    the nuclear fraction (its cytoplasmic marker over that of the cytoplasmic fraction) and b the converse. The
    error is by the delta method from a coefficient of variation `cv` of every band.
    """
    if not 0 <= a * b < 1:
        return (np.nan, np.nan), (np.nan, np.nan)
    left = 1 - a * b

    def one(own: float, other: float, into: float, out: float) -> tuple[float, float]:
        value = (own - into * other) / left
        slopes = np.array([1, -into, -other + out * value, into * value]) / left
        sizes = np.array([own, other, into * np.sqrt(2), out * np.sqrt(2)])  # a and b are ratios of two bands
        return float(value), float(np.sqrt(((slopes * sizes * cv) ** 2).sum()))

    return one(nuclear, cytoplasmic, a, b), one(cytoplasmic, nuclear, b, a)
