"""Lines folded again until the rules that look back have nothing left to say. See `hindsight` for the rules.

A rule that looks back becomes a decision about a patient's day, as one by hand does, and the fold is run again; the
first such day of each patient at a time, for what follows depends on it. Its name takes the decision's place in the
proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic import hindsight
from sequela.clinic.rules import Companion

if TYPE_CHECKING:
    from collections.abc import Callable

    from sequela.clinic.rules import RuleSet

    # Treatments, rules and decisions (`patient`, `day`, `decision`) to the lines and where each row went.
    Fold = Callable[[pl.DataFrame, RuleSet, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]

DECIDED: Final = {"patient": pl.String, "day": pl.Int32, "rule": pl.String}


def settled(
    treatments: pl.DataFrame,
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    progressions: pl.DataFrame,
    by_hand: pl.DataFrame,
    fold: Fold,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines, and where each treatment went, when every rule of `rules` has been followed.

    Args:
        treatments: as `lines_of_therapy` takes them.
        rules: the rule set.
        classes: the classes of an agent.
        progressions: `patient`, `day`.
        by_hand: `patient`, `day` of decisions by hand, which weigh more than any rule.
        fold: the fold without hindsight.
    """
    every = treatments.sort("row", maintain_order=True).with_row_index("_at")
    every = every.with_columns(pl.col("patient").cast(pl.String), pl.lit(value=False).alias("_part"))
    dated = (pl.col("patient").cast(pl.String), pl.col("day").cast(pl.Int32))
    known, by_hand = progressions.drop_nulls().select(dated), by_hand.select(dated)
    nothing, kept = pl.DataFrame(schema=DECIDED), every
    lines, rows = _folded(kept, rules, nothing, fold)
    if rules.regimen.single_dose == "leave out":
        kept = kept.filter(~hindsight.single_doses(rows, lines, rules))
        lines, rows = _folded(kept, rules, nothing, fold)
    lines, rows, decided = _joined(kept, lines, rows, known, rules, fold)
    lines = hindsight.maintained(rows, hindsight.not_replaced(rows, lines, decided), rules, classes)
    if rules.maintenance.new_line:
        parts, days = hindsight.cut(rows, lines, by_hand)
        kept_days = decided.join(days, on=["patient", "day"], how="anti")
        decided = pl.concat([kept_days, days.cast(DECIDED)])  # pyright: ignore[reportArgumentType]
        kept = parts.drop("step", "rule").with_columns(
            pl.when("_part").then(-1 - pl.col("row")).otherwise("row").alias("row")
        )
        lines, rows = _folded(kept, rules, decided, fold)
    lines, rows = _named(lines, rows, decided)
    if rules.companion.alone == "own line":
        lines, rows = _with_companions_alone(lines, rows, rules, fold)
    return lines, _placed(every, rows)


