"""Treatment given to cure, before the disease was advanced: its own lines, and whether the disease came back early.

Lines of therapy are reported as all lines = curative + palliative (Saini and Twelves, Br J Cancer 2021;125:155). A
relapse within six months of the last adjuvant anti-HER2 drug makes T-DM1 a first-line choice (EMILIA; Verma et al.,
N Engl J Med 2012;367:1783).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.tables import BEFORE_INDEX, anchor_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from sequela.clinic.rules import RuleSet
    from sequela.clinic.tables import Registry

VARIABLES: Final = ("curative_lines", "early_relapse")


def curative(
    registry: Registry, rules: RuleSet, classes: Callable[[str], frozenset[str]], index: str
) -> pl.DataFrame:
    """`patient`, `curative_lines` (how many before the index), `early_relapse` ("yes", "no", or null).

    A relapse is early when the index comes within `rules.curative.early_relapse_days` of the last end of a drug of
    `rules.curative.classes`; null where the patient had none, or where its end is not known.

    Args:
        registry: with the treatments that lie before the index.
        rules: the same rule set that makes the palliative lines; progressions play no part before the index.
        classes: the classes of an agent.
        index: the anchor from which lines count.
    """
    before = registry.treatments.filter(pl.col("unused") == BEFORE_INDEX)
    plain = rules.model_copy(update={"progression": type(rules.progression)()})
    made = lines_of_therapy(before, plain, classes).sequences.table
    counts = made.group_by(pl.col("subject").alias("patient")).agg(
        pl.len().cast(pl.Int32).alias("curative_lines")
    )
    wanted = set(rules.curative.classes)
    agents = [agent for agent in before["agent"].unique() if wanted & {*classes(agent), agent}]
    day = pl.col("end").max() if agents else pl.lit(None, pl.Int32)
    ends = (
        before.filter(pl.col("agent").is_in(agents)).group_by("patient").agg(
            day.alias("_end"), pl.col("end").is_null().any().alias("_open")
        )
    )  # fmt: skip
    wait = pl.col(anchor_column(index)) - pl.col("_end")
    early = (
        pl.when(pl.col("_open") | wait.is_null())
        .then(None)
        .when(wait <= rules.curative.early_relapse_days)
        .then(pl.lit("yes"))
        .otherwise(pl.lit("no"))
    )
    return (
        registry.patients.select("patient", anchor_column(index))
        .join(counts, on="patient", how="left")
        .join(ends, on="patient", how="left")
        .select("patient", pl.col("curative_lines").fill_null(0), early.alias("early_relapse"))
    )


def with_curative(
    registry: Registry, rules: RuleSet, classes: Callable[[str], frozenset[str]], index: str
) -> Registry:
    """`registry` with the two variables of `curative`; a study's own variable of the same name stays as it is."""
    own = [name for name in VARIABLES if name not in registry.patients.columns]
    found = curative(registry, rules, classes, index).select("patient", *own)
    return replace(registry, patients=registry.patients.join(found, on="patient", how="left"))
