"""Blots: published band tables and a published gel, and invented blots whose truth is known."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sequela.bench.bands import normalised_bands, purified, rescaled_series, to_reference
from sequela.bench.blots import measure_blot
from sequela.bench.fractions import purify
from sequela.bench.pictures import picture, read_picture
from sequela.core.errors import DataError
from sequela.virtual.pictures import invented_blot

DATA = Path(__file__).parent / "images"


def test_published_band_series():
    """Imoto et al., iScience 2022: 192 means and standard errors, printed with three decimals."""
    bands = pl.read_csv(DATA / "erbb" / "band_intensity.csv")
    published = pl.read_csv(DATA / "erbb" / "expected.csv")
    ours = rescaled_series(bands, ["cell_line", "target"], value="band_intensity")
    both = ours.join(published, on=["cell_line", "target", "ligand", "minutes"], suffix="_published")
    assert both.height == published.height == 192
    assert set(both["n"]) == {3}
    for name in ("mean", "sem"):
        assert (both[name] - both[f"{name}_published"]).abs().max() <= 0.0005 + 1e-9


GELS = [
    ("a", "upper", 0, (30, 205), 300 - 290, (75, 155)),
    ("a", "lower", 5, (35, 208), 800 - 790, (75, 145)),
    ("b", "upper", 0, (390, 565), 300 - 290, (70, 140)),
    ("b", "lower", 5, (390, 565), 800 - 790, (70, 140)),
]


@pytest.mark.parametrize(("protein", "gel", "first", "columns", "top", "rows"), GELS)
def test_published_gel(protein, gel, first, columns, top, rows):
    """Harman et al., eLife 2020: band areas relative to the first lane, quantified there with another tool."""
    whole = read_picture(DATA / "gel" / f"{gel}.png")
    crop = picture(whole.pixels[top : top + 150 + 30, columns[0] : columns[1]])
    blot = measure_blot(crop, lanes=5, rows=[rows], dark=True, straighten=False)
    volumes = blot.frame()["volume"].to_numpy()
    published = json.loads((DATA / "gel" / "expected.json").read_text("utf-8"))[protein][first : first + 5]
    assert np.abs(volumes / volumes[0] - published).max() < 0.1
    assert {finding.code for finding in blot.findings} >= {"I103", "I106"}


def test_invented_blots_give_back_their_amounts():
    errors, lanes_right, clipped_found = [], 0, 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lanes = int(rng.integers(4, 9))
        target, load = np.exp(rng.normal(0, 0.6, lanes)), np.exp(rng.normal(0, 0.15, lanes))
        pixels = invented_blot(
            rng, [target * load, load], degrees=float(rng.uniform(-1.5, 1.5)) if seed % 2 else 0
        )
        blot = measure_blot(picture(pixels), bands=["HER2", "tubulin"])
        lanes_right += len(blot.lanes) == lanes
        volumes = blot.frame()["volume"].to_numpy().reshape(-1, 2)
        ours, truth = np.log2(volumes[:, 0] / volumes[:, 1]), np.log2(target)
        errors.extend(np.abs(ours - ours.mean() - truth + truth.mean()))
        limit = int(0.6 * pixels.max())
        cut = measure_blot(
            picture(np.minimum(pixels, limit).astype(np.uint16), ceiling=limit), lanes=lanes, bands=2
        )
        clipped_found += any(one.reason == "saturated: at least this much" for one in cut.bands)
        assert "I112" in {finding.code for finding in cut.findings}
    assert lanes_right == 5
    assert clipped_found == 5
    assert np.median(errors) < 0.02
    assert np.percentile(errors, 95) < 0.08


def test_a_turned_and_an_inverted_blot_are_the_same_blot():
    rng = np.random.default_rng(2)
    pixels = invented_blot(rng, [[1, 0.5, 2, 1], [1, 1, 1, 1]])
    bright = measure_blot(picture(pixels), lanes=4, bands=2, straighten=False).frame()["volume"].to_numpy()
    dark = (
        measure_blot(picture(60000 - pixels), lanes=4, bands=2, straighten=False).frame()["volume"].to_numpy()
    )
    assert np.allclose(bright, dark)
    mirrored = measure_blot(picture(pixels[:, ::-1]), lanes=4, bands=2, straighten=False).frame()
    back = mirrored["volume"].to_numpy().reshape(4, 2)[::-1].ravel()
    assert np.allclose(np.log(back / bright), 0, atol=0.05)


def test_an_empty_lane_is_not_detected():
    pixels = invented_blot(np.random.default_rng(5), [[1, 0, 1, 1], [1, 1, 1, 1]], smear=0)
    blot = measure_blot(picture(pixels), lanes=4, bands=["HER2", "load"])
    reasons = {(one.name, one.lane): one.reason for one in blot.bands}
    assert reasons["HER2", 2] == "not detected"
    assert all(reason is None for key, reason in reasons.items() if key != ("HER2", 2))


def test_what_cannot_be_measured_is_refused(tmp_path):
    from PIL import Image

    pixels = invented_blot(np.random.default_rng(1), [[1, 1, 1], [1, 1, 1]])
    path = tmp_path / "blot.jpg"
    Image.fromarray((pixels / 256).astype(np.uint8)).save(path)
    with pytest.raises(DataError, match="I102"):
        measure_blot(read_picture(path), lanes=3)
    with pytest.raises(DataError, match="I111"):
        measure_blot(picture(pixels), lanes=3, bands=60)
    with pytest.raises(DataError, match="I101"):
        picture(np.full((4, 4), np.nan))
    with pytest.raises(DataError, match="I101"):
        read_picture(tmp_path / "absent.tif")
    path.with_suffix(".png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="I101"):
        read_picture(path.with_suffix(".png"))


def test_a_camera_of_twelve_bits_behind_sixteen(tmp_path):
    import tifffile

    pixels = np.minimum(invented_blot(np.random.default_rng(3), [[1, 2, 3]], gain=3000), 4095).astype(
        np.uint16
    )
    tifffile.imwrite(tmp_path / "blot.tif", pixels)
    read = read_picture(tmp_path / "blot.tif")
    assert read.ceiling == 4095
    assert {"I104", "I105"} <= {finding.code for finding in read.findings}
    assert len(read.sha256) == 64


def table(**more):
    rows = {
        "blot": ["b1"] * 6 + ["b2"] * 6,
        "experiment": ["1"] * 6 + ["2"] * 6,
        "lane": ["1", "2"] * 6,
        "culture": ["CTR", "TP"] * 6,
        "target": ["pHER2", "pHER2", "HER2", "HER2", "tubulin", "tubulin"] * 2,
        "value": [8.0, 2.0, 10.0, 4.0, 2.0, 1.0, 16.0, 6.0, 20.0, 8.0, 4.0, 2.0],
    }
    return pl.DataFrame(rows | more)


def test_ratios_by_hand():
    ratios, findings = normalised_bands(table(), "tubulin", phospho={"pHER2": "HER2"})
    assert findings == ()
    found = {
        (one["experiment"], one["culture"], one["target"]): one["ratio"]
        for one in ratios.iter_rows(named=True)
    }
    assert found["1", "CTR", "HER2"] == 5.0
    assert found["1", "TP", "HER2"] == 4.0
    assert found["1", "TP", "pHER2/HER2"] == pytest.approx(0.5)
    assert found["2", "CTR", "pHER2/HER2"] == pytest.approx(0.8)
    relative, none = to_reference(ratios, "CTR")
    assert none == ()
    own = relative.filter((pl.col("culture") == "TP") & (pl.col("target") == "HER2"))
    assert own["relative"].to_list() == [0.8, 0.8]


def test_nothing_is_silently_averaged():
    values = table()["value"].to_list()
    missing = table().filter(
        ~((pl.col("target") == "tubulin") & (pl.col("blot") == "b2") & (pl.col("lane") == "2"))
    )
    ratios, findings = normalised_bands(missing, "tubulin", phospho={"pHER2": "HER2"})
    assert [finding.code for finding in findings] == ["I122", "I125"]
    assert "no tubulin in its lane" in ratios["unused"].to_list()
    reasons = [None] * 12
    reasons[4] = "saturated: at least this much"
    ratios, findings = normalised_bands(table(reason=reasons), "tubulin")
    hit = ratios.filter((pl.col("blot") == "b1") & (pl.col("lane") == "1"))
    assert hit["unused"].to_list() == ["tubulin: saturated: at least this much"] * 2
    assert hit["ratio"].to_list() == [None, None]
    assert [f.code for f in normalised_bands(table(), None)[1]] == ["I121"]
    uneven = [*values[:5], 7.0, *values[6:]]
    assert "I123" in [f.code for f in normalised_bands(table(value=uneven), "tubulin")[1]]
    heat = table().with_columns(pl.col("target").replace("tubulin", "HSP70"))
    assert [f.code for f in normalised_bands(heat, "HSP70", stressed=True)[1]] == ["I124"]
    _, findings = to_reference(
        normalised_bands(table().filter(pl.col("culture") == "TP"), "tubulin")[0], "CTR"
    )
    assert [f.code for f in findings] == ["I126"]
    with pytest.raises(DataError, match="I120"):
        normalised_bands(table().drop("blot"), "tubulin")
    twice = pl.concat([table(), table().filter(pl.col("target") == "HER2")])
    assert "I125" in [f.code for f in normalised_bands(twice, "tubulin", phospho={"pHER2": "HER2"})[1]]


def mixed(nuclear, cytoplasmic, into=0.08, out=0.05):
    """A pair of fractions that hold a share of each other: N holds `into` of the cytoplasm, C `out` of the nucleus."""
    return nuclear + into * cytoplasmic, cytoplasmic + out * nuclear


def test_fractions_are_freed_of_each_other():
    into, out = 0.08, 0.05
    rows = []
    for name, (n, c) in {"HER2": (3.0, 10.0), "lamin A": (8.0, 0.0), "tubulin": (0.0, 12.0)}.items():
        for fraction, value in zip("NC", mixed(n, c), strict=True):
            rows.append(("b", "1", fraction, "TP", name, value, fraction, "e1"))
    names = ["blot", "lane", "_", "culture", "target", "value", "fraction", "experiment"]
    frame = pl.DataFrame(rows, schema=names, orient="row").drop("_")
    (one,), findings = purify(frame, nuclear="lamin A", cytoplasmic="tubulin")
    assert (one.a, one.b) == pytest.approx((into, out))
    assert (one.nuclear_pure, one.cytoplasmic_pure) == pytest.approx((3.0, 10.0))
    assert one.share == pytest.approx(3 * 1.05 / (3 * 1.05 + 10 * 1.08))
    assert [finding.code for finding in findings] == ["I133"]
    without = frame.filter(pl.col("target") != "lamin A")
    (bare,), findings = purify(without, nuclear="lamin A", cytoplasmic="tubulin", membrane="E-cadherin")
    assert bare.reason == "purity not measured"
    assert np.isnan(bare.nuclear_pure)
    assert [finding.code for finding in findings] == ["I130"]
    dirty = frame.with_columns(
        pl.when((pl.col("target") == "tubulin") & (pl.col("fraction") == "N"))
        .then(6.0)
        .otherwise("value")
        .alias("value")
    )
    (worse,), findings = purify(dirty, nuclear="lamin A", cytoplasmic="tubulin", membrane="E-cadherin")
    assert worse.reason == "a corrected amount is below zero"
    assert [finding.code for finding in findings] == ["I131", "I132"]


def test_the_error_of_a_corrected_fraction():
    """The delta method against ten thousand draws."""
    rng = np.random.default_rng(4)
    n, c, markers = 3.8, 10.2, {"tn": 0.96, "tc": 12.0, "lc": 0.4, "ln": 8.0}
    noise = rng.normal(1, 0.02, (6, 10000))
    a, b = (
        markers["tn"] * noise[0] / (markers["tc"] * noise[1]),
        markers["lc"] * noise[2] / (markers["ln"] * noise[3]),
    )
    drawn = (n * noise[4] - a * c * noise[5]) / (1 - a * b)
    (value, se), _ = purified(n, c, 0.08, 0.05, cv=0.02)
    assert value == pytest.approx(drawn.mean(), rel=0.002)
    assert se == pytest.approx(drawn.std(), rel=0.05)
