"""Handwriting on paper, prepared as the digits of MNIST were: light on dark, cropped, scaled and centered."""

from __future__ import annotations

import numpy as np

from zoo.errors import InvalidValue

LONGEST_SIDE = 400  # pixels to which a photograph is reduced first
SPECK = 0.02  # share of the largest stroke's pixels below which a spot is dust
BOX = 20 / 28  # share of the side that the character takes
STROKE = 0.11  # width of a stroke over the character's longer side, about as in MNIST


def prepare_handwriting(picture: np.ndarray, height: int, width: int, *, center: bool = True) -> np.ndarray:
    """Returns a written character as the training examples of a data set of digits show it.

    Dark on light is inverted, the paper with its shadows is removed, small spots are dropped, thin strokes are
    thickened, and what is left is cropped and scaled with its proportions.

    Args:
        picture: Brightness in [0, 1], `(rows, columns)`.
        height: Height of the result in pixels.
        width: Width of the result in pixels.
        center: Whether the character takes 20/28 of the side and its center of mass is in the middle, as in MNIST. If
            not, it is stretched to the whole picture. Defaults to True.

    Returns:
        Brightness in [0, 1], `(height, width)`, light on dark.

    Raises:
        InvalidValue: Nothing is written on the picture.

    Source: LeCun, Bottou, Bengio and Haffner (1998), section III.A.
    """
    ink = _crop(_find_ink(_reduce(picture)))
    ink = _thicken(ink)
    if not center:
        return _resize(ink, height, width)
    scale = BOX * min(height, width) / max(ink.shape)
    small = _resize(ink, max(1, round(ink.shape[0] * scale)), max(1, round(ink.shape[1] * scale)))
    small = small / small.max()
    result = np.zeros((height, width), np.float32)
    rows, columns = np.indices(small.shape)
    middle = [float((small * places).sum() / small.sum()) + 0.5 for places in (rows, columns)]
    top, left = (
        int(np.clip(round(side / 2 - place), 0, side - part))
        for side, place, part in zip((height, width), middle, small.shape, strict=True)
    )
    result[top : top + small.shape[0], left : left + small.shape[1]] = small
    return result


def _reduce(picture: np.ndarray) -> np.ndarray:
    factor = LONGEST_SIDE / max(picture.shape)
    if factor >= 1:
        return picture
    return _resize(picture, max(1, round(picture.shape[0] * factor)), max(1, round(picture.shape[1] * factor)))


def _find_ink(picture: np.ndarray) -> np.ndarray:
    """Returns how much ink each pixel has, from 0 to 1, without the paper, its shadows and its dust."""
    from scipy import ndimage

    light = 1 - picture if np.median(picture) > 0.5 else picture  # most of a picture is paper
    window = max(3, round(max(light.shape) / 4))  # wider than a stroke
    paper = ndimage.gaussian_filter(ndimage.grey_opening(light, size=(window, window)), window / 4)
    ink = np.clip(light - paper, 0, None)
    if ink.max() < 0.05:
        raise InvalidValue("A picture must show a written character; got one of a single tone.")
    is_ink = ink > _otsu(ink)
    spots, _ = ndimage.label(is_ink, np.ones((3, 3)))
    sizes = np.bincount(spots.ravel())
    sizes[0] = 0
    is_ink &= np.isin(spots, np.flatnonzero(sizes >= SPECK * sizes.max()))
    strength = np.percentile(ink[is_ink], 75)
    near = ndimage.binary_dilation(is_ink)  # the soft edge of a stroke
    return np.where(near, np.clip(ink / strength, 0, 1), 0).astype(np.float32)


def _crop(ink: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thicken(ink: np.ndarray) -> np.ndarray:
    """Thickens thin strokes, which would fade when they are scaled down."""
    from scipy import ndimage

    is_ink = np.pad(ink > 0.5, 1)
    width = 4 * ndimage.distance_transform_edt(is_ink)[is_ink].mean()  # a bar's mean distance is a quarter of its width
    radius = round((STROKE * max(ink.shape) - width) / 2)
    if radius < 1:
        return ink
    padded = np.pad(ink, radius)
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return ndimage.grey_dilation(padded, footprint=y**2 + x**2 <= radius**2)


def _otsu(values: np.ndarray) -> float:
    """Returns the threshold between two kinds of pixels that leaves the least variance in both (Otsu, 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nanargmax(between)])


def _resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    resized = Image.fromarray(array.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(resized, np.float32)
