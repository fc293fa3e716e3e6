"""Digits as strokes of different pens, sizes, slants, papers and light; none of them is from a data set."""

import numpy as np
from PIL import Image, ImageDraw


def arc(x, y, width, height, start, end):
    angles = np.radians(np.linspace(start, end, 24))
    return list(zip(x + width * np.cos(angles), y + height * np.sin(angles), strict=True))


STROKES = {
    0: [arc(0.5, 0.5, 0.28, 0.42, -90, 270)],
    1: [[(0.36, 0.25), (0.54, 0.08), (0.54, 0.92)]],
    2: [[*arc(0.5, 0.3, 0.26, 0.22, -170, 40), (0.24, 0.92), (0.8, 0.9)]],
    3: [arc(0.48, 0.28, 0.25, 0.2, -150, 90), arc(0.48, 0.7, 0.28, 0.23, -90, 140)],
    4: [[(0.62, 0.95), (0.62, 0.08), (0.2, 0.62), (0.85, 0.62)]],
    5: [[(0.75, 0.1), (0.32, 0.1), (0.28, 0.45), *arc(0.47, 0.66, 0.27, 0.25, -120, 140)]],
    6: [[(0.66, 0.07), (0.4, 0.35), *arc(0.48, 0.68, 0.22, 0.24, -160, 200)]],
    7: [[(0.2, 0.1), (0.8, 0.1), (0.42, 0.94)]],
    8: [arc(0.5, 0.28, 0.2, 0.2, -90, 270), arc(0.5, 0.71, 0.25, 0.22, -90, 270)],
    9: [[*arc(0.5, 0.32, 0.22, 0.23, 0, 360), (0.71, 0.4), (0.6, 0.93)]],
}


def draw_digit(digit, number, rng):
    """Returns a picture of a digit; every fifth one is light on dark, some are gray or have an alpha channel."""
    side = int(rng.integers(80, 500))
    pen, slant = int(side * rng.uniform(0.03, 0.12)), rng.uniform(-0.25, 0.25)
    width, height = rng.uniform(0.45, 0.85), rng.uniform(0.55, 0.9)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    paper, ink = rng.integers(190, 255, 3), rng.integers(0, 110, 3)
    if number % 5 == 4:
        paper, ink = 255 - paper, 255 - ink
    paper, ink = (tuple(int(value) for value in color) for color in (paper, ink))
    picture = Image.new("RGB", (3 * side, 3 * side), paper)
    brush = ImageDraw.Draw(picture)
    for stroke in STROKES[digit]:
        slanted = [(x + slant * (0.5 - y), y) for x, y in stroke]
        points = [(3 * side * (left + width * x), 3 * side * (top + height * y)) for x, y in slanted]
        brush.line(points, fill=ink, width=3 * pen, joint="curve")
        for x, y in points:
            brush.ellipse((x - 1.5 * pen, y - 1.5 * pen, x + 1.5 * pen, y + 1.5 * pen), fill=ink)
    pixels = np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS), float)
    across, down = np.linspace(0, 1, side)[:, None, None], np.linspace(1, rng.random(), side)[None, :, None]
    light = 1 - 0.35 * rng.random() * across * down
    picture = Image.fromarray(np.clip(pixels * light + rng.normal(0, 4, pixels.shape), 0, 255).astype("uint8"))
    if number % 3 == 1:
        picture = picture.convert("L")
    if number % 7 == 3:
        picture = picture.convert("RGBA")
    return picture


def write_digits(folder, count=30, seed=7):
    """Writes pictures called `NUMBER_DIGIT.png` or `.jpg`."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        picture = draw_digit(number % 10, number, rng)
        is_jpeg = number % 2 and picture.mode != "RGBA"
        picture.save(folder / f"{number:02d}_{number % 10}.{'jpg' if is_jpeg else 'png'}")
