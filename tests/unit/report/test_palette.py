"""The palette is measured: CIECAM02 (CIE 159:2004), its uniform space, simulated colour vision."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from sequela.report.figures.fields import CELL, NUCLEUS
from sequela.report.figures.rasters import MARK
from sequela.report.palette import INK, MUTED, PALETTE, PAPER, WARNING, tint

LINEAR_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])
HPE = np.array([[0.38971, 0.68898, -0.07868], [-0.22981, 1.18340, 0.04641], [0.0, 0.0, 1.0]])
# Machado, Oliveira and Fernandes (2009), severity 1.0
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    luminance = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) for colour in (one, other))
    return (luminance[1] + 0.05) / (luminance[0] + 0.05)


def ciecam02(xyz: np.ndarray, white: np.ndarray, adapting: float) -> tuple[float, float, float]:
    """Lightness J, colourfulness M and hue angle h in degrees; average surround, background 20."""
    k = 1 / (5 * adapting + 1)
    level = 0.2 * k**4 * 5 * adapting + 0.1 * (1 - k**4) ** 2 * (5 * adapting) ** (1 / 3)
    n = 20 / white[1]
    n_bb, z = 0.725 * n**-0.2, 1.48 + n**0.5
    degree = 1 - np.exp((-adapting - 42) / 92) / 3.6

    def response(stimulus: np.ndarray) -> np.ndarray:
        adapted = (degree * white[1] / (CAT02 @ white) + 1 - degree) * (CAT02 @ stimulus)
        cones = HPE @ np.linalg.inv(CAT02) @ adapted
        power = (level * np.abs(cones) / 100) ** 0.42
        return np.sign(cones) * 400 * power / (power + 27.13) + 0.1

    def achromatic(signal: np.ndarray) -> float:
        return float((2 * signal[0] + signal[1] + signal[2] / 20 - 0.305) * n_bb)

    signal = response(xyz)
    a = signal[0] - 12 * signal[1] / 11 + signal[2] / 11
    b = (signal[0] + signal[1] - 2 * signal[2]) / 9
    hue = np.arctan2(b, a)
    eccentricity = 0.25 * (np.cos(hue + 2) + 3.8)
    t = 50000 / 13 * n_bb * eccentricity * np.hypot(a, b) / (signal[0] + signal[1] + 21 * signal[2] / 20)
    lightness = 100 * (achromatic(signal) / achromatic(response(white))) ** (0.69 * z)
    chroma = t**0.9 * (lightness / 100) ** 0.5 * (1.64 - 0.29**n) ** 0.73
    return lightness, float(chroma * level**0.25), float(np.degrees(hue) % 360)


def cam02_ucs(rgb: np.ndarray) -> np.ndarray:
    """J', a', b' of Luo, Cui and Li (2006), sRGB viewing conditions."""
    lightness, colourfulness, hue = ciecam02(
        100 * LINEAR_TO_XYZ @ rgb, 100 * LINEAR_TO_XYZ @ np.ones(3), 64 / np.pi / 5
    )
    radius = np.log(1 + 0.0228 * colourfulness) / 0.0228
    angle = np.radians(hue)
    return np.array(
        [1.7 * lightness / (1 + 0.007 * lightness), radius * np.cos(angle), radius * np.sin(angle)]
    )


def nearest(colours: list[str], vision: str) -> float:
    seen = [cam02_ucs(np.clip(VISION[vision] @ linear(colour), 0, 1)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


def test_ciecam02_gives_the_published_worked_example() -> None:
    """CIE 159:2004: XYZ 19.01, 20.00, 21.78 under white 95.05, 100, 108.88 at 318.31 cd/m²."""
    j, m, h = ciecam02(np.array([19.01, 20.0, 21.78]), np.array([95.05, 100.0, 108.88]), 318.31)
    assert j == pytest.approx(41.73, abs=0.01)
    assert m == pytest.approx(0.1088, abs=0.0005)
    assert h == pytest.approx(219.0, abs=0.1)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("count", "least"), [(2, 45), (3, 19), (4, 17.5), (5, 17.5), (6, 16)])
def test_colours_stay_apart(vision: str, count: int, least: float) -> None:
    assert nearest([colour.line for colour in PALETTE[:count]], vision) >= least


def test_the_measure_refuses_a_palette_that_is_known_to_fail() -> None:
    """The first five hues of ggplot2 under deuteranopia."""
    assert nearest(["#F8766D", "#A3A500", "#00BF7D", "#00B0F6", "#E76BF3"], "deuteranopia") < 10
    assert contrast("#00BFC4", PAPER) < 3


def test_lines_and_words_have_contrast_on_white() -> None:
    assert all(contrast(colour.line, PAPER) >= 3 for colour in PALETTE)
    assert all(contrast(colour.text, PAPER) >= 4.5 for colour in PALETTE)
    assert all(contrast(colour, PAPER) >= 4.5 for colour in (INK, MUTED, WARNING))


@pytest.mark.parametrize("vision", VISION)
def test_outlines_in_pictures_stay_apart_and_off_the_dark(vision: str) -> None:
    assert nearest([CELL, NUCLEUS, PAPER], vision) >= 17.5
    assert nearest(["#FF00FF", "#00FF00"], vision) >= 45  # two stains
    assert (
        nearest(["#{:02X}{:02X}{:02X}".format(*MARK), PAPER, "#000000"], vision) >= 35
    )  # the camera's limit
    assert all(contrast(colour, "#000000") >= 7 for colour in (CELL, NUCLEUS))


def test_ink_is_readable_on_every_fill() -> None:
    fills = [tint(colour.line, strength) for colour in PALETTE for strength in (0.5, 0.22)]
    assert all(contrast(INK, fill) >= 4.5 for fill in fills)


def test_dashes_tell_curves_apart_without_colour() -> None:
    assert len({colour.dash for colour in PALETTE}) == len(PALETTE)


def css_colours() -> list[dict[str, str]]:
    """The variables of the page in light, dark and print."""
    css = files("sequela.report").joinpath("templates/base.css").read_text(encoding="utf-8")
    light, *others = [
        dict(re.findall(r"--([\w-]+): (#\w+);", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    return [light, *({**light, **other} for other in others)]


@pytest.mark.parametrize("colours", css_colours(), ids=["light", "dark", "print"])
def test_every_text_colour_of_the_page_has_contrast(colours: dict[str, str]) -> None:
    def long(colour: str) -> str:
        return colour if len(colour) == 7 else "#" + "".join(letter * 2 for letter in colour[1:])

    for name in ("ink", "muted", "accent", "error", "warning", "note", "ok"):
        for ground in ("paper", "raised"):
            assert contrast(long(colours[name]), long(colours[ground])) >= 4.5, (name, ground)
    for name in ("error", "warning", "note", "ok"):
        for text in (name, "ink"):
            assert contrast(long(colours[text]), long(colours[f"{name}-soft"])) >= 4.5, name
