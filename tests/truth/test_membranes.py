"""HER2 rims of invented slides: completeness, classes and scores as drawn, and what is no membrane."""

from dataclasses import replace

import numpy as np
import pytest

from sequela.bench.cells import from_labels
from sequela.bench.membranes import CLASSES, membrane_score
from sequela.bench.pictures import picture
from sequela.bench.stains import separate
from sequela.core.errors import DataError
from sequela.virtual.pictures import invented_slide

CUTS = (0.10, 0.30, 0.60)
NONE, FAINT, PATCHY, MODERATE, INTENSE = (0.0, 0.0), (0.4, 0.25), (0.5, 0.6), (1.0, 0.5), (1.0, 1.2)


def scored(rims, seed=1, cuts=CUTS, edition="2018", **drawn):
    """A slide with a frame of unstained cells around it, since those at the edge are not used."""
    slide = invented_slide(np.random.default_rng(seed), rims, **drawn)
    pad = 4
    colours = np.pad(slide.colours, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    cells, nuclei = (np.pad(part, pad) for part in (slide.cells, slide.nuclei))
    dab = separate(picture(colours)).dab
    return membrane_score(dab, from_labels(cells, nuclei), cuts, edition=edition)


def mixed(**shares):
    """120 cells of the kinds in per cent, the rest unstained, shuffled."""
    kinds = {"intense": INTENSE, "moderate": MODERATE, "patchy": PATCHY, "faint": FAINT}
    rims = [kinds[name] for name, share in shares.items() for _ in range(round(1.2 * share))]
    rims += [NONE] * (120 - len(rims))
    return [rims[at] for at in np.random.default_rng(3).permutation(120)]


def test_completeness_and_density_are_those_that_were_drawn():
    truth = [(share, 1.0) for share in (0.0, 0.25, 0.5, 0.75, 1.0) for _ in range(6)]
    cells = scored(truth).cells
    wrong = np.abs(cells["completeness"].to_numpy() - [share for share, _ in truth])
    assert wrong.max() <= 0.13  # three sectors of 24: the blur carries the ends of an arc on
    assert np.median(wrong) <= 0.05
    dark = [scored([(1.0, density)] * 12).cells["intensity"].median() for density in (0.3, 0.6, 1.2)]
    assert dark[0] < dark[1] < dark[2]
    assert np.array(dark) / [0.3, 0.6, 1.2] == pytest.approx(0.8, abs=0.15)


@pytest.mark.parametrize(
    ("shares", "in_2013", "in_2018"),
    [
        ({"intense": 30}, "3+", "3+"),
        ({"intense": 8, "moderate": 2}, "2+", "2+"),
        ({"moderate": 30}, "2+", "2+"),
        ({"patchy": 30}, "2+", None),  # moderate and incomplete: 2018 does not place it
        ({"faint": 40}, "1+", "1+"),
        ({"faint": 7}, "0", "0"),
        ({}, "0", "0"),
    ],
)
def test_the_score_is_the_one_of_the_edition(shares, in_2013, in_2018):
    for edition, score in (("2013", in_2013), ("2018", in_2018), ("2023", in_2018)):
        found = scored(mixed(**shares), edition=edition)
        assert found.score == score
        assert found.percent == pytest.approx(sum(shares.values()), abs=1)
        assert found.reason
    names = {"intense": 0, "moderate": 1, "patchy": 2, "faint": 3}
    for name, share in shares.items():
        assert found.shares[CLASSES[names[name]]] == pytest.approx(share, abs=1)
    assert sum(found.shares.values()) == pytest.approx(100)


def test_brown_cytoplasm_is_no_membrane():
    found = scored([NONE] * 60, inside=0.6)
    assert found.percent == 0
    assert scored([INTENSE] * 60, inside=0.3).score == "3+"


def test_outlines_two_pixels_off_still_find_the_rim():
    slide = invented_slide(np.random.default_rng(2), mixed(intense=50))
    dab = np.pad(separate(picture(slide.colours)).dab, 4)
    moved = np.roll(np.pad(slide.cells, 4), (2, -1), axis=(0, 1))
    found = membrane_score(dab, from_labels(moved), CUTS)
    assert found.score == "3+"
    assert found.shares["intense_complete"] == pytest.approx(50, abs=3)


def test_what_cannot_be_scored():
    assert [finding.code for finding in scored([INTENSE] * 20).findings] == ["I173"]
    slide = invented_slide(np.random.default_rng(1), [INTENSE], columns=1)
    cells = from_labels(slide.cells)
    with pytest.raises(DataError, match="I140"):
        membrane_score(np.zeros((5, 5)), cells, CUTS)
    edge = replace(cells, cells=np.ones_like(cells.cells))
    with pytest.raises(DataError, match="I144"):
        membrane_score(np.zeros(cells.cells.shape), edge, CUTS)
