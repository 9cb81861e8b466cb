"""Every fault planted in a registry is named in its place, no row is lost, and clean registries are left in peace."""

import pytest
from bench import corrupted

from sequela.cli.codes import catalogue
from sequela.clinic.checks import rules


def _sound(seed):
    found = corrupted.outcome(seed)
    assert [(place.kind.name, place.words()) for place in found.missed] == []
    assert found.lost == []
    assert {name: said for name, said in found.files.items() if said} == {}
    return found


def test_every_fault_of_a_registry_is_named_in_its_place():
    found = _sound(0)
    kinds = {place.kind.name for place in found.planted}
    assert len(kinds) >= 60
    assert len(found.planted) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 25))
def test_every_fault_of_25_registries_is_named_in_its_place(seed):
    _sound(seed)


@pytest.mark.slow
def test_rules_of_chance_seldom_speak_without_a_fault():
    spoken, grave = corrupted.alarms(60)
    # At most 1 % a rule and registry: more than 4 of 60 has a probability under 0.001.
    assert all(spoken[code] <= 4 for code in corrupted.STATISTICAL), spoken
    assert grave == {}


def test_a_fault_that_nobody_planted_would_be_missed():
    """The comparison itself can fail: without its finding a place counts as missed."""
    registry, places = corrupted.corrupted(3)
    assert corrupted.missed(places, registry, ()) == places


def test_kinds_name_codes_that_exist():
    known = set(catalogue())
    every = (*corrupted.KINDS, *corrupted.CENTRE_KINDS, *corrupted.FILE_FAULTS)
    assert {code for kind in every for code in kind.codes} <= known
    assert len({code for kind in every for code in kind.codes} & set(rules())) >= 50
