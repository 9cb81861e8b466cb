"""The grammar: what it reads, how it writes it back, where it points when it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.study.evaluation import evaluate
from sequela.study.expressions import (
    Anchor,
    And,
    Compare,
    ExpressionError,
    LineHas,
    LineMoment,
    LineOf,
    Missing,
    Name,
    Not,
    Number,
    Or,
    Sum,
    Text,
    atoms,
    parse,
    write,
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("line[1] has pertuzumab", LineHas(1, "pertuzumab")),
        ("not line[1] has t_dm1", Not(LineHas(1, "t_dm1"))),
        ("any line has platinum", LineHas(None, "platinum")),
        ("er >= 1", Compare(Name("er"), ">=", Number(1.0))),
        ('stage == "IV"', Compare(Name("stage"), "==", Text("IV"))),
        ("ki67 is missing", Missing(Name("ki67"))),
        ("ki67 is not missing", Not(Missing(Name("ki67")))),
        ("a.date - b.date < 2 weeks", Compare(Sum(Anchor("a"), -1, Anchor("b")), "<", Number(14.0))),
        (
            "line_of(t_dm1) == 2 or line[2].start > 3",
            Or(
                (
                    Compare(LineOf("t_dm1"), "==", Number(2.0)),
                    Compare(LineMoment(2, "start"), ">", Number(3.0)),
                )
            ),
        ),
        (
            "x == 1 and (y == 2 or z == 3)",
            And(
                (
                    Compare(Name("x"), "==", Number(1.0)),
                    Or((Compare(Name("y"), "==", Number(2.0)), Compare(Name("z"), "==", Number(3.0)))),
                )
            ),
        ),
    ],
)
def test_reads(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("line[0] has x", "the number of a line, from 1", 5),
        ("er = 1", "write `==` to compare", 3),
        ("er >", "found the end", 4),
        ("line[2].stop", "`start`, `end` or `duration`", 8),
        ("er >= 1 pgr >= 1", "`and`, `or`, a comparison or the end", 8),
        ("(er >= 1", "`)`", 8),
        ("er ; 1", "has no meaning here", 3),
        ("", "found the end", 0),
    ],
)
def test_points_to_the_fault(text, message, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.position == position
    assert caught.value.pointer().splitlines()[-1].index("^") == position


names = st.sampled_from([Name("a"), Name("b"), LineOf("x"), Anchor("death")])
literals = st.integers(0, 9).map(lambda n: Number(float(n)))
comparisons = st.builds(Compare, names, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), literals)
trees = st.recursive(
    st.one_of(comparisons, st.builds(LineHas, st.integers(1, 3), st.just("x")), st.builds(Missing, names)),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
    ),
    max_leaves=6,
)


@given(trees, st.data())
def test_what_is_written_means_the_same(tree, data):
    again = parse(write(tree))
    values = {
        atom: data.draw(st.sampled_from([True, False]))
        if isinstance(atom, LineHas)
        else data.draw(st.one_of(st.none(), st.integers(0, 9)))
        for atom in atoms(tree)
    }
    assert evaluate(again, values) == evaluate(tree, values)


def test_unknown_is_neither_true_nor_false():
    node = parse("er >= 1")
    assert evaluate(node, {Name("er"): None}) is None
    assert evaluate(Not(node), {Name("er"): None}) is None
    assert evaluate(parse("er >= 1 or pgr >= 1"), {Name("er"): None, Name("pgr"): 5}) is True
    assert evaluate(parse("er >= 1 and pgr >= 1"), {Name("er"): None, Name("pgr"): 0}) is False
