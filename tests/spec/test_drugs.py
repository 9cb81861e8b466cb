"""The drug dictionary: a titled table of spellings and agents, and every spelling of a real registry."""

import csv
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.clinic.drugs import key, read_dictionary
from tests.spec.drug_cases import cases

DICTIONARY = read_dictionary()
REGISTRY = Path(__file__).parent / "drugs_tcga_ov.tsv"
CONJUGATES = {
    "trastuzumab_emtansine": "trastuzumab",
    "trastuzumab_deruxtecan": "trastuzumab",
    "trastuzumab_duocarmazine": "trastuzumab",
}

# What is left unknown in the registry, and why no entry of the dictionary claims it.
QUARANTINED = {
    "5F4 Leucovorin": "perhaps 5-FU with leucovorin, but 5F4 is no name",
    "CCDP": "cisplatin (CDDP) or carboplatin (CBDCA), each one slip away",
    "RBBX 01": "a code whose meaning could not be found",
    "Taxoterecin": "no such drug; begins like Taxotere, ends like another",
    "Vamydex": "no such drug",
}


def registry():
    with REGISTRY.open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    return [(row["spelling"], int(row["rows"])) for row in csv.DictReader(lines, delimiter="\t")]


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.title}: {case.text}")
def test_spelling(case):
    match = DICTIONARY.match(case.text)
    assert (match and frozenset(match.agents)) == case.agents


def test_every_spelling_of_the_registry_but_five_resolves():
    rows = dict(registry())
    unknown = {text for text in rows if DICTIONARY.match(text) is None}
    assert unknown == set(QUARANTINED)
    assert sum(rows.values()) == 2506
    assert sum(rows[text] for text in unknown) == 5


def test_normalise_counts_every_row_once():
    texts = pl.Series("drug", [text for text, rows in registry() for _ in range(rows)] + [None])
    table = DICTIONARY.normalise(texts)
    assert table.columns == ["text", "rows", "agents", "rule"]
    assert dict(table.select("text", "rows").iter_rows()) == dict(registry())
    assert table["text"][0] == "Carboplatin"
    assert table.filter(pl.col("rule").is_null())["agents"].null_count() == len(QUARANTINED)


CONJUGATE_SPELLINGS = [(text, agent) for agent in CONJUGATES for text, _ in DICTIONARY.drugs[agent].spellings]
GAPS = st.sampled_from(
    ["", " ", "  ", "-", " - ", "\u2011", "\u2013", "_", "/", " + ", ", ", "(", ")", ".", "\u00a0"]
)
EXTRAS = st.sampled_from(
    ["", " IV", " 3.6 mg/kg", " weekly", " hydrochloride", " #3", " q3w", " (oral)", " biosimilar"]
)


@given(st.sampled_from(CONJUGATE_SPELLINGS), st.data())
def test_a_conjugate_never_becomes_its_antibody(spelling, data):
    text, agent = spelling
    letters = []
    for sign in text:
        letters.append(data.draw(st.sampled_from([sign.lower(), sign.upper()])))
        if sign in " -":
            letters[-1] = data.draw(GAPS)
    written = "".join(letters) + data.draw(EXTRAS)
    match = DICTIONARY.match(written)
    assert match is None or match.agents == (agent,), written
    if set("/+,()") & set(written):
        return
    assert match is not None, written


@given(
    st.sampled_from(CONJUGATE_SPELLINGS),
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=12),
)
def test_a_conjugate_with_more_words_is_the_conjugate_or_unknown(spelling, more):
    match = DICTIONARY.match(f"{spelling[0]} {more}")
    assert match is None or CONJUGATES[spelling[1]] not in match.agents


@given(st.sampled_from(sorted(DICTIONARY.drugs)), st.sampled_from(["xyz", "zumab", "emtansine", "9"]))
def test_a_known_name_with_an_unknown_word_is_unknown_or_listed(agent, more):
    text = f"{DICTIONARY.label(agent)} {more}"
    match = DICTIONARY.match(text)
    assert match is None or key(text) in DICTIONARY.spellings


def test_every_listed_spelling_finds_its_own_agent():
    for agent, drug in DICTIONARY.drugs.items():
        for text, _ in drug.spellings:
            match = DICTIONARY.match(text)
            assert match is not None, text
            assert match.agents == (agent,), text
