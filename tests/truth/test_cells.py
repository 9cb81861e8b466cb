"""Cells: invented ones whose shares are known, real ones with known answers, and slow twins."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import nnls

from sequela.bench.cells import find_cells, find_nuclei, from_labels
from sequela.bench.colocalisation import colocalisation, costes
from sequela.bench.compartments import _non_negative, crops, estimate_blur, unmix
from sequela.bench.localisation import cell_means, localise, nuclear_ratio, per_experiment, pooled_blur
from sequela.bench.pictures import picture, read_picture
from sequela.core.errors import DataError
from sequela.virtual.pictures import invented_cells

DATA = Path(__file__).parent / "images"


@pytest.fixture(scope="module")
def field():
    return invented_cells(np.random.default_rng(1), membrane=0.6, nucleus=0.05, grid=4)


@pytest.mark.parametrize(("membrane", "blur"), [(0.6, 1.5), (0.6, 2.5), (0.3, 1.5)])
def test_known_shares_come_back(membrane, blur):
    """From the pictures alone: cells, outline and blur are all found, none is told."""
    made = invented_cells(np.random.default_rng(1), membrane=membrane, blur=blur, grid=4)
    cells = find_cells(made.nuclear, diameter=31, marker=made.target)
    assert cells.count == 16
    result = localise(picture(made.target), cells, modality="confocal")
    assert result.findings == ()
    assert result.blur == pytest.approx(blur, abs=0.15)
    means = result.cells.select("membrane", "cytoplasm", "nucleus").mean().row(0)
    assert means == pytest.approx((membrane, 0.95 - membrane, 0.05), abs=0.025)
    assert sum(means) == pytest.approx(1)


def test_a_wrong_blur_loses_the_membrane(field):
    """Why the blur is estimated: one pixel too little halves nothing in the picture, but much in the answer."""
    made = invented_cells(np.random.default_rng(1), membrane=0.6, blur=2.5, grid=3)
    cells = from_labels(made.cells, made.nuclei)
    wrong = localise(picture(made.target), cells, blur=1.2).cells["membrane"].mean()
    right = localise(picture(made.target), cells, blur=2.5).cells["membrane"].mean()
    assert abs(right - 0.6) < 0.03 < 0.05 < 0.6 - wrong


def test_a_ring_would_have_missed_it():
    """A ring of four pixels inside the true outline counts cytoplasm as membrane; unmixing does not."""
    from scipy import ndimage

    made = invented_cells(np.random.default_rng(4), membrane=0.15, grid=3)
    depth = ndimage.distance_transform_edt(made.cells > 0)
    above = made.target - np.median(made.target[made.cells == 0])
    ring = above[(depth > 0) & (depth <= 4)].sum() / above[made.cells > 0].sum()
    unmixed = localise(picture(made.target), from_labels(made.cells, made.nuclei)).cells["membrane"].mean()
    assert abs(unmixed - 0.15) < 0.03 < 0.1 < ring - 0.15


def test_one_blur_of_several_fields(field):
    made = [invented_cells(np.random.default_rng(seed), grid=2, blur=1.8) for seed in (1, 2)]
    pairs = [(picture(one.target), from_labels(one.cells, one.nuclei)) for one in made]
    assert pooled_blur(pairs) == pytest.approx(1.8, abs=0.15)


def test_scaling_and_turning_change_nothing(field):
    cells = from_labels(field.cells, field.nuclei)
    once = localise(picture(field.target), cells, blur=1.5, ground=100).cells["membrane"].to_numpy()
    twice = localise(picture(2.0 * field.target), cells, blur=1.5, ground=200).cells["membrane"].to_numpy()
    assert np.allclose(once, twice, atol=1e-4)
    turned = from_labels(np.rot90(field.cells), np.rot90(field.nuclei))
    other = (
        localise(picture(np.rot90(field.target)), turned, blur=1.5, ground=100).cells["membrane"].to_numpy()
    )
    assert np.allclose(once, other, atol=0.01)


def test_non_negative_least_squares_against_scipy():
    rng = np.random.default_rng(3)
    for _ in range(200):
        a, b = rng.normal(size=(12, 3)), rng.normal(size=12)
        ours, loss = _non_negative(a.T @ a, a.T @ b, float(b @ b))
        theirs, norm = nnls(a, b)
        assert np.allclose(ours, theirs, atol=1e-8)
        assert loss == pytest.approx(norm**2, abs=1e-8)


def test_cell_means_against_a_loop(field):
    ours = cell_means(field.cells, field.target, field.nuclear)
    slow = [
        [one[field.cells == label].mean() for one in (field.target, field.nuclear)] for label in range(1, 17)
    ]
    assert np.allclose(ours, slow)


def test_translocation_of_real_cells():
    """BBBC014: p65 lies in the nucleus of stimulated cells (A01) and outside it in unstimulated ones (A12)."""
    medians = {}
    for well in ("A01", "A12"):
        dna, p65 = (read_picture(DATA / "bbbc014" / f"Channel{at}-{well}.png").pixels for at in (2, 1))
        nuclei, _ = find_nuclei(dna, diameter=24)
        ratios = nuclear_ratio(p65 - np.percentile(p65, 5), nuclei)
        assert len(ratios) > 50
        medians[well] = float(np.median(list(ratios.values())))
    assert medians["A01"] > 2.0
    assert medians["A12"] == pytest.approx(1.0, abs=0.2)


def test_mitoses_and_cortex_of_real_cells():
    """HT29: phospho-histone H3 in a small minority of nuclei; actin lies at borders, DNA in nuclei."""
    dna, ph3, actin = (
        read_picture(DATA / "ht29" / f"AS_09125_050116030001_D03f00d{at}.tif") for at in range(3)
    )
    nuclei, _ = find_nuclei(dna.pixels, diameter=16, smooth=1.0)
    assert 270 <= nuclei.max() <= 320
    level = cell_means(nuclei, ph3.pixels)[:, 0]
    assert 0.02 < np.mean(level > 3 * np.median(level)) < 0.12
    part = slice(0, 200), slice(0, 200)
    cells = find_cells(dna.pixels[part], diameter=16, marker=actin.pixels[part])
    shares = {
        name: localise(picture(one.pixels[part]), cells, blur=1.5)
        .cells.filter(pl.col("unused").is_null())[which]
        .median()
        for name, one, which in (("actin", actin, "membrane"), ("dna", dna, "nucleus"))
    }
    assert shares["actin"] > 0.15
    assert shares["dna"] > 0.6


def test_labels_of_ones_own():
    cells = np.zeros((20, 20), int)
    cells[2:10, 2:10], cells[2:10, 12:18] = 3, 7
    nuclei = np.zeros_like(cells)
    nuclei[4:7, 4:7], nuclei[4:7, 9:14], nuclei[15:17, 15:17] = 1, 2, 3
    own = from_labels(cells, nuclei)
    assert own.count == 2
    assert set(np.unique(own.nuclei)) == {0, 3, 7}
    assert (own.nuclei == 7).sum() == 3 * 2  # the part inside its cell
    assert own.left_out == (("nucleus without a cell", 1),)
    for wrong in (np.zeros((4, 4)), np.full((4, 4), 0.5), -np.ones((4, 4)), np.ones((4, 4, 2))):
        with pytest.raises(DataError, match="I142"):
            from_labels(wrong)
    with pytest.raises(DataError, match="I140"):
        from_labels(cells, nuclei[:-1])


def test_cells_fields_and_experiments():
    rows = [("TP", "1", "a", v) for v in (0.1, 0.2, 0.9)] + [("TP", "1", "b", 0.4), ("TP", "2", "a", 0.3)]
    frame = pl.DataFrame(rows, schema=["culture", "experiment", "field", "membrane"], orient="row")
    frame = frame.with_columns(unused=pl.lit(None, pl.String))
    values = per_experiment(frame, "membrane")
    assert values.rows() == [("TP", "1", pytest.approx(0.3), 2, 4), ("TP", "2", 0.3, 1, 1)]


def test_what_is_wrong_is_said(field):
    cells = from_labels(field.cells, field.nuclei)
    clipped = np.minimum(field.target, np.percentile(field.target, 95)).astype(np.uint16)
    result = localise(picture(clipped, ceiling=float(clipped.max())), cells, blur=1.5)
    assert {"I104", "I152", "I153"} <= {finding.code for finding in result.findings}
    bad = result.cells["unused"] == "saturated"
    assert bad.sum() > 8
    named = result.cells.with_columns(culture=pl.lit("a"), experiment=pl.lit("1"), field=pl.lit("f"))
    assert per_experiment(named, "mean")["cells"].to_list() == [16 - bad.sum()]
    assert per_experiment(named.filter(bad), "mean").is_empty()
    with pytest.raises(DataError, match="I140"):
        localise(picture(field.target[:-1]), cells)
    with pytest.raises(DataError, match="I140"):
        find_cells(field.nuclear, diameter=31, marker=field.target[:, :-1])
    with pytest.raises(DataError, match="I141"):
        find_cells(np.zeros((50, 50)), diameter=20)
    crowded = from_labels(np.kron(np.arange(1, 17).reshape(4, 4), np.ones((20, 20), int)))
    tight = localise(
        picture(np.random.default_rng(0).poisson(100, (80, 80)).astype(np.uint16)),
        crowded,
        modality="confocal",
    )
    assert "I150" in {finding.code for finding in tight.findings}
    assert "I143" in {finding.code for finding in find_cells(_with_dirt(field.nuclear), diameter=31).findings}


def _with_dirt(nuclear):
    dirty = nuclear.copy()
    for row in range(2, 310, 26):
        for column in range(2, 310, 26):
            dirty[row : row + 9, column : column + 9] = 1800
    return dirty


def test_a_cell_without_signal_has_a_reason(field):
    (one,) = crops(np.zeros_like(field.target), np.where(field.cells == 6, 1, 0), field.nuclei, 0.0)
    assert unmix(one, 1.5).reason == "no signal above the ground"
    assert all(np.isnan(unmix(one, 1.5).fractions))
    assert np.isnan(estimate_blur([]))


def test_colocalisation_by_hand_and_by_costes():
    a = np.array([[0.0, 10, 20], [30, 0, 40]])
    b = np.array([[5.0, 0, 20], [10, 0, 30]])
    given = colocalisation(a, b, thresholds=(5, 7))
    assert given.m1 == pytest.approx((20 + 30 + 40) / (10 + 20 + 30 + 40))
    assert given.m2 == pytest.approx(1.0)
    assert given.pearson == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert (given.thresholds, given.how) == ((5, 7), "given")
    rng = np.random.default_rng(1)
    truth = rng.gamma(0.3, 200, 4000)
    first, second = rng.poisson(50 + truth), rng.poisson(80 + 0.5 * truth)
    low = costes(first.astype(float), second.astype(float))
    under = (first < low[0]) | (second < low[1])
    assert abs(np.corrcoef(first[under], second[under])[0, 1]) < 0.05
    assert colocalisation(first, second).how == "Costes"
    mask = np.zeros((2, 3), bool)
    with pytest.raises(DataError, match="I144"):
        colocalisation(a, b, mask)
    with pytest.raises(DataError, match="I140"):
        colocalisation(a, b[:1])
    assert colocalisation(np.ones((2, 2)), np.eye(2)).reason == "a stain does not vary"
    assert colocalisation(a, b, thresholds=(99, 99)).reason == "no pixel above a threshold"


def test_colocalisation_against_scikit_image():
    from skimage.measure import manders_coloc_coeff, pearson_corr_coeff

    rng = np.random.default_rng(5)
    a, b = rng.gamma(1, 50, (40, 40)), rng.gamma(1, 50, (40, 40))
    b += 0.5 * a
    ours = colocalisation(a, b, thresholds=(-1.0, 60.0))
    assert ours.m1 == pytest.approx(manders_coloc_coeff(a, b > 60))
    assert ours.pearson == pytest.approx(pearson_corr_coeff(a, b)[0])


def test_the_extra_is_named(monkeypatch):
    from sequela.bench.pictures import images_extra
    from sequela.core.errors import UsageError

    with pytest.raises(UsageError, match=r"sequela\[images\]"):
        images_extra("no_such_package_of_ours")
