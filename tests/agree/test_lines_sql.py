"""Lines of therapy as SQL, one round a line: an independent formulation of the rules that a drug alone decides.

Window, gap, exemptions, new drugs, substitution sets without a common member, companions and supportive drugs: all that
the shipped sets without switch maintenance ask. Dates of every line, its regimen and the line of every row are compared.
"""

import duckdb
import numpy as np
import polars as pl
import pytest
from bench.lines_records import records

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.rules import read_rules

NEVER = 10**9

# Rows still to be placed are split at the first day that breaks the open line: a pause longer than the gap, or a family
# (a drug, or the set in which drugs replace each other) first given after the window.
SPLIT = """
with days as (
    select *, min(start) over (partition by patient) as opened,
        max("end") over (partition by patient order by start range between unbounded preceding and 1 preceding) as last
    from rest
), families as (
    select distinct patient, family from days where start <= opened + $window
), broken as (
    select patient, min(start) as day from days d
    where (start - last > $gap and not exempt)
       or (start > opened + $window
           and not exists (select 1 from families f where f.patient = d.patient and f.family = d.family))
    group by patient
)
select d.* exclude (opened, last), d.opened, b.day is null or d.start < b.day as here
from days d left join broken b on b.patient = d.patient
"""


def by_sql(treatments, rules, classes):
    """(patient, line start) of every row that opens, holds or continues a line; and the lines of companions."""
    with duckdb.connect() as base:
        names = treatments["agent"].unique().to_list()
        sets = {agent: group[0] for group in rules.new_drug.substitutions for agent in group}

        def has(agent, part):
            return bool((classes(agent) | {agent}) & set(part))

        kinds = pl.DataFrame(
            {
                "agent": names,
                "family": [sets.get(agent, agent) for agent in names],
                "exempt": [has(agent, rules.gap.exempt_classes) for agent in names],
                "ignored": [has(agent, rules.ignored.classes) for agent in names],
                "companion": [has(agent, rules.companion.classes) for agent in names],
            }
        )
        base.register("given", treatments.drop("stop_reason"))
        base.register("kinds", kinds)
        base.execute(
            f'create table known as select * replace (coalesce("end", {NEVER}) as "end") '
            "from given join kinds using (agent) where not ignored"
        )
        base.execute("create table rest as select * from known where not companion")
        base.execute("create table placed as select *, 0 as opened, true as here from rest limit 0")
        while base.execute("select 1 from rest limit 1").fetchall():
            asked = {"window": rules.regimen.window_days, "gap": rules.gap.days}
            base.execute(f"create or replace temp table split as {SPLIT}", asked)
            base.execute("insert into placed select * from split where here")
            base.execute(
                "create or replace table rest as select * exclude (opened, here) from split where not here"
            )
        lines = base.execute(
            """select patient, opened as start, nullif(max("end"), 1000000000) as "end",
                list_sort(list(distinct agent)) as regimen
                from placed group by all order by all"""
        ).fetchall()
        rows = base.execute(
            """with opened as (select distinct patient, opened from placed)
            select row, count(opened) as step from known k
            left join opened o on o.patient = k.patient and o.opened <= k.start
            group by row order by row"""
        ).fetchall()
    return lines, rows


def drawn(rng, agents, n, patients):
    """Short courses: many pauses and delays on, just below and just above the limits."""
    start = rng.integers(0, 400, n)
    return pl.DataFrame(
        {
            "patient": rng.integers(0, patients, n),
            "agent": rng.choice(agents, n),
            "start": start.astype(np.int32),
            "end": (start + rng.choice([0, 1, 20, 21, 40, 90], n)).astype(np.int32),
        }
    ).with_columns(pl.when(pl.Series(rng.random(n) < 0.97)).then("end").alias("end"))


def check(treatments, rules, engine=None):
    dictionary = read_dictionary()
    frame = treatments.with_row_index("row").with_columns(
        pl.col("row").cast(pl.Int64), pl.col("patient").cast(pl.String), stop_reason=pl.lit(None, pl.String)
    )
    found = lines_of_therapy(frame, rules, dictionary.classes, engine=engine)
    table = found.sequences.table
    lines, rows = by_sql(frame, rules, dictionary.classes)
    told = table.select("start", "end", patient="subject", regimen=pl.col("regimen").list.sort())
    assert told.select("patient", "start", "end", "regimen").rows() == lines
    where = found.placed.filter(pl.col("rule") != "ignored").select("row", pl.col("step").fill_null(0))
    assert where.rows() == rows
    return table


RULES = ("generic-28-120", "her2-abc", "ovarian", "strict-28-90")


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@pytest.mark.parametrize("name", RULES)
def test_random_courses(name, engine):
    rules = read_rules(name)
    rng = np.random.default_rng(7)
    agents = [
        "paclitaxel", "docetaxel", "carboplatin", "cisplatin", "capecitabine", "trastuzumab", "lapatinib", "letrozole",
        "zoledronic_acid", "olaparib",
    ]  # fmt: skip
    table = check(drawn(rng, agents, 6000, 900), rules, engine)
    assert table["step"].max() > 4


@pytest.mark.parametrize(("gap", "window"), [(20, 0), (40, 28), (89, 180), (10, 21)])
def test_other_limits(gap, window):
    rules = read_rules("her2-abc")
    rules = rules.model_copy(
        update={
            "gap": rules.gap.model_copy(update={"days": gap}),
            "regimen": rules.regimen.model_copy(update={"window_days": window}),
        }
    )
    agents = ["paclitaxel", "docetaxel", "capecitabine", "trastuzumab", "tucatinib", "letrozole"]
    check(drawn(np.random.default_rng(gap), agents, 4000, 800), rules)


def test_records_of_the_benchmark():
    check(records(np.random.default_rng(1), 1500), read_rules("her2-abc"))
