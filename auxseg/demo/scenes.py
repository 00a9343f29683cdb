"""The drawings of the demo: objects of six classes on textured grounds, among distractors."""

import colorsys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects, gaussian_filter

from auxseg.data.arrays import Bytes

Field = npt.NDArray[np.float64]
Colour = tuple[float, float, float]
Pattern = Callable[[Field, Field], Field]

CLASSES: tuple[str, ...] = ("blicket", "dax", "fep", "toma", "wug", "zup")

FINENESS = 2  # shapes are drawn this much finer than the image, for smooth edges
SMALLEST = 40  # px; the head of a smaller object does not show its pattern
COUNTS = (0.05, 0.5, 0.32, 0.13)  # probability of 0, 1, 2 and 3 objects in an image
# Diameter (of the circle of the same area) as a fraction of the image's smaller side, by the
# number of objects in the image. The most oblong object of 0.51 still fits.
DIAMETERS = {1: (0.37, 0.51), 2: (0.33, 0.43), 3: (0.3, 0.37)}


class Head(NamedTuple):
    """The head of a class: a hue, with ``mark`` where ``pattern`` over (x, y) in radii is > 0."""

    hue: float
    mark: Colour
    pattern: Pattern


WHITE, BLACK = (0.97, 0.97, 0.95), (0.06, 0.06, 0.08)
HEADS = (
    Head(0.00, WHITE, lambda x, _: np.sin(4.2 * x) - 0.3),  # red, stripes
    Head(0.13, BLACK, lambda x, y: np.cos(4.5 * x) * np.cos(4.5 * y) - 0.3),  # yellow, dots
    Head(0.36, BLACK, lambda x, y: np.sin(3.6 * x) * np.sin(3.6 * y) - 0.15),  # green, checks
    Head(0.51, WHITE, lambda x, y: np.cos(6.3 * np.hypot(x, y)) - 0.3),  # cyan, a ring
    Head(0.64, WHITE, lambda x, y: 0.18 - np.minimum(abs(x), abs(y))),  # blue, a cross
    Head(0.86, BLACK, lambda x, y: np.sin(3 * np.arctan2(y, x)) - 0.3),  # magenta, sectors
)
# Hues of the coloured spots, which mean nothing: they lie between those of the heads.
STRAY_HUES = (0.06, 0.24, 0.43, 0.75)

# A body has any weave, a function of (x, y) in px, in any dye, a dark and a light tone.
WEAVES: tuple[Pattern, ...] = (
    lambda x, _: np.sin(0.9 * x),  # ridges
    lambda x, y: np.sin(0.8 * x) * np.sin(0.8 * y),  # basket
    lambda x, y: np.sin(0.7 * x + 1.6 * np.sin(0.5 * y)),  # waves
    lambda x, y: 2 * np.hypot(np.sin(0.45 * x), np.sin(0.45 * y)) - 1.5,  # scales
    lambda x, y: np.sin(0.8 * np.hypot(x, 2.5 * y)),  # wood
)
DYES: tuple[tuple[Colour, Colour], ...] = (
    ((0.38, 0.26, 0.20), (0.68, 0.51, 0.42)),  # brown
    ((0.76, 0.70, 0.60), (0.97, 0.94, 0.88)),  # cream
    ((0.08, 0.08, 0.10), (0.30, 0.29, 0.32)),  # charcoal
    ((0.32, 0.21, 0.31), (0.57, 0.44, 0.55)),  # plum
    ((0.22, 0.28, 0.40), (0.52, 0.58, 0.70)),  # slate
)


class Ground(NamedTuple):
    """A background: two tones mixed by noise with a grain along x and a smoothness."""

    dark: Colour
    light: Colour
    grain: float
    smoothness: float


GROUNDS = (
    Ground((0.24, 0.32, 0.18), (0.48, 0.56, 0.35), 0.5, 0.8),  # grass
    Ground((0.64, 0.55, 0.41), (0.86, 0.78, 0.63), 1.5, 0.7),  # sand
    Ground((0.22, 0.36, 0.43), (0.48, 0.62, 0.67), 4.0, 1.3),  # water
    Ground((0.34, 0.34, 0.33), (0.66, 0.65, 0.63), 1.0, 1.1),  # stone
)


