"""IHC: Table 1 of the SePHER paper, exact tests of pairs, and stains that were mixed by us."""

import numpy as np
import polars as pl
import pytest

from sequela.bench.biopsies import biopsies
from sequela.bench.pictures import picture
from sequela.bench.stains import H_DAB, h_score, separate, stain_vectors
from sequela.core.errors import DataError
from sequela.estimates.paired import paired_exact

# Bon et al., J Exp Clin Cancer Res 2020; 39: 279, Table 1.
TABLE_1 = pl.DataFrame(
    [
        ("1", "before", 90, 90, "2+", 70, "amplified"), ("1", "after", 90, 90, "0", 0, "ambiguous_dash"),
        ("2", "before", 90, 40, "2+", 30, "amplified"), ("2", "after", 90, 60, "1+", 30, "ambiguous_dash"),
        ("3", "before", 46, 0, "2+", 100, "amplified"), ("3", "after", 75, 18, "1+", 15, "amplified"),
        ("4", "before", 88, 42, "3+", 100, "ambiguous_dash"), ("4", "after", 99, 1, "1+", 60, "amplified"),
    ],
    schema=["patient", "time", "er", "pgr", "score", "percent", "ish"], orient="row",
)  # fmt: skip


@pytest.mark.parametrize("edition", ["2013", "2018", "2023"])
def test_score_loss_is_not_status_loss(edition):
    found = biopsies(TABLE_1, edition)
    assert found.changes["status_before"].to_list() == ["positive"] * 4
    assert found.changes["score_lower"].to_list() == [True] * 4
    assert found.changes["status_after"].to_list() == ["negative", "negative", "positive", "positive"]
    assert found.changes["status_lost"].to_list() == [True, True, False, False]
    third = found.table.filter((pl.col("patient") == "3") & (pl.col("time") == "before"))
    assert third["pgr_status"].to_list() == ["negative"]
    assert [finding.code for finding in found.findings] == ["I162"]


def test_four_pairs_cannot_reach_0_05():
    found = biopsies(TABLE_1)
    scores = paired_exact(*found.pair("score"))
    assert (scores.lower, scores.higher, scores.equal) == (4, 0, 0)
    assert scores.sign.p == scores.ranks.p == scores.least_p == 0.125
    assert "smallest two-sided p is 0.125: no result could be significant" in scores.sentence
    assert (scores.share_lower.lower, scores.share_lower.upper) == (pytest.approx(0.3976, abs=1e-4), 1.0)
    percent = paired_exact(*found.pair("percent"))
    assert (percent.lower, percent.higher, percent.equal) == (3, 0, 1)
    assert percent.sign.p == 0.25
    assert [paired_exact(np.arange(n) + 1.0, np.zeros(n)).least_p for n in (5, 6)] == [0.0625, 0.03125]


def test_exact_tests_against_scipy():
    from scipy.stats import binomtest, wilcoxon

    rng = np.random.default_rng(2)
    for _ in range(40):
        change = rng.permutation(np.arange(1, 10))[:7] * rng.choice([-1.0, 1.0], 7)
        ours = paired_exact(np.zeros(7), change)
        assert ours.ranks.p == pytest.approx(wilcoxon(change, method="exact").pvalue)
        assert ours.sign.p == pytest.approx(binomtest(int((change < 0).sum()), 7).pvalue)
        limits = binomtest(int((change < 0).sum()), 7).proportion_ci(method="exact")
        assert (ours.share_lower.lower, ours.share_lower.upper) == pytest.approx((limits.low, limits.high))
    none = paired_exact([1, 2, np.nan], [1, 2, 3])
    assert none.sign.reason == "no pair differs"
    assert none.sentence.endswith("nothing to test.")
    assert paired_exact(np.arange(20.0), np.zeros(20)).ranks.reason == "more than 18 pairs"


def test_wrong_tables_are_refused():
    for wrong in (
        TABLE_1.drop("ish"),
        pl.concat([TABLE_1, TABLE_1]),
        TABLE_1.with_columns(time=pl.lit("later")),
    ):
        with pytest.raises(DataError, match="I160"):
            biopsies(wrong)
    assert [one.code for one in biopsies(TABLE_1[:-1]).findings] == ["I162", "I161"]


def mixed(rng, vectors=H_DAB):
    unit = np.asarray(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    amounts = rng.gamma(0.6, 0.4, (60, 60, 2))
    amounts[:6] = 0
    light = 10 ** (-np.clip(amounts, 0, 1.2) @ unit) * 60001 - 1
    return np.clip(amounts, 0, 1.2), np.round(np.clip(light, 0, 65535)).astype(np.uint16)


def test_mixed_stains_are_separated():
    amounts, pixels = mixed(np.random.default_rng(1))
    found = separate(picture(pixels), white=(60000, 60000, 60000))
    assert np.abs(found.haematoxylin - amounts[..., 0]).max() < 0.002
    assert np.abs(found.dab - amounts[..., 1]).max() < 0.002
    assert found.residual < 0.001
    vectors = stain_vectors(picture(pixels))
    assert np.allclose(vectors, H_DAB / np.linalg.norm(H_DAB, axis=1, keepdims=True), atol=0.05)


def test_a_real_slide_against_scikit_image():
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry

    slide = immunohistochemistry()
    found = separate(picture(slide))
    assert np.corrcoef(found.dab.ravel(), rgb2hed(slide)[..., 2].ravel())[0, 1] > 0.98
    assert found.residual < 0.1


def test_h_score_by_hand():
    score, positive, shares = h_score([0.05, 0.1, 0.3, 0.3, 0.6, 0.1, np.nan], (0.1, 0.25, 0.5))
    assert score == pytest.approx((2 * 1 + 2 * 2 + 1 * 3) / 6 * 100)
    assert positive == pytest.approx(500 / 6)
    assert sum(shares.values()) == pytest.approx(100)
    with pytest.raises(DataError, match="I144"):
        h_score([], (0.1, 0.2, 0.3))


def test_slides_that_cannot_be_used():
    with pytest.raises(DataError, match="I170"):
        separate(picture(np.zeros((5, 5), np.uint8)))
    with pytest.raises(DataError, match="I172"):
        stain_vectors(picture(np.full((5, 5, 3), 250, np.uint8)))
    green = np.random.default_rng(1).integers(0, 255, (30, 30, 3)).astype(np.uint8)
    assert "I171" in {one.code for one in separate(picture(green)).findings}
