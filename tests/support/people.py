"""Rendered people with a known truth: who, framed how, turned where, lit from which side, before what.

A body of ellipsoids and capsules, met by rays in closed form; the face is painted on the head. The same
`Shot` gives the same pixels. `truth` follows from the camera and the skeleton, never from the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

Array = np.ndarray
STATURE = 1.75
"""Metres from sole to crown."""
FEET, ANKLES, KNEES, HIPS, WAIST, SHOULDERS, CHIN, BROW, CROWN = (
    0.0, 0.09, 0.48, 0.93, 1.08, 1.42, 1.52, 1.69, 1.75,
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A made-up person: colours as RGB shares, proportions of the face as factors."""

    skin: tuple[float, float, float] = (0.80, 0.60, 0.48)
    hair: tuple[float, float, float] = (0.16, 0.10, 0.07)
    top: tuple[float, float, float] = (0.20, 0.32, 0.55)
    legs: tuple[float, float, float] = (0.20, 0.20, 0.24)
    eyes: float = 1.0
    brows: float = 1.0
    nose: float = 1.0
    mouth: float = 1.0
    jaw: float = 1.0


def person(seed: int) -> Person:
    """One of many people, by number."""
    random = np.random.default_rng(seed)
    skins = ((0.86, 0.66, 0.55), (0.72, 0.52, 0.40), (0.50, 0.34, 0.25), (0.90, 0.74, 0.62))
    hairs = ((0.12, 0.08, 0.06), (0.45, 0.28, 0.12), (0.72, 0.58, 0.34), (0.35, 0.34, 0.34))
    return Person(
        skin=skins[random.integers(4)],
        hair=hairs[random.integers(4)],
        top=tuple(random.uniform(0.1, 0.9, 3)),
        legs=tuple(random.uniform(0.05, 0.5, 3)),
        eyes=random.uniform(0.92, 1.08),
        brows=random.uniform(0.7, 1.4),
        nose=random.uniform(0.85, 1.2),
        mouth=random.uniform(0.85, 1.2),
        jaw=random.uniform(0.93, 1.07),
    )


@dataclass(frozen=True)
class Shot:
    """A photo to be taken. `low` and `high` are the heights above the floor, in metres, that the
    photo's lower and upper edge show; `turn` turns the person, in degrees, to the picture's right."""

    who: Person = Person()
    low: float = -0.12
    high: float = 1.9
    turn: float = 0.0
    pose: str = "stand"
    light: str = "front"
    level: float = 1.0
    busy: bool = False
    others: tuple[Person, ...] = ()
    shift: float = 0.0
    cover: tuple[float, float] | None = None
    """A wall in front of the person between these two heights."""
    size: tuple[int, int] = (768, 1024)
    seed: int = 1


@dataclass(frozen=True)
class Truth:
    """What is in the photo, by the skeleton: the framing after R-46 to R-49, whether all of the
    person is in it, how many people there are, and the face's width in pixels."""

    framing: str
    head_to_toe: bool
    people: int
    face_pixels: float
    side: str
    light: str
    busy: bool


def truth(shot: Shot) -> Truth:
    """The labels of a shot."""
    span = shot.high - shot.low
    hidden = shot.cover is not None and shot.cover[0] <= ANKLES <= shot.cover[1]
    whole = shot.low <= FEET and shot.high >= CROWN
    if shot.low <= ANKLES:
        framing = (
            "full-body" if (min(shot.high, CROWN) - max(shot.low, 0)) / span >= 0.5 else "wide"
        )
    elif shot.low <= WAIST:
        framing = "medium"
    else:
        framing = "close-up"
    turned = abs(shot.turn)
    side = "front" if turned < 15 else "three-quarter" if turned < 42 else "side"
    return Truth(
        framing=framing,
        head_to_toe=whole and not hidden,
        people=1 + len(shot.others),
        face_pixels=0.15 / span * shot.size[1],
        side=side,
        light={"left": "left", "right": "right"}.get(shot.light, "even"),
        busy=shot.busy,
    )


SPANS = {
    "close-up": (1.22, 1.86),
    "medium": (0.72, 1.86),
    "full-body": (-0.12, 1.88),
    "wide": (-1.3, 2.9),
}
"""Heights of a usual photo of each framing."""


