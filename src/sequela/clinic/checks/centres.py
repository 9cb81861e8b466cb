"""Centres that record in another way than the others. Their events are asked by the audit (A152)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.clinic.checks.chance import apart, held, rank_sum
from sequela.clinic.checks.meanings import concepts
from sequela.clinic.checks.rule import Break
from sequela.clinic.checks.sheets import source_of
from sequela.clinic.tables import anchor_column

if TYPE_CHECKING:
    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Records

ENOUGH: Final = 8  # patients that a centre must have
NO_CENTRES: Final = "fewer than two centres"


def _people(records: Records) -> tuple[pl.DataFrame, list[str], list[str]]:
    """Patients with a centre, the fields of their file that are no dates, and the centres that are large enough."""
    source = source_of(records, "patients") or ""
    frame = records.registry.patients.drop_nulls("centre").with_columns(pl.col("centre").cast(pl.String))
    fields = [
        name
        for name, column in records.study.sources[source].columns.items()
        if name not in ("patient", "centre") and (isinstance(column, str) or column.type != "date")
    ]
    sizes = frame["centre"].value_counts().filter(pl.col("count") >= ENOUGH)
    return frame, [field for field in fields if field in frame.columns], sorted(sizes["centre"].to_list())


def constant(records: Records) -> list[Break] | str:
    """C390."""
    frame, fields, large = _people(records)
    if frame["centre"].n_unique() < 2:
        return NO_CENTRES
    tests: list[tuple[float, Break | None]] = []
    for field in fields:
        known = frame.select("centre", pl.col(field).cast(pl.String).alias("value")).drop_nulls()
        counts = known.group_by("centre", "value").len()
        whole = dict(known["value"].value_counts().iter_rows())
        by = counts.group_by("centre").agg(
            pl.col("len").sum().alias("n"), pl.col("value").first(), pl.len().alias("values")
        )
        for centre, n, value, different in by.filter(pl.col("n") >= ENOUGH).sort("centre").iter_rows():
            others = known.height - n
            share = (whole[value] - n) / others if others else 1.0
            words = f"{value} in all {n} patients, {share:.0%} elsewhere"
            p = float(share**n) if different == 1 else 1.0
            tests.append((p, Break(words, centre=centre, field=field) if different == 1 else None))
    if not large or not tests:
        return f"no centre with {ENOUGH} patients"
    kept = (tests[at][1] for at in held([p for p, _ in tests]))
    return [one for one in kept if one is not None]


def missing(records: Records) -> list[Break] | str:
    """C394."""
    frame, fields, large = _people(records)
    if not large or frame["centre"].n_unique() < 2:
        return NO_CENTRES
    sizes = dict(frame["centre"].value_counts().iter_rows())
    tests: list[tuple[str, str, int, int]] = []
    for field in fields:
        absent = dict(frame.filter(pl.col(field).is_null())["centre"].value_counts().iter_rows())
        total = sum(absent.values())
        if total:
            tests += [(field, centre, absent.get(centre, 0), total) for centre in large]
    p = [apart(x, sizes[c], total - x, frame.height - sizes[c]) for _, c, x, total in tests]
    found: list[Break] = []
    for field, centre, x, total in (tests[at] for at in held(p)):
        others = frame.height - sizes[centre]
        words = f"missing in {x} of {sizes[centre]} patients, in {total - x} of {others} elsewhere"
        found.append(Break(words, centre=centre, field=field))
    return found


def intervals(laid: Laid) -> list[Break] | str:
    """C395: between consecutive moments before treatment, and from the index date to the first treatment."""
    frame, _, large = _people(laid)
    if not large or frame["centre"].n_unique() < 2:
        return NO_CENTRES
    first = laid.sheets["people"].frame.select("patient", pl.col("first_start").alias("first treatment"))
    frame = frame.join(first, on="patient", how="left")
    moments = [n for n, a in laid.study.anchors.items() if a.stage == "baseline" and a.day is None]
    columns = {name: anchor_column(name) for name in (*moments, laid.study.lines.index)}
    columns["first treatment"] = "first treatment"
    tests: list[tuple[float, Break]] = []
    for earlier, later in (*pairwise(moments), (laid.study.lines.index, "first treatment")):
        gap = pl.col(columns[later]) - pl.col(columns[earlier])
        known = frame.select("centre", gap.cast(pl.Float64).alias("gap")).drop_nulls()
        values, centre = known["gap"].to_numpy(), known["centre"].to_numpy().astype(str)
        for name in large:
            inside = centre == name
            if ENOUGH <= inside.sum() < len(values):
                words = (
                    f"{np.median(values[inside]):.0f} days from {earlier} to {later} (median of {inside.sum()}), "
                    f"{np.median(values[~inside]):.0f} elsewhere"
                )
                tests.append((rank_sum(values, inside), Break(words, centre=name, field=later)))
    return [tests[at][1] for at in held([p for p, _ in tests])]


def weekends(laid: Laid) -> list[Break] | str:
    """C396."""
    if not laid.dated:
        return "the study counts days"
    starts = dict(laid.days).get(f"{source_of(laid, 'treatments')}.start")
    if starts is None:
        return "the study has no `start`"
    weekend = pl.col("n").filter(pl.col("day").cast(pl.Date).dt.weekday() >= 6)
    by = (
        starts.drop_nulls("centre")
        .group_by("centre")
        .agg(weekend.sum().alias("x"), pl.col("n").sum())
        .sort("centre")
    )
    whole, n_all = int(by["x"].sum()), int(by["n"].sum())
    tests = [(c, x, n) for c, x, n in by.iter_rows() if n >= 20]
    if len(by) < 2 or not tests:
        return NO_CENTRES
    p = [apart(x, n, whole - x, n_all - n) for _, x, n in tests]
    return [
        Break(
            f"{x / n:.0%} of {n} starts at the weekend, {(whole - x) / (n_all - n):.0%} elsewhere",
            centre=c,
            field="start",
        )
        for c, x, n in (tests[at] for at in held(p))
    ]


def fractions(records: Records) -> list[Break] | str:
    """C398."""
    source = records.study.sources[source_of(records, "patients") or ""].columns
    fields = concepts(source)
    found: list[Break] = []
    asked = False
    for concept in ("er", "pgr", "ki67"):
        field = fields.get(concept)
        values = records.registry.patients
        if field is None or not values[field].dtype.is_numeric():
            continue
        asked = True
        known = values.select(
            pl.col("centre").cast(pl.String), pl.col(field).cast(pl.Float64).alias("v")
        ).drop_nulls("v")
        between = (pl.col("v") > 0) & (pl.col("v") < 1)
        by = known.group_by("centre", maintain_order=True).agg(
            pl.col("v").max().alias("most"), between.sum().alias("n"), pl.len()
        )
        slipped = by.filter((pl.col("most") <= 1) & (pl.col("n") >= 3)).sort("centre")
        all_of_them = known.height > 0 and float(known["v"].max() or 0) <= 1  # pyright: ignore[reportArgumentType]
        if all_of_them and int(by["n"].sum()) >= 3:
            found.append(Break(f"all {known.height} values between 0 and 1", field=field))
        elif not all_of_them:
            found += [
                Break(
                    f"all {n} values between 0 and 1, up to {known['v'].max():g} elsewhere",
                    centre=centre,
                    field=field,
                )
                for centre, _, _, n in slipped.iter_rows()
            ]
    return found if asked else "the study has no `er`, `pgr` or `ki67` as a number"


def without_endocrine(records: Records) -> list[Break] | str:
    """C335: where more than half of the ER-positive patients never had an endocrine drug."""
    fields = concepts(records.study.sources[source_of(records, "patients") or ""].columns)
    field = fields.get("er")
    if field is None or not records.registry.patients[field].dtype.is_numeric():
        return "the study has no `er` as a number"
    drugs = [agent for agent in records.dictionary.agents if "endocrine" in records.dictionary.classes(agent)]
    given = records.registry.treatments.filter(pl.col("agent").is_in(drugs)).select("patient").unique()
    positive = records.registry.patients.filter(pl.col(field) >= 1)
    without = positive.join(given, on="patient", how="anti")
    if positive.height < 20 or without.height * 2 <= positive.height:
        return []
    return [Break(f"{without.height} of {positive.height} patients", field=field)]
