"""Rules that look back: what is known only when the lines are made. Each says what to fold again, and how.

    same regimen again   after a pause the same drugs go on with the line (`gap.restart`)
    swap for toxicity    a new drug soon after a drug's stop for toxicity, without a progression (`new_drug`)
    single dose          a drug given for one cycle beside others that went on is in no line (`regimen.single_dose`)
    maintenance          what goes on after a drug was dropped is a line of its own (`maintenance.new_line`)

`rows` are the treatments with the `step` and `rule` that the fold gave them, `lines` the table of lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.records.profile import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sequela.clinic.rules import RuleSet

AGAIN: Final = "same regimen again"
TOXICITY: Final = "swap for toxicity"
SINGLE: Final = "single dose"
MAINTENANCE: Final = "maintenance"
_BESIDE: Final = ("companion", "unconfirmed")


def single_doses(rows: pl.DataFrame, lines: pl.DataFrame, rules: RuleSet) -> pl.Series:
    """Rows of a drug that joined a line in its window, for one cycle, while another drug had two or more."""
    cycles = 1 + (pl.col("end") - pl.col("start")) // rules.new_drug.cycle_days
    counted = pl.when(~pl.col("rule").is_in(_BESIDE)).then(cycles.fill_null(2))
    opened = lines.select(pl.col("subject").alias("patient"), "step", pl.col("start").alias("_opened"))
    told = rows.join(opened, on=["patient", "step"], how="left", maintain_order="left").with_columns(
        counted.sum().over("patient", "step", "agent").alias("_mine")
    )
    most = pl.col("_mine").max().over("patient", "step")
    inside = pl.col("start") - pl.col("_opened") <= rules.regimen.window_days
    found = inside & ~pl.col("rule").is_in(_BESIDE) & (pl.col("_mine") == 1) & (most > 1)
    return told.select(found.fill_null(value=False)).to_series()


def joined(
    rows: pl.DataFrame, lines: pl.DataFrame, progressions: pl.DataFrame, rules: RuleSet
) -> pl.DataFrame:
    """The first day of each patient that goes on with the line before: `patient`, `day`, `rule`."""
    before = [pl.col(name).shift().over("subject").alias(f"_{name}") for name in ("start", "regimen")]
    told = lines.select("subject", "step", "start", "rule", "regimen").with_columns(before)
    grown = told.join(progressions, left_on="subject", right_on="patient").filter(
        (pl.col("day") > pl.col("_start")) & (pl.col("day") <= pl.col("start") + rules.progression.after_days)
    )
    calm = told.join(grown, on=["subject", "step"], how="anti")
    found: list[pl.DataFrame] = []
    if rules.gap.restart != "new line":
        found.append(_again(rows, told if rules.gap.restart == "same line" else calm))
    if rules.new_drug.after_toxicity_days:
        found.append(_swapped(rows, calm, rules.new_drug.after_toxicity_days))
    if not found:
        return pl.DataFrame(schema={"patient": pl.String, "day": pl.Int32, "rule": pl.String})
    return pl.concat(found).sort("day").unique("patient", keep="first", maintain_order=True)


def _again(rows: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Lines after a pause that open with drugs of the regimen before it, and no other."""
    paused = lines.filter(pl.col("rule") == "gap").select(
        pl.col("subject").alias("patient"), "step", "start", "_regimen"
    )
    on_the_day = rows.filter(~pl.col("rule").is_in(_BESIDE)).join(paused, on=["patient", "step", "start"])
    known = pl.col("agent").is_in(pl.col("_regimen"))
    days = on_the_day.group_by("patient", "start").agg(known.all().alias("known")).filter("known")
    return days.select("patient", pl.col("start").alias("day"), pl.lit(AGAIN).alias("rule"))


def _swapped(rows: pl.DataFrame, lines: pl.DataFrame, days: int) -> pl.DataFrame:
    """Lines that a new drug opened, soon after a drug of the line before was stopped for toxicity."""
    stops = rows.filter(_toxic(rows)).select(
        pl.col("patient").alias("subject"), (pl.col("step") + 1).alias("step"), "end"
    )
    opened = lines.filter(pl.col("rule") == "new drug").join(stops, on=["subject", "step"])
    wait = pl.col("start") - pl.col("end")
    soon = opened.filter((wait >= 0) & (wait <= days)).unique(["subject", "start"])
    return soon.select(
        pl.col("subject").alias("patient"), pl.col("start").alias("day"), pl.lit(TOXICITY).alias("rule")
    )


