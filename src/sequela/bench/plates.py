"""Plates: signals relative to the controls of the same plate, and whether a plate can be believed.

relative = (signal - blank) / (control - blank), with the mean of the plate's blanks and the median of its
untreated wells of the same culture. Z' = 1 - 3 (sd+ + sd-) / |mean+ - mean-| (Zhang, Chung and Oldenburg, J
Biomol Screen 1999; 4: 67). Edges and trends are of each well's signal against the median of the wells that hold
the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.bench.exchanges import exchanged, medians
from sequela.core.finding import Finding, Where
from sequela.records.grids import SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.study.bench import Plates

TURNED: Final = 0.5  # the turned plate is this much nearer to the others of its assay: it was turned
OTHERS: Final = 2  # plates to compare with
ALIKE: Final = 8  # different values, from which two equal plates are one
WELLS: Final = 3  # on each side, for an edge


@dataclass(frozen=True, slots=True)
class Quality:
    """One plate (and time): its controls, and the numbers that judge it; NaN where wells are missing for one.

    `cv` of the controls, largest over cultures; `edge` outer against inner wells; `rows` and `columns` the trend
    from one side to the other; all as shares of the signal.
    """

    plate: str
    experiment: str
    hours: float | None
    wells: int
    blanks: int
    controls: int
    z_prime: float
    cv: float
    edge: float
    rows: float
    columns: float
    turned: float


def normalised(frame: pl.DataFrame, assay: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """The rows of an assay with `signal` (blank subtracted) and `relative` (to the untreated wells).

    Wells without a control of their culture on their plate are marked unused (B230); a plate without blanks is
    taken as it is, which a note says (B231); controls that are not above the blanks make the plate unusable
    (B232). Plates that are called alike in two experiments are two plates; without plates the experiment takes
    the plate's place.
    """
    told = frame.with_columns(place_of())
    used = told.filter(pl.col("unused").is_null())
    blanks = (
        used.filter(pl.col("role") == "blank")
        .group_by("_place", "_day", "hours")
        .agg(pl.col("value").mean().alias("_blank"))
    )
    joined = told.join(
        blanks, on=["_place", "_day", "hours"], how="left", nulls_equal=True, maintain_order="left"
    )
    joined = joined.with_columns((pl.col("value") - pl.col("_blank").fill_null(0.0)).alias("signal"))
    fine = joined.filter(pl.col("unused").is_null() & (pl.col("role") == "control"))
    keys = ["_place", "_day", "hours", "culture"]
    controls = fine.group_by(keys).agg(pl.col("signal").median().alias("_control"))
    joined = joined.join(controls, on=keys, how="left", nulls_equal=True, maintain_order="left")
    relative = pl.when(pl.col("_control") > 0).then(pl.col("signal") / pl.col("_control"))
    needy = pl.col("role").is_in(["sample", "positive"]) & pl.col("unused").is_null()
    findings = _faults(joined, needy, assay)
    reason = (
        pl.when(needy & pl.col("_control").is_null()).then(pl.lit("no control of its culture on its plate"))
        .when(needy & (pl.col("_control") <= 0)).then(pl.lit("its controls are not above the blanks"))
    )  # fmt: skip
    result = joined.with_columns(
        relative.alias("relative"), pl.coalesce("unused", reason).alias("unused")
    ).drop("_place", "_day", "_blank", "_control")
    return result, findings


def place_of() -> list[Any]:
    """`_place` and `_day`: plate and experiment of a well.

    Wells that name no experiment are of their plate's; where that has several, the plate is taken as one.
    """
    known = pl.col("experiment")
    several = (known.drop_nulls().n_unique() > 1) & known.is_null().any()
    only = known.drop_nulls().first()
    day = pl.when(pl.col("plate").is_null()).then(known).otherwise(
        pl.when(several.over("plate")).then(None).otherwise(pl.coalesce(known, only.over("plate")))
    )  # fmt: skip
    place = pl.coalesce("plate", "experiment", pl.lit(""))
    return [place.alias("_place"), day.fill_null("").alias("_day")]


def _faults(joined: pl.DataFrame, needy: Any, assay: str) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for code, bad, message, remedy in (
        ("B230", needy & pl.col("_control").is_null(), "there is no control of `{culture}` on `{place}`",
         "give its untreated wells (dose 0, or role control), or exclude the wells"),
        ("B232", needy & (pl.col("_control") <= 0), "controls of `{culture}` on `{place}` are not above the blanks",
         "look whether the layout is swapped or turned; the wells are not used"),
    ):  # fmt: skip
        rows = joined.filter(bad)
        for (place, _, culture), part in rows.group_by(["_place", "_day", "culture"], maintain_order=True):
            words = message.format(place=place or assay, culture=culture)
            where = Where(part["_file"][0], part["_line"][0], f"{place or assay}", culture=str(culture))
            allowed = "untreated wells on the same plate"
            findings.append(Finding(code, "error", words, where, f"{part.height} wells", allowed, remedy))
    bare = joined.filter(pl.col("_blank").is_null() & pl.col("unused").is_null())
    if not bare.is_empty():
        bare, every = (part.select("_place", "_day").n_unique() for part in (bare, joined))
        message = f"`{assay}` has plates without blanks: their signal is taken as it is"
        findings.append(
            Finding("B231", "note", message, Where(field="role"), f"{bare} of {every}",
                    "wells with the role blank", "counts need none; absorbance does")
        )  # fmt: skip
    return tuple(findings)


def quality(frame: pl.DataFrame, plates: Plates) -> tuple[tuple[Quality, ...], tuple[Finding, ...]]:
    """Every plate of an assay judged, with findings for those beyond the limits of `[plates]` (B240 to B246)."""
    found: list[Quality] = []
    findings: list[Finding] = []
    named = frame.with_columns(place_of()).filter(pl.col("plate").is_not_null() & pl.col("unused").is_null())
    groups = named.group_by(["plate", "_day", "hours"], maintain_order=True)
    parts = [((plate, day, hours), rows) for (plate, day, hours), rows in groups]
    held = [_held(rows) for _, rows in parts]
    middles = [medians(rows) for _, rows in parts]
    for place, ((plate, day, hours), rows) in enumerate(parts):
        others = [i for i, ((_, _, when), _) in enumerate(parts) if i != place and when == hours]
        turned = _turned(held[place], [held[i] for i in others], *SHAPES[plates.wells])
        one = _judge(str(plate), str(day), hours if isinstance(hours, float) else None, rows, plates, turned)
        found.append(one)
        alike = len({on for (own, on, _), _ in parts if own == plate}) > 1
        swapped = exchanged(middles[place], [middles[i] for i in others]) if not turned < TURNED else None
        findings.extend(_limits(one, plates, rows, swapped, alike=alike))
    return tuple(found), _over_times(findings)


def copied(frame: pl.DataFrame, assay: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Plates (or experiments) whose readings are those of another, one by one: none of them is used (B245).

    Readings are compared by what they hold and in their order; fewer than eight, or only a few values, may be equal
    by chance.
    """
    parts: dict[tuple[Any, ...], list[tuple[str, str, pl.DataFrame]]] = {}
    told = frame.with_row_index("_at").with_columns(place_of())
    named = told.filter(pl.col("unused").is_null() & (pl.col("_place") != ""))
    for (place, day), rows in named.group_by(["_place", "_day"], maintain_order=True):
        values = tuple(rows["value"])
        if len(set(values)) >= ALIKE:
            parts.setdefault(values, []).append((str(place), str(day), rows))
    message = "the readings are those of another plate or experiment, one by one"
    findings: list[Finding] = []
    lost: list[int] = []
    for equal in parts.values():
        if len(equal) < 2:
            continue
        names = [place if day in ("", place) else f"{place} of experiment {day}" for place, day, _ in equal]
        for own, (_, _, rows) in zip(names, equal, strict=True):
            others = ", ".join(name for name in names if name != own)
            where = Where(rows["_file"][0], rows["_line"][0], own)
            found = f"{rows.height} readings of {own}, the same as {others}"
            findings.append(Finding("B245", "error", f"`{assay}`: {message}", where, found, "readings of its own",
                                    "take the copy out, or give its own file; none of them is used"))  # fmt: skip
            lost += rows["_at"].to_list()
    marked = pl.when(told["_at"].is_in(lost)).then(pl.lit(message)).otherwise(pl.col("unused"))
    return frame.with_columns(marked.alias("unused")), tuple(findings)