def render(shot: Shot) -> Image.Image:
    """The photo."""
    random = np.random.default_rng(shot.seed)
    width, height = shot.size
    colour = _backdrop(shot, random)
    depth = np.full((height, width), np.inf, np.float32)
    spread = 0.62
    for number, who in enumerate((shot.who, *shot.others)):
        at = shot.shift + (
            0 if number == 0 else spread * (1 if number % 2 else -1) * ((number + 1) // 2)
        )
        if shot.others:
            at -= 0.3 if len(shot.others) == 1 else 0
        _draw(shot, who, at, shot.turn if number == 0 else 0.0, colour, depth)
    if shot.cover:
        top, bottom = (_row(shot, y) for y in (shot.cover[1], shot.cover[0]))
        rows = slice(max(0, round(top)), max(0, round(bottom)))
        colour[rows] = (
            np.array([0.42, 0.33, 0.26]) * (0.9 + 0.1 * np.sin(np.arange(width) / 9))[None, :, None]
        )
    colour = np.clip(colour * shot.level, 0, 1) ** (1 / 1.4)
    grain = random.normal(0, 0.012, colour.shape)
    soft = cv2.GaussianBlur(colour.astype(np.float32), (0, 0), 0.55)
    return Image.fromarray((np.clip(soft + grain, 0, 1) * 255).astype(np.uint8))


def _row(shot: Shot, y: float) -> float:
    return (shot.high - y) / (shot.high - shot.low) * shot.size[1]


def _backdrop(shot: Shot, random: np.random.Generator) -> Array:
    width, height = shot.size
    base = random.uniform(0.35, 0.75, 3)
    fall = np.linspace(1.08, 0.86, height)[:, None, None]
    colour = np.broadcast_to(base * fall, (height, width, 3)).astype(np.float32).copy()
    floor = max(0, min(height, round(_row(shot, 0.25))))
    colour[floor:] *= 0.8
    if shot.busy:
        for _ in range(260):
            x, y = int(random.integers(width)), int(random.integers(height))
            w, h = (int(v) for v in random.integers(12, max(16, width // 7), 2))
            colour[y : y + h, x : x + w] = random.uniform(0.05, 0.9, 3)
        for x in range(0, width, 23):
            colour[:, x : x + 2] *= 0.4
    return colour


def _limbs(
    pose: str,
) -> list[tuple[str, tuple[float, float, float], tuple[float, float, float], float]]:
    """Capsules: part, from, to, radius in metres."""
    found = []
    for s in (-1, 1):
        hand = (s * 0.27, 0.86, 0.06)
        elbow = (s * 0.245, 1.13, -0.01)
        if pose == "wave" and s == 1:
            elbow, hand = (0.33, 1.25, 0.06), (0.36, 1.52, 0.12)
        if pose == "hips":
            elbow, hand = (s * 0.36, 1.18, -0.02), (s * 0.19, 1.02, 0.09)
        knee, ankle = (s * 0.1, KNEES, 0.01), (s * 0.105, ANKLES, -0.01)
        if pose == "walk":
            knee, ankle = (s * 0.1, KNEES, 0.06 + s * 0.06), (s * 0.105, ANKLES, s * 0.17)
        found += [
            ("top", (s * 0.175, SHOULDERS - 0.02, 0), elbow, 0.052),
            ("skin", elbow, hand, 0.038),
            ("skin", hand, (hand[0], hand[1] - 0.06, hand[2] + 0.02), 0.036),
            ("legs", (s * 0.09, HIPS, 0), knee, 0.083),
            ("legs", knee, ankle, 0.058),
            (
                "shoe",
                (ankle[0], 0.045, ankle[2] - 0.02),
                (ankle[0] + s * 0.02, 0.04, ankle[2] + 0.14),
                0.045,
            ),
        ]
    found += [
        ("skin", (0, 1.42, -0.005), (0, 1.56, 0.0), 0.052),
        ("top", (-0.14, SHOULDERS - 0.02, 0), (0.14, SHOULDERS - 0.02, 0), 0.07),
        ("top", (-0.06, 1.28, 0.01), (0.06, 1.28, 0.01), 0.125),
        ("top", (-0.05, 1.12, 0.0), (0.05, 1.12, 0.0), 0.11),
        ("legs", (-0.07, 0.97, 0.0), (0.07, 0.97, 0.0), 0.105),
    ]
    return found


def _draw(shot: Shot, who: Person, at: float, turn: float, colour: Array, depth: Array) -> None:
    """Draw one person: rays are parallel, as by a long lens."""
    a = np.radians(turn)
    spin = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    paint = {
        "skin": who.skin,
        "top": who.top,
        "legs": who.legs,
        "shoe": (0.08, 0.07, 0.07),
        "hair": who.hair,
    }
    for part, start, end, radius in _limbs(shot.pose):
        p, q = spin @ np.array(start), spin @ np.array(end)
        lo, hi = np.minimum(p, q) - radius, np.maximum(p, q) + radius
        view = _window(shot, at, lo, hi)
        if view is None:
            continue
        rows, columns, x, y = view
        _put(
            shot, colour, depth, rows, columns, *_capsule(x, y, p, q, radius), np.array(paint[part])
        )
    head = (0.076 * who.jaw, 0.118, 0.098)
    ellipsoids = [
        ("hair", (0, 1.645, -0.022), (0.088, 0.112, 0.100)),
        ("face", (0, 1.622, 0.0), head),
        ("skin", (0, 1.600, 0.098), (0.0135 * who.nose, 0.024 * who.nose, 0.016)),
        ("skin", (0, 1.625, 0.094), (0.0085, 0.034, 0.010)),
        ("skin", (-0.077, 1.615, -0.005), (0.012, 0.028, 0.018)),
        ("skin", (0.077, 1.615, -0.005), (0.012, 0.028, 0.018)),
    ]
    for part, middle, radii in ellipsoids:
        m = spin @ np.array(middle)
        reach = max(radii) * 1.02
        view = _window(shot, at, m - reach, m + reach)
        if view is None:
            continue
        rows, columns, x, y = view
        z, normal, local = _ellipsoid(x, y, m, np.array(radii), spin)
        flat = np.array(paint["skin" if part == "face" else part])
        tone = _face(local, who) if part == "face" else flat
        _put(shot, colour, depth, rows, columns, z, normal, tone)


def _window(
    shot: Shot, at: float, lo: Array, hi: Array
) -> tuple[slice, slice, Array, Array] | None:
    """The pixels that a box covers, and their x and y in metres about the person's middle."""
    width, height = shot.size
    scale = (shot.high - shot.low) / height
    top, bottom = int((shot.high - hi[1]) / scale) - 1, int((shot.high - lo[1]) / scale) + 2
    left = int((lo[0] + at) / scale + width / 2) - 1
    right = int((hi[0] + at) / scale + width / 2) + 2
    top, bottom, left, right = max(0, top), min(height, bottom), max(0, left), min(width, right)
    if top >= bottom or left >= right:
        return None
    y = shot.high - (np.arange(top, bottom) + 0.5) * scale
    x = (np.arange(left, right) + 0.5 - width / 2) * scale - at
    return slice(top, bottom), slice(left, right), x[None, :], y[:, None]


def _ellipsoid(
    x: Array, y: Array, m: Array, radii: Array, spin: Array
) -> tuple[Array, Array, Array]:
    """Depth (towards us), normal and place on the unit sphere where each ray meets it."""
    # In its own frame: o + t d, with d the view's direction turned back.
    o = np.stack(np.broadcast_arrays(x - m[0], y - m[1], np.zeros_like(x + y)), -1) @ spin / radii
    d = (np.array([0, 0, 1.0]) @ spin) / radii
    aa, bb, cc = d @ d, o @ d, (o * o).sum(-1) - 1
    root = bb * bb - aa * cc
    t = np.where(root > 0, (-bb + np.sqrt(np.maximum(root, 0))) / aa, np.nan)
    local = o + np.nan_to_num(t)[..., None] * d
    normal = (local / radii) @ spin.T
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    return t + m[2], normal, np.where(np.isnan(t)[..., None], 0, local)


def _capsule(x: Array, y: Array, p: Array, q: Array, radius: float) -> tuple[Array, Array]:
    """Depth and normal where each ray (along z) meets the capsule: its tube and its two ends."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    o = np.stack([np.broadcast_to(x, shape), np.broadcast_to(y, shape), np.zeros(shape)], -1) - p
    axis = q - p
    length2 = axis @ axis
    d = np.array([0.0, 0.0, 1.0])
    od, dd = o @ axis / length2, d @ axis / length2
    u, w = o - od[..., None] * axis, d - dd * axis
    aa, bb, cc = w @ w, u @ w, (u * u).sum(-1) - radius**2
    root = bb * bb - aa * cc
    t = np.where(
        (root > 0) & (aa > 1e-9), (-bb + np.sqrt(np.maximum(root, 0))) / max(aa, 1e-9), np.nan
    )
    along = od + t * dd
    t = np.where((along >= 0) & (along <= 1), t, np.nan)
    for end in (p, q):
        e = o + p - end
        root = radius**2 - (e[..., :2] ** 2).sum(-1)
        ball = np.where(root > 0, np.sqrt(np.maximum(root, 0)) - e[..., 2], np.nan)
        t = np.fmax(t, ball)
    place = o + np.nan_to_num(t)[..., None] * d
    s = np.clip(place @ axis / length2, 0, 1)
    normal = (place - s[..., None] * axis) / radius
    return t + p[2] * 0, normal


def _put(
    shot: Shot,
    colour: Array,
    depth: Array,
    rows: slice,
    columns: slice,
    z: Array,
    normal: Array,
    tone: Array,
) -> None:
    """Where it is the nearest, paint it, lit."""
    near = ~np.isnan(z) & (-np.nan_to_num(z, nan=-np.inf) < depth[rows, columns])
    lights = {"front": (0.15, 0.5, 1.0), "left": (-1.0, 0.35, 0.35), "right": (1.0, 0.35, 0.35)}
    light = np.array(lights[shot.light])
    lit = np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    fill = 0.42 if shot.light == "front" else 0.24
    shade = (fill + (1 - fill) * lit)[..., None] * np.broadcast_to(tone, (*z.shape, 3))
    colour[rows, columns][near] = shade[near]
    depth[rows, columns][near] = -z[near]


def _face(local: Array, who: Person) -> Array:
    """The colours of the head at places on the unit sphere: hair, brows, eyes, nostrils, mouth."""
    u, v, w = local[..., 0], local[..., 1], local[..., 2]
    front = w > 0.1
    tone = np.broadcast_to(np.array(who.skin), local.shape).copy()
    blush = 0.10 * np.exp(-(((np.abs(u) - 0.5) / 0.22) ** 2) - ((v + 0.25) / 0.2) ** 2)
    tone += blush[..., None] * np.array([0.6, -0.3, -0.3])
    tone *= (1 - 0.32 * np.exp(-(((np.abs(u) - 0.40) / 0.24) ** 2) - ((v - 0.12) / 0.13) ** 2))[
        ..., None
    ]
    tone *= (1 + 0.05 * np.sin(u * 41 + 13 * v) * np.sin(v * 53 - 7 * u))[..., None]

    def spot(x: float, y: float, a: float, b: float) -> Array:
        found: Array = front & (((np.abs(u) - x) / a) ** 2 + ((v - y) / b) ** 2 < 1)
        return found

    e = 0.40 * who.eyes
    tone[spot(e, 0.05, 0.185, 0.085)] = (0.93, 0.92, 0.90)
    tone[spot(e, 0.055, 0.082, 0.085)] = (0.30, 0.22, 0.14)
    tone[spot(e, 0.055, 0.042, 0.045)] = (0.02, 0.02, 0.02)
    tone[spot(e - 0.03, 0.08, 0.018, 0.018)] = (1, 1, 1)
    lid = (
        front
        & (np.abs(v - 0.135 + 0.9 * (np.abs(u) - e) ** 2) < 0.018)
        & (np.abs(np.abs(u) - e) < 0.2)
    )
    tone[lid] = (0.10, 0.07, 0.06)
    low = (
        front
        & (np.abs(v + 0.035 - 0.9 * (np.abs(u) - e) ** 2) < 0.010)
        & (np.abs(np.abs(u) - e) < 0.18)
    )
    tone[low] *= 0.7
    brow = front & (np.abs(v - 0.29 + 0.5 * (np.abs(u) - e) ** 2) < 0.034 * who.brows)
    tone[brow & (np.abs(np.abs(u) - e) < 0.24)] = np.array(who.hair) * 0.9
    tone[spot(0.085, -0.275, 0.045, 0.022)] *= 0.35
    lips = spot(0.0, -0.50, 0.31 * who.mouth, 0.082)
    tone[lips] = np.array(who.skin) * (0.92, 0.58, 0.58)
    tone[lips & (np.abs(v + 0.50 + 0.10 * u * u) < 0.012)] = (0.20, 0.07, 0.07)
    tone[front & (np.abs(v + 0.62) < 0.03) & (np.abs(u) < 0.16)] *= 0.88
    tone[(v > 0.62 + 0.12 * np.cos(3 * u)) | ((w < -0.02) & (v > -0.45))] = np.array(who.hair)
    return tone


def variants(who: Person, count: int, *, seed: int = 0) -> list[Shot]:
    """A varied set of one person: framing, angle, pose, light and background go round."""
    random = np.random.default_rng(seed)
    framings = (
        "close-up",
        "medium",
        "full-body",
        "medium",
        "close-up",
        "full-body",
        "wide",
        "close-up",
    )
    shots = []
    for number in range(count):
        low, high = SPANS[framings[number % len(framings)]]
        jitter = random.uniform(-0.04, 0.04) * (high - low)
        shots.append(
            Shot(
                who,
                low + jitter,
                high + max(jitter, -0.02),
                turn=(0, 22, -22, 8, -30, 0, 15)[number % 7],
                pose=("stand", "hips", "wave", "walk")[number % 4],
                light=("front", "left", "front", "right", "front")[number % 5],
                busy=number % 3 == 1,
                shift=float(random.uniform(-0.12, 0.12)),
                seed=seed * 1000 + number,
            )
        )
    return shots


def larger(shot: Shot, size: tuple[int, int]) -> Shot:
    """The same photo by a camera of more pixels."""
    return replace(shot, size=size)
