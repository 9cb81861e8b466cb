"""The dictionary file: what it must hold, and the one clear error when it does not."""

import pytest

from sequela.clinic.drugs import read_dictionary
from sequela.core.errors import DataError

HEAD = 'name = "x"\nversion = "1"\n'
DRUG = '[drugs.a]\nname = "alpha"\nclasses = ["one"]\nbrands = ["Alef"]\n'


def written(tmp_path, text):
    path = tmp_path / "drugs.toml"
    path.write_text(text, "utf-8")
    return path


def refused(tmp_path, text):
    with pytest.raises(DataError) as caught:
        read_dictionary(written(tmp_path, text))
    (finding,) = caught.value.findings
    assert finding.where.file == str(tmp_path / "drugs.toml")
    assert finding.remedy
    return finding


def test_a_small_dictionary(tmp_path):
    dictionary = read_dictionary(written(tmp_path, HEAD + DRUG))
    assert (dictionary.name, dictionary.version, dictionary.agents) == ("x", "1", ("a",))
    assert dictionary.classes("a") == {"one"}
    assert dictionary.label("a") == "alpha"
    assert dictionary.match("ALEF").rule == "brand"
    assert dictionary.match("alpha").rule == "name"
    assert dictionary.match("beta") is None
    assert dictionary.match("alpha or placebo") is None, "no placeholder in this dictionary"
    assert len(dictionary.sha256) == 64


@pytest.mark.parametrize(
    "text", ["", "name = ", HEAD + "[drugs.a]\nname = 'alpha'\n", HEAD + DRUG + "brand = ['A']\n"]
)
def test_no_dictionary(tmp_path, text):
    assert refused(tmp_path, text).code == "D401"


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="D401"):
        read_dictionary(tmp_path / "none.toml")


def test_one_spelling_two_drugs(tmp_path):
    finding = refused(
        tmp_path, HEAD + DRUG + '[drugs.b]\nname = "beta"\nclasses = ["one"]\nsynonyms = ["a-lef"]\n'
    )
    assert finding.code == "D402"
    assert finding.found == "a and b"


def test_combination_of_an_unknown_agent(tmp_path):
    finding = refused(tmp_path, HEAD + DRUG + '[[combinations]]\nname = "ab"\nagents = ["a", "b"]\n')
    assert (finding.code, finding.found) == ("D403", "b")


def test_suggestions_are_near_and_never_a_match():
    dictionary = read_dictionary()
    assert dictionary.match("letrozzole") is None
    assert dictionary.suggest("letrozzole")[0] == "letrozole"
    assert dictionary.suggest("qqqqqq") == []


def test_the_shipped_dictionary_keeps_its_promises():
    dictionary = read_dictionary()
    by_class = {}
    for agent in dictionary.agents:
        for name in dictionary.classes(agent):
            by_class.setdefault(name, set()).add(agent)
    assert by_class["platinum"] >= {"carboplatin", "cisplatin", "oxaliplatin"}
    assert by_class["taxane"] >= {"paclitaxel", "docetaxel", "nab_paclitaxel", "unspecified_taxane"}
    assert by_class["antibody_drug_conjugate"].isdisjoint(by_class["anti_her2_mab"])
    assert not set(by_class) & set(dictionary.agents), "a class and an agent may not share a name"
    assert by_class["aromatase_inhibitor"] <= by_class["endocrine"]