def _joined(
    kept: pl.DataFrame,
    lines: pl.DataFrame,
    rows: pl.DataFrame,
    progressions: pl.DataFrame,
    rules: RuleSet,
    fold: Fold,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Lines and rows when every line that goes on with the one before does, and the days so decided.

    Only the patients with a new decision are folded again.
    """
    decided = pl.DataFrame(schema=DECIDED)
    still: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    while (news := hindsight.joined(rows, lines, progressions, rules)).height:
        decided = pl.concat([decided, news.cast(DECIDED)])  # pyright: ignore[reportArgumentType]
        who = news.select("patient", subject="patient")
        still.append((lines.join(who, on="subject", how="anti"), rows.join(who, on="patient", how="anti")))
        told = decided.join(who, on="patient", how="semi")
        lines, rows = _folded(
            kept.join(who, on="patient", how="semi", maintain_order="left"), rules, told, fold
        )
    every = [*still, (lines, rows)]
    whole = pl.concat([part for part, _ in every]).sort("subject", "step")
    return whole, pl.concat([part for _, part in every]).sort("_at"), decided


def _folded(
    kept: pl.DataFrame, rules: RuleSet, decided: pl.DataFrame, fold: Fold
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines, and the treatments with their step and rule."""
    new = pl.col("rule") == hindsight.MAINTENANCE
    word = pl.when(new).then(pl.lit("new line")).otherwise(pl.lit("same line")).alias("decision")
    lines, placed = fold(kept, rules, decided.select("patient", "day", word))
    rows = kept.sort("row", maintain_order=True).with_columns(placed["step"], placed["rule"])
    return lines, rows


def _named(
    lines: pl.DataFrame, rows: pl.DataFrame, decided: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The names of the rules in place of the decisions that they became."""
    told = decided.select("patient", pl.col("day").alias("start"), pl.col("rule").alias("_told"))
    rows = rows.join(told, on=["patient", "start"], how="left", maintain_order="left")
    by_rule = pl.col("_told").is_not_null() & pl.col("rule").is_in(
        ["override: new line", "override: same line"]
    )
    rows = rows.with_columns(pl.when(by_rule).then("_told").otherwise("rule").alias("rule")).drop("_told")
    lines = lines.join(
        told, left_on=["subject", "start"], right_on=["patient", "start"], how="left", maintain_order="left"
    )
    mine = pl.col("_told").is_not_null() & (pl.col("rule") == "override: new line")
    next_mine = mine.shift(-1, fill_value=False).over("subject")
    lines = lines.with_columns(
        *(pl.when(mine).then("_told").otherwise(name).alias(name) for name in ("rule", "start_reason")),
        pl.when(next_mine).then(pl.lit(hindsight.MAINTENANCE)).otherwise("end_reason").alias("end_reason"),
    )
    return lines.drop("_told"), rows


def _with_companions_alone(
    lines: pl.DataFrame, rows: pl.DataFrame, rules: RuleSet, fold: Fold
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines of the companions that were given before any other drug, by the same rules, before the other lines."""
    alone = pl.col("step").is_null() & (pl.col("rule") == "companion")
    given = rows.filter(alone)
    if given.is_empty():
        return lines, rows
    bare = rules.model_copy(update={"companion": Companion()})
    own, own_rows = _folded(given.drop("step", "rule"), bare, pl.DataFrame(schema=DECIDED), fold)
    counts = own.group_by("subject").agg(
        pl.col("step").max().alias("_own"), pl.col("end").max().alias("_end")
    )
    main = lines.join(counts, on="subject", how="left", maintain_order="left")
    main = _following(main, rules.gap.days)
    opened = main.filter(pl.col("step") == 1).select(
        "subject", pl.col("start").alias("_next"), pl.col("start_reason").alias("_why")
    )
    own = own.join(opened, on="subject", how="left", maintain_order="left")
    last = pl.col("step") == pl.col("step").max().over("subject")
    own = own.with_columns(
        pl.min_horizontal("end", pl.col("_next") - 1).alias("end"),
        pl.when(last & pl.col("_why").is_not_null()).then("_why").otherwise("end_reason").alias("end_reason"),
    )
    renamed = main.filter(pl.col("step") == 1).select(
        pl.col("subject").alias("patient"), "step", pl.col("rule").alias("_rule")
    )
    later = rows.filter(~alone).join(renamed, on=["patient", "step"], how="left", maintain_order="left")
    first = pl.col("rule") == "first treatment"
    later = later.join(counts.select(pl.col("subject").alias("patient"), "_own"), on="patient", how="left")
    later = later.with_columns(
        pl.when(first).then(pl.coalesce("_rule", "rule")).otherwise("rule").alias("rule"),
        pl.col("step") + pl.col("_own").fill_null(0),
    )
    main = main.with_columns(pl.col("step") + pl.col("_own").fill_null(0))
    table = pl.concat([own.select(lines.columns), main.select(lines.columns)]).sort("subject", "step")
    return table, pl.concat([own_rows, later.select(own_rows.columns)])


def _following(main: pl.DataFrame, gap: int) -> pl.DataFrame:
    """The first of the other lines follows one: it starts by a new drug, or after a pause."""
    follows = (pl.col("step") == 1) & pl.col("_own").is_not_null()
    pause = (pl.col("start") - pl.col("_end")).fill_null(0)
    drug = pl.format("new drug {}", pl.col("regimen").list.first())
    why = pl.when(pause > gap).then(pl.format("gap of {} days", pause)).otherwise(drug)
    rule = pl.when(pause > gap).then(pl.lit("gap")).otherwise(pl.lit("new drug"))
    return main.with_columns(
        pl.when(follows).then(why).otherwise("start_reason").alias("start_reason"),
        pl.when(follows).then(rule).otherwise("rule").alias("rule"),
    )


def _placed(every: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Where each treatment went, in the order of `every`; what is in `every` alone was left out."""
    whole = rows.filter(~pl.col("_part")).select("_at", "step", "rule")
    placed = every.select("_at", "row").join(whole, on="_at", how="left", maintain_order="left")
    return placed.select("row", "step", pl.col("rule").fill_null(hindsight.SINGLE))