class Scene(NamedTuple):
    """An image (H, W, 3), its mask (H, W) and its objects: class value, rows and columns."""

    image: Bytes
    mask: Bytes
    objects: tuple[tuple[int, tuple[slice, ...]], ...]


def draw_scene(rng: np.random.Generator, min_side: int, max_side: int) -> Scene:
    """Draw a random scene; both sides are between ``min_side`` and ``max_side`` px."""
    # Never square, so that code that swaps the axes fails.
    height, width = rng.choice(np.arange(min_side, max_side + 1), size=2, replace=False).tolist()
    image = _draw_ground(rng, height, width)
    for _ in range(rng.integers(3, 9)):
        sprite = _draw_distractor(rng)
        _paste(image, sprite, _somewhere(rng, sprite, image))

    instances = np.zeros((height, width), np.int64)
    outlines = np.zeros((height, width), bool)
    values: list[int] = []
    light = rng.uniform(0, 2 * np.pi)
    count = int(rng.choice(len(COUNTS), p=COUNTS))
    for _ in range(count):
        value = int(rng.integers(1, len(CLASSES) + 1))
        diameter = min(height, width) * rng.uniform(*DIAMETERS[count])
        sprite = _draw_object(rng, HEADS[value - 1], max(diameter, SMALLEST), light)
        cover = sprite[..., 3]
        for _ in range(50):  # tries; without room, the object is left out
            at = _somewhere(rng, sprite, image)
            if (instances[at] > 0)[cover > 0].mean() < 0.04:
                _paste(image, sprite, at)
                values.append(value)
                instances[at][cover >= 0.5] = len(values)
                outlines[at][cover > 0] = (cover < 1)[cover > 0]
                break

    image = gaussian_filter(image, (0.5, 0.5, 0)) + rng.normal(0, 0.012, image.shape)
    mask = np.array([0, *values], np.uint8)[instances]
    mask[outlines] = 255
    # It gives None for a number that no pixel has; every object has pixels.
    places = [place for place in find_objects(instances) if place is not None]
    return Scene(
        image=(255 * np.clip(image, 0, 1)).round().astype(np.uint8),
        mask=mask,
        objects=tuple(zip(values, places, strict=True)),
    )


def _draw_ground(rng: np.random.Generator, height: int, width: int) -> Field:
    """Draw one background, or two that meet along a rough line, lit from one side."""

    def noise(grain: float, smoothness: float) -> Field:
        # White noise with its spectrum weighted by frequency ** -smoothness, in [0, 1].
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width) * grain)
        frequency[0, 0] = np.inf  # no mean
        spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * frequency**-smoothness
        field = np.fft.irfft2(spectrum, s=(height, width))
        return np.asarray(np.clip(0.5 + field / (4 * field.std()), 0, 1))

    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fills = []
    for choice in rng.choice(len(GROUNDS), size=2, replace=False):
        dark, light, grain, smoothness = GROUNDS[choice]
        fills.append(_mix(dark, light, noise(grain, smoothness)) + rng.normal(0, 0.02, size=3))
    horizon = rng.uniform(-0.7, 0.7) if rng.random() < 0.35 else -np.inf
    far = y + 0.6 * (noise(1.0, 1.6) - 0.5) < horizon
    slope_y, slope_x = rng.uniform(-0.15, 0.15, size=2)
    lighting = rng.uniform(0.85, 1.1) + slope_y * y + slope_x * x
    return np.asarray(np.where(far[..., None], *fills) * lighting[..., None])


def _draw_distractor(rng: np.random.Generator) -> Field:
    """Draw the sprite of a pebble, a stick or a coloured spot, none of which is an object."""
    kind = rng.integers(3)
    length, thickness = ((5.0, 3.5), (9.0, 1.0), (3.5, 3.5))[kind] * rng.uniform(0.6, 1.2, size=2)
    x, y = _grid(10, rng.uniform(0, 2 * np.pi))
    tone = np.array((0.45, 0.41, 0.36)) * rng.uniform(0.5, 1.5)
    if kind == 2:
        tone = np.array(colorsys.hsv_to_rgb(rng.choice(STRAY_HUES), 0.65, 0.8))
    inside = np.hypot(x / length, y / thickness) < 1
    return _sprite(tone * (1 - 0.05 * y)[..., None], inside)


