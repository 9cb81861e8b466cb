"""The columnar meaning of an expression against the plain-Python one, on random patients."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.clinic.cohort import People
from sequela.study.evaluation import evaluate
from sequela.study.expressions import (
    And,
    Compare,
    LineCount,
    LineHas,
    LineMoment,
    LineOf,
    LineOfStart,
    LineStopped,
    Missing,
    Name,
    Not,
    Number,
    Or,
    Sum,
    atoms,
)

LEGEND = ("a", "b", "c")
MEMBERS = {"a": frozenset("a"), "b": frozenset("b"), "c": frozenset("c"), "ab": frozenset("ab")}
TOP = 3


@st.composite
def lives(draw):
    """One patient: a variable, and up to three lines with agents, days and a reason to stop."""
    lines = []
    day = draw(st.integers(0, 50))
    for _ in range(draw(st.integers(0, TOP))):
        length = draw(st.integers(0, 40))
        agents = draw(st.sets(st.sampled_from(LEGEND), min_size=1))
        ended = draw(st.booleans())
        lines.append(
            (day, day + length if ended else None, agents, draw(st.sampled_from(["toxicity", None])))
        )
        day += length + draw(st.integers(1, 30))
    return draw(st.one_of(st.none(), st.integers(0, 5))), lines


def people(life):
    value, lines = life
    row = {"patient": "p", "x": value, "lines": len(lines)}
    for n in range(1, TOP + 1):
        start, end, agents, stopped = lines[n - 1] if n <= len(lines) else (None, None, None, None)
        mask = None if agents is None else sum(1 << LEGEND.index(agent) for agent in agents)
        row |= {f"start[{n}]": start, f"end[{n}]": end, f"agents[{n}]": mask, f"stopped[{n}]": stopped}
    kinds = {"patient": pl.String, **{f"stopped[{n}]": pl.String for n in range(1, TOP + 1)}}
    schema = {name: kinds.get(name, pl.Int64) for name in row}
    return People(pl.DataFrame([row], schema=schema), LEGEND, MEMBERS, TOP)


def meaning(atom, life):
    """What an atom says of a patient, read off the life itself."""
    value, lines = life
    match atom:
        case Name("x"):
            return value
        case LineCount():
            return len(lines)
        case LineMoment(number, field):
            if number > len(lines):
                return None
            start, end, _, _ = lines[number - 1]
            return {"start": start, "end": end, "duration": None if end is None else end - start}[field]
        case LineHas(None, agent):
            return any(MEMBERS[agent] & agents for _, _, agents, _ in lines)
        case LineHas(int() as number, agent):
            return number <= len(lines) and bool(MEMBERS[agent] & lines[number - 1][2])
        case LineStopped(number, reason):
            return number <= len(lines) and lines[number - 1][3] == reason
    first = [n for n, (_, _, agents, _) in enumerate(lines, 1) if MEMBERS[atom.agent] & agents]
    if not first:
        return None
    return first[0] if isinstance(atom, LineOf) else lines[first[0] - 1][0]


agent = st.sampled_from(sorted(MEMBERS))
numbers = st.one_of(
    st.just(Name("x")),
    st.just(LineCount()),
    st.builds(LineOf, agent),
    st.builds(LineOfStart, agent),
    st.builds(LineMoment, st.integers(1, 4), st.sampled_from(["start", "end", "duration"])),
)
sums = st.one_of(numbers, st.builds(Sum, numbers, st.sampled_from([1, -1]), numbers))
tests = st.one_of(
    st.builds(
        Compare,
        sums,
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.integers(0, 60).map(lambda n: Number(float(n))),
    ),
    st.builds(LineHas, st.one_of(st.none(), st.integers(1, 4)), agent),
    st.builds(LineStopped, st.integers(1, 4), st.just("toxicity")),
    st.builds(Missing, numbers),
)
trees = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(trees, lives())
def test_columns_say_what_the_reference_says(tree, life):
    expected = evaluate(tree, {atom: meaning(atom, life) for atom in atoms(tree)})
    assert people(life).select(tree)[0] == expected