def _over_times(findings: list[Finding]) -> tuple[Finding, ...]:
    """A plate that is read many times has one finding of each code, with the number of reads that share it."""
    alike: dict[tuple[str, str | None, str | None], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.code, finding.where.file, finding.where.field), []).append(finding)
    return tuple(
        first if not rest else replace(first, found=f"{first.found}, and at {len(rest)} more of its times")
        for first, *rest in alike.values()
    )


def _judge(
    plate: str, day: str, hours: float | None, rows: pl.DataFrame, plates: Plates, turned: float
) -> Quality:
    controls, blanks = rows.filter(pl.col("role") == "control"), rows.filter(pl.col("role") == "blank")
    low = rows.filter(pl.col("role") == "positive") if blanks.is_empty() else blanks
    cv = max(
        (_cv(part["value"].to_numpy()) for _, part in controls.group_by(["culture"], maintain_order=True)),
        default=math.nan,
    )
    seen = rows.filter(pl.col("row").is_not_null())
    height, width = SHAPES[plates.wells]
    row, column = seen["row"].to_numpy(), seen["column"].to_numpy()
    against = _against_equals(seen)
    outer = (row == 1) | (row == height) | (column == 1) | (column == width)
    return Quality(
        plate, day, hours, rows.height, blanks.height, controls.height,
        _z_prime(controls["value"].to_numpy(), low["value"].to_numpy()), cv, _edge(against, outer),
        _trend(against, row, height), _trend(against, column, width), turned,
    )  # fmt: skip


def _cv(values: NDArray[Any]) -> float:
    return float(values.std(ddof=1) / values.mean()) if len(values) > 1 and values.mean() > 0 else math.nan


