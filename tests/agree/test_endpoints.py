"""Times to an event against a slow twin that reads each patient's life day by day."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.clinic.cohort import People
from sequela.clinic.endpoints import derive
from sequela.study.expressions import parse
from sequela.study.model import Endpoint

ENDPOINT = Endpoint.model_validate(
    {
        "label": "PFS",
        "origin": "line[1].start",
        "events": [
            {"at": "progression.date", "label": "progression"},
            {"at": "line[1].end", "where": 'line[1] stopped for "toxicity"', "label": "toxicity"},
            {"at": "death.date", "label": "death"},
        ],
        "censor": [{"at": "seen.date", "label": "last contact"}],
    }
)
LIMITED = ENDPOINT.model_copy(update={"until": parse("line[1].end")})
DELAYED = Endpoint.model_validate(
    {
        "label": "OS",
        "origin": "diagnosis.date",
        "entry": "line[1].start",
        "events": [{"at": "death.date"}],
        "censor": [{"at": "seen.date"}],
    }
)

day = st.one_of(st.none(), st.integers(0, 60))


@st.composite
def lives(draw):
    start = draw(day)
    end = None if start is None else draw(st.one_of(st.none(), st.integers(start, start + 40)))
    dead = draw(st.booleans())
    return {
        "diagnosis": draw(st.one_of(st.none(), st.integers(-10, 20))),
        "start": start,
        "end": end,
        "toxicity": draw(st.booleans()),
        "progressions": sorted(draw(st.sets(st.integers(0, 80), max_size=3))),
        "dead": dead,
        "death": draw(day) if dead else None,
        "seen": draw(day),
    }


def people(life):
    row = {
        "patient": "p",
        "@diagnosis": life["diagnosis"],
        "@progression": None,
        "@death": life["death"],
        "@death?": life["dead"],
        "@seen": life["seen"],
        "lines": int(life["start"] is not None),
        "start[1]": life["start"],
        "end[1]": life["end"],
        "agents[1]": None,
        "stopped[1]": "toxicity" if life["toxicity"] and life["start"] is not None else None,
    }
    kinds = {"patient": pl.String, "@death?": pl.Boolean, "stopped[1]": pl.String}
    frame = pl.DataFrame([row], schema={name: kinds.get(name, pl.Int32) for name in row})
    moments = {
        "progression": pl.DataFrame(
            {"patient": ["p"] * len(life["progressions"]), "day": life["progressions"]},
            schema={"patient": pl.String, "day": pl.Int32},
        )
    }
    return People(frame, (), {}, 1), moments


def twin_pfs(life, limit=None):
    """Walk over the days after the start and stop at the first that ends it."""
    origin = life["start"]
    if origin is None:
        return "no origin"
    happened = {}
    for d in range(200):
        if d in life["progressions"] and d > origin and (limit is None or d <= limit):
            happened.setdefault(d, "progression")
        if life["toxicity"] and life["end"] == d:
            happened.setdefault(d, "toxicity")
        if life["death"] == d:
            happened.setdefault(d, "death")
        if happened:
            break
    if not happened and life["dead"] and life["death"] is None:
        return "event without a date"
    end, state, words = (*next(iter(happened.items())), 1) if happened else (life["seen"], "last contact", 0)
    state, words = words, state
    if end is None:
        return "no end recorded"
    if end <= origin:
        return "no follow-up after the origin"
    return (end - origin, state, words)


def found(outcome):
    row = outcome.table.row(0, named=True)
    return row["unused"] or (row["time"], row["state"], row["end"])


@settings(max_examples=400, deadline=None)
@given(lives())
def test_progression_free_survival(life):
    everyone, moments = people(life)
    assert found(derive("pfs", ENDPOINT, everyone, moments)) == twin_pfs(life)


@settings(max_examples=200, deadline=None)
@given(lives())
def test_course_events_count_only_up_to_a_limit(life):
    everyone, moments = people(life)
    assert found(derive("pfs", LIMITED, everyone, moments)) == twin_pfs(life, life["end"])


@settings(max_examples=300, deadline=None)
@given(lives())
def test_delayed_entry(life):
    everyone, moments = people(life)
    outcome = derive("os", DELAYED, everyone, moments)
    row = outcome.table.row(0, named=True)
    if row["unused"]:
        assert len(outcome.times) == 0
        return
    entry = max(0, life["start"] - life["diagnosis"])
    assert outcome.times.entry[0] == entry
    assert (
        outcome.times.exit[0]
        == (life["death"] if life["death"] is not None else life["seen"]) - life["diagnosis"]
    )
    assert outcome.times.exit[0] > entry
    assert outcome.times.state[0] == int(life["death"] is not None)
