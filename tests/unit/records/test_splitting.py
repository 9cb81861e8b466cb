"""The fast way of splitting gives exactly what the careful one gives, or gives way to it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sequela.core.errors import DataError
from sequela.records.source import Column, Source
from sequela.records.splitting import split_carefully, split_fast

PATH = Path("x.csv")
CELL = st.text(alphabet=st.sampled_from([*"ab1 ,\"'#\n\t;é\u2028\x0b"]), max_size=4)
PLAIN = st.text(alphabet=st.sampled_from([*"ab1. é#'-"]), max_size=4)


def both(text, wanted, **layout):
    source = Source("x", ("x.csv",), (Column("a"),), comment="#", **layout)
    try:
        careful = split_carefully(source, PATH, text, ",", wanted)
    except DataError as refused:
        careful = refused
    try:
        fast = split_fast(source, PATH, text, ",", wanted)
    except DataError as refused:
        fast = refused
    return fast, careful


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=5), st.integers(1, 2))
def test_they_never_differ(rows, header_rows):
    text = "a,b\n" + "".join(",".join(row) + "\n" for row in rows)
    fast, careful = both(text, ("b", "a"), header_rows=header_rows)
    if isinstance(fast, DataError):
        assert isinstance(careful, DataError)
    elif fast is not None:
        assert not isinstance(careful, DataError), str(careful)
        assert fast.equals(careful)


@given(
    st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=1, max_size=6),
    st.booleans(),
    st.permutations(["a", "b", "c"]),
)
def test_plain_text_takes_the_fast_way(rows, last_newline, wanted):
    text = "#note\na,b,c\n" + "\n".join(f"x{a},{b},{c}" for a, b, c in rows) + ("\n" if last_newline else "")
    fast, careful = both(text, tuple(wanted[:2]))
    assert fast is not None
    assert fast.equals(careful)
    assert fast["_line"].to_list() == list(range(3, 3 + len(rows)))