def _z_prime(high: NDArray[Any], low: NDArray[Any]) -> float:
    if min(len(high), len(low)) < 2 or high.mean() == low.mean():
        return math.nan
    return float(1 - 3 * (high.std(ddof=1) + low.std(ddof=1)) / abs(high.mean() - low.mean()))


GROUP: Final = ("role", "culture", "agent", "dose")


def _against_equals(rows: pl.DataFrame) -> NDArray[Any]:
    """Each well's signal against the median of the wells that hold the same, less 1; NaN where it is alone."""
    medians = rows.with_columns(
        pl.col("value").median().over(GROUP).alias("_middle"), pl.len().over(GROUP).alias("_equals")
    )
    usable = (pl.col("_equals") > 1) & (pl.col("_middle") > 0) & (pl.col("role") != "blank")
    ratio = medians.select(pl.when(usable).then(pl.col("value") / pl.col("_middle") - 1).otherwise(None))
    return ratio.to_series().cast(pl.Float64).fill_null(math.nan).to_numpy()


def _edge(against: NDArray[Any], outer: NDArray[Any]) -> float:
    known = ~np.isnan(against)
    inside, outside = against[known & ~outer], against[known & outer]
    if min(len(inside), len(outside)) < WELLS:
        return math.nan
    return float(outside.mean() - inside.mean())


def _trend(against: NDArray[Any], place: NDArray[Any], size: int) -> float:
    """Fitted change from the first to the last row (or column)."""
    known = ~np.isnan(against)
    x = place[known].astype(float)
    if len(x) < WELLS or np.ptp(x) == 0:
        return math.nan
    x -= x.mean()
    return float((x @ against[known]) / (x @ x) * (size - 1))


Held = dict[tuple[int, int], tuple[str, float]]


def _held(rows: pl.DataFrame) -> Held:
    """What each well holds and its share of the plate's median signal."""
    seen = rows.filter(pl.col("row").is_not_null())
    middle = float(seen["value"].median() or 0.0)  # pyright: ignore[reportArgumentType]
    return {
        (row, column): (str(group), value / middle if middle else value)
        for row, column, value, *group in seen.select("row", "column", "value", *GROUP).iter_rows()
    }


def _turned(own: Held, others: list[Held], height: int, width: int) -> float:
    """Distance of the turned plate from the median of the others, over that of the plate as it lies."""
    if len(others) < OTHERS:
        return math.nan
    lies, turned = 0.0, 0.0
    for (row, column), (group, value) in own.items():
        opposite = own.get((height + 1 - row, width + 1 - column))
        there = [other[row, column][1] for other in others if other.get((row, column), ("",))[0] == group]
        if opposite is not None and len(there) >= OTHERS:
            middle = float(np.median(there))
            lies, turned = lies + (value - middle) ** 2, turned + (opposite[1] - middle) ** 2
    return turned / lies if lies > 0 else math.nan


def _limits(
    one: Quality, plates: Plates, rows: pl.DataFrame, swapped: tuple[str, str, float] | None, *, alike: bool
) -> list[Finding]:
    """`swapped`: two cultures that seem exchanged; `alike`: plates of other experiments have its name."""
    name = f"{one.plate} of experiment {one.experiment}" if alike else one.plate
    where = Where(rows["_file"][0], None, name)
    tests: list[tuple[str, bool, str, str, str, str]] = [
        ("B240", one.z_prime < plates.z_prime, "controls and blanks of `{}` do not stand apart",
         f"Z' {one.z_prime:.2f}", f"Z' of {plates.z_prime:g} or more", "look at the wells; repeat the plate"),
        ("B241", one.cv > plates.control_cv, "controls of `{}` scatter",
         f"coefficient of variation {one.cv:.0%}", f"at most {plates.control_cv:.0%}", "look for empty wells"),
        ("B242", abs(one.edge) > plates.edge, "outer wells of `{}` differ from inner ones",
         f"{one.edge:+.0%}", f"at most {plates.edge:.0%}", "leave the outer wells out, or fill them with medium"),
        ("B243", max(abs(one.rows), abs(one.columns)) > plates.trend, "there is a trend over `{}`",
         f"rows {one.rows:+.0%}, columns {one.columns:+.0%}", f"at most {plates.trend:.0%}",
         "look at the heat map: pipetting, seeding, or incubator"),
        ("B244", one.turned < TURNED, "`{}` looks turned by 180 degrees",
         f"turned, its distance from the other plates falls to {one.turned:.0%}", "as in the layout",
         "compare the plate with its layout; nothing was turned"),
        ("B246", swapped is not None, "two cultures of `{}` look exchanged",
         "" if swapped is None else f"with {swapped[0]} and {swapped[1]} exchanged, its distance from the other plates "
         f"falls to {swapped[2]:.0%}", "as in the layout",
         "compare the plate with its layout; nothing was exchanged, and the wells are used as they are named"),
    ]  # fmt: skip
    return [
        Finding(code, "warning", message.format(name), where, found, allowed, remedy)
        for code, bad, message, found, allowed, remedy in tests
        if bad
    ]