def _toxic(rows: pl.DataFrame) -> pl.Expr:
    """Drugs of a regimen that were stopped for toxicity."""
    words = {word: reason(word) for word in rows["stop_reason"].drop_nulls().unique().to_list()}
    toxic = [word for word, meaning in words.items() if meaning == "toxicity"]
    return ~pl.col("rule").is_in(_BESIDE) & pl.col("stop_reason").is_in(toxic)


def not_replaced(rows: pl.DataFrame, lines: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """`lines`, without maintenance that would begin where another drug took the place of a toxic one."""
    swaps = decided.filter(pl.col("rule") == TOXICITY).select("patient", pl.col("day").alias("start"))
    there = rows.join(swaps, on=["patient", "start"]).select("patient", "step")
    stops = rows.filter(_toxic(rows)).join(there.unique(), on=["patient", "step"])
    day = (pl.col("end") + 1).alias("maintenance_start")
    keys = ["subject", "step", "maintenance_start"]
    begun = stops.select(pl.col("patient").alias("subject"), "step", day).unique()
    begun = begun.with_columns(pl.lit(value=True).alias("_replaced"))
    told = lines.join(begun, on=keys, how="left", maintain_order="left")
    kept = pl.when(pl.col("_replaced").is_null()).then("maintenance_start").alias("maintenance_start")
    return told.with_columns(kept).drop("_replaced")


def maintained(
    rows: pl.DataFrame, lines: pl.DataFrame, rules: RuleSet, classes: Callable[[str], frozenset[str]]
) -> pl.DataFrame:
    """`lines`, with maintenance only where all that went on belongs to one of `maintenance.sets`."""
    if not rules.maintenance.sets:
        return lines
    begun = lines.filter(pl.col("maintenance_start").is_not_null()).select(
        pl.col("subject").alias("patient"), "step", "maintenance_start"
    )
    on = rows.filter(~pl.col("rule").is_in(_BESIDE)).join(begun, on=["patient", "step"])
    on = on.filter((pl.col("end") >= pl.col("maintenance_start")).fill_null(value=True))
    kinds = {agent: classes(agent) | {agent} for agent in on["agent"].unique().to_list()}
    inside = [
        pl.col("agent")
        .is_in([agent for agent, kind in kinds.items() if kind & set(members)])
        .all()
        .alias(f"_{at}")
        for at, members in enumerate(rules.maintenance.sets)
    ]
    fits = on.group_by("patient", "step").agg(inside).filter(pl.any_horizontal(pl.selectors.starts_with("_")))
    fits = fits.select(pl.col("patient").alias("subject"), "step", pl.lit(value=True).alias("_fits"))
    kept = pl.when("_fits").then("maintenance_start").alias("maintenance_start")
    return (
        lines.join(fits, on=["subject", "step"], how="left", maintain_order="left")
        .with_columns(kept)
        .drop("_fits")
    )


def cut(rows: pl.DataFrame, lines: pl.DataFrame, by_hand: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Treatments that go on into maintenance as two, the second with `_part` true; and the days on which it begins.

    Where each row is a cycle, maintenance begins with the first one; it does not on a day that was decided by hand.
    """
    begun = lines.filter(pl.col("maintenance_start").is_not_null()).select(
        pl.col("subject").alias("patient"), "step", pl.col("maintenance_start").cast(pl.Int32).alias("_day")
    )
    regimen = ~pl.col("rule").is_in(_BESIDE)
    goes_on = (pl.col("end") >= pl.col("_day")).fill_null(value=True)
    told = rows.join(begun, on=["patient", "step"], how="left", maintain_order="left").with_columns(
        (regimen & (pl.col("start") < pl.col("_day")) & goes_on).fill_null(value=False).alias("_across")
    )
    later = pl.col("start").filter(regimen & (pl.col("start") >= pl.col("_day"))).min()
    first = pl.when(pl.col("_across").any()).then(pl.col("_day").first()).otherwise(later).alias("day")
    days = told.group_by("patient", "step").agg(first).drop_nulls()
    days = days.join(by_hand.select("patient", "day"), on=["patient", "day"], how="anti")
    told = told.join(days, on=["patient", "step"], how="left", maintain_order="left")
    across = pl.col("_across") & pl.col("day").is_not_null()
    before = told.with_columns(
        pl.when(across).then(pl.col("_day") - 1).otherwise("end").cast(pl.Int32).alias("end"),
        pl.when(~across).then("stop_reason").alias("stop_reason"),
    )
    after = told.filter(across).with_columns(pl.col("_day").alias("start"), pl.lit(value=True).alias("_part"))
    parts = pl.concat([before, after]).drop("_day", "_across", "day")
    return parts, days.select("patient", "day", pl.lit(MAINTENANCE).alias("rule"))