def _draw_object(rng: np.random.Generator, head: Head, diameter: float, light: float) -> Field:
    """Draw the sprite of a body of any material, the head at one end, lit from angle ``light``."""
    radius = diameter / 2
    turn = rng.uniform(0, 2 * np.pi)
    bearings = np.linspace(-np.pi, np.pi, 180)
    outline = radius * _draw_outline(rng, bearings)
    x, y = _grid(outline.max() + radius, turn)
    distance = np.hypot(x, y) / np.interp(np.arctan2(y, x), bearings, outline)
    body = distance < 1
    weave = WEAVES[rng.integers(len(WEAVES))]
    threads = np.tanh(2 * weave(*_turn(x, y, rng.uniform(0, np.pi))))
    colour = _mix(*DYES[rng.integers(len(DYES))], (1 + threads) / 2) + rng.normal(0, 0.02, size=3)
    colour *= (1 - 0.3 * np.minimum(distance, 1) ** 4)[..., None]  # shaded towards the rim

    # The head takes about a fifth of the object, at the end of the body or just inside it.
    size = radius * np.sqrt(rng.uniform(0.2, 0.25))
    centre = np.interp(0.0, bearings, outline) + rng.uniform(-1.0, 0.4) * size
    u, v = _turn((x - centre) / size, y / size, rng.uniform(0, 2 * np.pi))
    face = np.hypot(u, v) < 1
    hue = (head.hue + rng.uniform(-0.025, 0.025)) % 1
    base = colorsys.hsv_to_rgb(hue, rng.uniform(0.8, 1), rng.uniform(0.8, 1))
    colour[face] = _mix(base, head.mark, (head.pattern(u, v) > 0).astype(float))[face]

    lit, _ = _turn(x / radius, y / radius, light + turn)
    return _sprite(colour * (1 + 0.25 * lit)[..., None], body | face)


def _draw_outline(rng: np.random.Generator, bearings: Field) -> Field:
    """Return the distance of a body's rim by bearing: ellipse, blob or polygon, of area pi."""
    rim = 1 / np.hypot(np.cos(bearings), np.sin(bearings) / rng.uniform(0.6, 0.9))
    kind = rng.integers(3)
    if kind == 1:
        for lobes in range(2, 6):
            wave = np.cos(lobes * bearings + rng.uniform(0, 2 * np.pi))
            rim *= 1 + rng.uniform(0.1, 0.5) / lobes * wave
    elif kind == 2:
        corners = np.linspace(-np.pi, np.pi, rng.integers(5, 9), endpoint=False)
        rim *= np.interp(bearings, corners, rng.uniform(0.6, 1, len(corners)), period=2 * np.pi)
    return np.asarray(rim / np.sqrt(np.mean(rim**2)))


def _turn(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _grid(reach: float, angle: float) -> tuple[Field, Field]:
    """Return a grid (x, y) in px, ``FINENESS`` points per px, at least to ``reach``; turned."""
    steps = FINENESS * int(np.ceil(reach))
    ticks = (np.arange(-steps, steps) + 0.5) / FINENESS
    x, y = np.meshgrid(ticks, ticks)
    return _turn(x, y, angle)


def _sprite(colour: Field, inside: npt.NDArray[np.bool_]) -> Field:
    """Average a fine drawing (h, w, 3) down to px: colour and coverage (h, w, 4), cropped."""
    fine = np.dstack([colour, inside])
    side = len(fine) // FINENESS
    sprite = fine.reshape(side, FINENESS, side, FINENESS, 4).mean(axis=(1, 3))
    (crop,) = find_objects((sprite[..., 3] > 0).astype(int))
    return np.asarray(sprite[crop])


def _somewhere(rng: np.random.Generator, sprite: Field, image: Field) -> tuple[slice, slice]:
    """Return the rows and columns of a random place that holds the whole sprite."""
    rows, columns, _ = sprite.shape
    top, left = rng.integers(0, (image.shape[0] - rows + 1, image.shape[1] - columns + 1))
    return slice(top, top + rows), slice(left, left + columns)


def _paste(image: Field, sprite: Field, at: tuple[slice, slice]) -> None:
    image[at] += sprite[..., 3:] * (sprite[..., :3] - image[at])


def _mix(dark: Colour, light: Colour, share: Field) -> Field:
    """Blend two colours by the shares (h, w) of the second one: (h, w, 3)."""
    low, high = np.asarray(dark, np.float64), np.asarray(light, np.float64)
    return low + share[..., None] * (high - low)
