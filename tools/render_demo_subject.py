"""Render the demo's photos: one made-up character, sixteen times, truly varied.

Signed distance fields, marched in numpy; no assets, nothing random but fixed seeds, so that the set
can be made anew by whoever wants to: `.venv/bin/python tools/render_demo_subject.py`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Array = np.ndarray
Place = tuple[float, float, float]
TARGET = Path(__file__).parents[1] / "src" / "safelight" / "local" / "demo"
FUR, CREAM, INK, SCARF, STRIPE, INNER, SHINE, SOLE = range(8)
COLORS = np.array(
    [
        [0.16, 0.50, 0.55],  # fur
        [0.95, 0.89, 0.76],  # muzzle, belly
        [0.05, 0.05, 0.08],  # eyes, nose
        [0.88, 0.30, 0.22],  # scarf
        [0.98, 0.80, 0.32],  # the scarf's stripes, the star
        [0.93, 0.62, 0.58],  # inner ears, cheeks
        [1.00, 1.00, 1.00],  # light in the eyes
        [0.10, 0.33, 0.38],  # feet, hands
    ],
    np.float32,
)


@dataclass(frozen=True)
class Shot:
    """One photo: who stands how, seen from where, lit by what, before what."""

    name: str
    turn: float = 0.0  # degrees the camera goes round the subject
    lift: float = 6.0  # degrees it looks down
    frame: str = "full"  # close, medium, full, wide
    pose: str = "stand"
    eyes: str = "open"
    light: tuple[float, float, float] = (0.5, 0.9, 0.6)
    warm: tuple[float, float, float] = (1.0, 0.96, 0.9)
    fill: float = 0.45
    floor: tuple[float, float, float] = (0.72, 0.68, 0.62)
    wall: tuple[float, float, float] = (0.78, 0.82, 0.86)
    scene: str = "plain"
    size: tuple[int, int] = (768, 1024)
    shift: float = 0.0


FRAMES = {"close": (1.5, 3.4), "medium": (1.22, 4.5), "full": (1.12, 6.0), "wide": (1.2, 9.6)}
SHOTS = (
    Shot("01-front-close-up", frame="close", size=(1024, 1024), wall=(0.86, 0.80, 0.70)),
    Shot("02-three-quarter-left-medium", -38, frame="medium", scene="stripes", pose="wave"),
    Shot("03-three-quarter-right-full", 40, scene="boxes", wall=(0.62, 0.70, 0.62)),
    Shot("04-side-left-close-up", -82, frame="close", light=(-0.8, 0.6, 0.5), wall=(0.30, 0.33, 0.42),
         fill=0.3),
    Shot("05-front-full-sitting", 8, pose="sit", scene="checks", floor=(0.85, 0.83, 0.8)),
    Shot("06-from-above-medium", 22, 44, "medium", eyes="closed", floor=(0.50, 0.60, 0.42)),
    Shot("07-side-right-full-walking", 78, pose="walk", scene="hills", warm=(1.0, 0.86, 0.66),
         light=(0.9, 0.45, 0.3), size=(1024, 768)),
    Shot("08-front-medium-backlit", -6, frame="medium", light=(0.3, 0.5, -0.9), fill=0.62,
         wall=(0.95, 0.86, 0.68), warm=(1.0, 0.9, 0.75), pose="arms-up"),
    Shot("09-three-quarter-left-wide", -30, 12, "wide", scene="boxes", size=(1024, 768), shift=0.5,
         wall=(0.72, 0.62, 0.68)),
    Shot("10-close-up-laughing-right", 30, 2, "close", eyes="closed", scene="dots",
         wall=(0.30, 0.55, 0.62), size=(1024, 1024)),
    Shot("11-back-turned-full", 152, 8, scene="stripes", wall=(0.82, 0.74, 0.58)),
    Shot("12-front-full-night", -14, 4, warm=(0.62, 0.74, 1.0), wall=(0.10, 0.12, 0.22),
         floor=(0.18, 0.2, 0.3), fill=0.25, scene="dots", light=(-0.6, 0.8, 0.4), pose="wave"),
    Shot("13-low-angle-full", 24, -14, "full", scene="sky", pose="arms-up", wall=(0.55, 0.74, 0.95)),
    Shot("14-side-left-medium-sitting", -66, 10, "medium", pose="sit", scene="hills",
         wall=(0.88, 0.76, 0.62), light=(-0.5, 0.8, 0.6)),
    Shot("15-three-quarter-right-close-up", 52, 14, "close", light=(0.9, 0.3, 0.5), fill=0.3,
         wall=(0.58, 0.36, 0.34), scene="checks"),
    Shot("16-front-wide-outdoors", 4, 3, "wide", scene="hills", pose="walk", wall=(0.64, 0.80, 0.92),
         floor=(0.48, 0.62, 0.36), size=(1024, 768), shift=-0.7),
)  # fmt: skip


def ball(p: Array, center: Place, radii: Place) -> Array:
    """Distance to an ellipsoid (a good bound)."""
    r = np.array(radii, np.float32)
    q = (p - np.array(center, np.float32)) / r
    length = np.sqrt((q * q).sum(-1))
    inner = np.sqrt(((q / r) ** 2).sum(-1)) + 1e-6
    found: Array = length * (length - 1.0) / inner
    return found


def rod(p: Array, a: Place, b: Place, radius: float) -> Array:
    """Distance to a capsule from *a* to *b*."""
    start, way = np.array(a, np.float32), np.array(b, np.float32) - np.array(a, np.float32)
    q = p - start
    t = np.clip((q @ way) / (way @ way), 0, 1)
    off: Array = q - t[..., None] * way
    found: Array = np.sqrt((off * off).sum(-1)) - radius
    return found


def ring(p: Array, center: Place, wide: float, thick: float) -> Array:
    """Distance to a ring that lies flat."""
    q = p - np.array(center, np.float32)
    around = np.sqrt(q[..., 0] ** 2 + (q[..., 2] * 1.08) ** 2) - wide
    return np.sqrt(around**2 + (q[..., 1] * 0.8) ** 2) - thick


def blend(a: Array, b: Array, soft: float) -> Array:
    """A smooth union."""
    h: Array = np.clip(0.5 + 0.5 * (b - a) / soft, 0, 1)
    found: Array = b * (1 - h) + a * h - soft * h * (1 - h)
    return found


def limbs(pose: str) -> dict[str, list[tuple[Place, Place]]]:
    """Arms and legs as capsules, by pose."""
    arms = [((-0.42, 0.86, 0.0), (-0.68, 0.42, 0.12)), ((0.42, 0.86, 0.0), (0.68, 0.42, 0.12))]
    legs = [((-0.22, 0.3, 0.0), (-0.24, 0.1, 0.03)), ((0.22, 0.3, 0.0), (0.24, 0.1, 0.03))]
    if pose == "wave":
        arms[1] = ((0.42, 0.88, 0.0), (0.86, 1.24, 0.1))
    if pose == "arms-up":
        arms = [((-0.42, 0.9, 0.0), (-0.82, 1.32, 0.0)), ((0.42, 0.9, 0.0), (0.82, 1.32, 0.0))]
    if pose == "walk":
        legs = [((-0.22, 0.3, 0.0), (-0.24, 0.12, 0.32)), ((0.22, 0.3, 0.0), (0.24, 0.12, -0.3))]
        arms = [((-0.42, 0.86, 0.0), (-0.62, 0.5, -0.34)), ((0.42, 0.86, 0.0), (0.62, 0.5, 0.36))]
    if pose == "sit":
        legs = [((-0.24, 0.2, 0.1), (-0.34, 0.14, 0.62)), ((0.24, 0.2, 0.1), (0.34, 0.14, 0.62))]
        arms = [((-0.42, 0.8, 0.05), (-0.5, 0.42, 0.36)), ((0.42, 0.8, 0.05), (0.5, 0.42, 0.36))]
    return {"arms": arms, "legs": legs}


def parts(p: Array, shot: Shot) -> list[tuple[Array, int]]:
    """Every part's distance and material."""
    down = -0.1 if shot.pose == "sit" else 0.0
    p = p - np.array([0, down, 0], np.float32)
    limb = limbs(shot.pose)
    body = ball(p, (0, 0.62, 0), (0.47, 0.52, 0.4))
    head = ball(p, (0, 1.52, 0), (0.66, 0.56, 0.56))
    fur = blend(body, head, 0.12)
    for a, b in limb["arms"]:
        fur = blend(fur, rod(p, a, b, 0.13), 0.08)
    for a, b in limb["legs"]:
        fur = blend(fur, rod(p, a, b, 0.16), 0.06)
    for side in (-1, 1):
        fur = blend(fur, ball(p, (side * 0.46, 2.02, -0.02), (0.2, 0.3, 0.12)), 0.06)
    fur = blend(fur, rod(p, (0, 0.35, -0.36), (0.28, 0.62, -0.72), 0.1), 0.06)
    found = [
        (fur, FUR),
        (ball(p, (0, 1.36, 0.4), (0.34, 0.24, 0.24)), CREAM),
        (ball(p, (0, 0.6, 0.12), (0.34, 0.38, 0.33)), CREAM),
        (ball(p, (0, 1.47, 0.63), (0.085, 0.06, 0.05)), INK),
        (ring(p, (0, 1.06, 0.0), 0.36, 0.13), SCARF),
        (rod(p, (0.2, 1.0, 0.38), (0.3, 0.62, 0.44), 0.09), SCARF),
        (ball(p, (0.32, 0.68, -0.78), (0.16, 0.16, 0.16)), CREAM),
    ]
    for side in (-1, 1):
        found.append((ball(p, (side * 0.46, 2.04, 0.07), (0.12, 0.21, 0.07)), INNER))
        found.append((ball(p, (side * 0.46, 1.38, 0.42), (0.1, 0.07, 0.06)), INNER))
        if shot.eyes == "open":
            found.append((ball(p, (side * 0.25, 1.62, 0.48), (0.1, 0.13, 0.07)), INK))
            found.append((ball(p, (side * 0.25 + 0.035, 1.67, 0.545), (0.032,) * 3), SHINE))
        else:
            arc = rod(p, (side * 0.34, 1.6, 0.47), (side * 0.25, 1.64, 0.525), 0.022)
            arc = np.minimum(
                arc, rod(p, (side * 0.25, 1.64, 0.525), (side * 0.16, 1.6, 0.525), 0.022)
            )
            found.append((arc, INK))
    mouth = rod(p, (-0.1, 1.31, 0.62), (0, 1.27, 0.645), 0.016)
    mouth = np.minimum(mouth, rod(p, (0, 1.27, 0.645), (0.1, 1.31, 0.62), 0.016))
    found.append((mouth, INK))
    for _, b in limb["legs"]:
        found.append((ball(p, (b[0], b[1] - 0.0, b[2] + 0.08), (0.17, 0.11, 0.24)), SOLE))
    for _, b in limb["arms"]:
        found.append((ball(p, b, (0.15, 0.15, 0.15)), SOLE))
    return found


def distance(p: Array, shot: Shot) -> Array:
    """Distance to the nearest part."""
    found = parts(p, shot)
    nearest = found[0][0]
    for d, _ in found[1:]:
        nearest = np.minimum(nearest, d)
    return nearest


def march(origin: Array, way: Array, shot: Shot, *, far: float, steps: int = 70) -> Array:
    """How far each ray goes until it meets the subject; *far* where it does not."""
    t = np.full(len(way), far, np.float32)
    # Only rays that come near the subject's bounding ball are marched.
    middle = np.array([0, 1.1, 0], np.float32) - origin
    along = (middle * way).sum(-1)
    off = np.sqrt(np.maximum(0, (middle * middle).sum(-1) - along**2))
    active = np.flatnonzero((off < 1.5) & (along > -1.5))
    at = np.maximum(0.02, along[active] - 1.6).astype(np.float32)
    start = origin[active] if origin.ndim == 2 and len(origin) == len(way) else origin
    for _ in range(steps):
        p = start + at[:, None] * way[active]
        d = distance(p, shot)
        hit = d < 0.002
        t[active[hit]] = at[hit]
        going = ~hit & (at < along[active] + 1.7)
        active, at = active[going], (at + d * 0.85)[going]
        if start.ndim == 2 and len(start) > 1:
            start = start[going]
        if not len(active):
            break
    return t


def camera(shot: Shot) -> tuple[Array, Array, tuple[int, int]]:
    """Origin and direction of every ray."""
    width, height = shot.size
    aim_y, away = FRAMES[shot.frame]
    if shot.pose == "sit" and shot.frame != "close":
        aim_y -= 0.1
    turn, lift = np.radians(shot.turn), np.radians(shot.lift)
    aim = np.array([0, aim_y, 0])
    eye = aim + away * np.array(
        [np.sin(turn) * np.cos(lift), np.sin(lift), np.cos(turn) * np.cos(lift)]
    )
    eye[1] = max(eye[1], 0.12)
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, [0, 1, 0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    x = (np.arange(width) + 0.5) / height - 0.5 * width / height + shot.shift * 0.25
    y = 0.5 - (np.arange(height) + 0.5) / height
    way = ahead + 0.62 * (x[None, :, None] * right + y[:, None, None] * up)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    return eye.astype(np.float32), way.reshape(-1, 3).astype(np.float32), (height, width)


def normal(p: Array, shot: Shot) -> Array:
    """The surface's direction at *p*."""
    e = 0.003
    found = np.stack(
        [distance(p + s, shot) - distance(p - s, shot) for s in np.eye(3, dtype=np.float32) * e], -1
    )
    unit: Array = found / (np.linalg.norm(found, axis=-1, keepdims=True) + 1e-9)
    return unit


def pattern(p: Array, material: Array, color: Array) -> Array:
    """Stripes on the scarf, a star on the belly."""
    stripe = (material == SCARF) & (np.sin(np.arctan2(p[:, 0], p[:, 2]) * 14) > 0.45)
    color[stripe] = COLORS[STRIPE]
    x, y = p[:, 0], p[:, 1] - 0.6
    around, out = np.arctan2(x, y), np.hypot(x, y)
    star = (material == CREAM) & (p[:, 2] > 0.2) & (p[:, 1] < 1.0)
    star &= out < 0.13 + 0.055 * np.cos(around * 5)
    color[star] = COLORS[STRIPE]
    return color


def backdrop(eye: Array, way: Array, shot: Shot) -> tuple[Array, Array, Array]:
    """Colour of what is behind the subject, how far the floor is, and where it is met."""
    wall = np.array(shot.wall, np.float32)
    low = np.clip(way[:, 1:2] * 1.6 + 0.55, 0, 1)
    color = wall * (0.72 + 0.36 * low)
    around = np.arctan2(way[:, 0], -way[:, 2])
    high = way[:, 1]
    if shot.scene == "stripes":
        color *= np.where(np.sin(around * 34) > 0, 1.0, 0.8)[:, None]
    if shot.scene == "dots":
        cell = np.hypot((around * 9) % 1 - 0.5, (high * 9) % 1 - 0.5)
        color = np.where((cell < 0.2)[:, None], np.minimum(1, color * 1.5 + 0.12), color)
    if shot.scene == "checks":
        odd = (np.floor(around * 7) + np.floor(high * 7)) % 2
        color *= np.where(odd > 0, 1.0, 0.84)[:, None]
    if shot.scene == "boxes":
        for at, wide, tall, shade in ((-0.5, 0.16, 0.2, 0.55), (0.35, 0.2, 0.09, 0.75), (0.75, 0.1, 0.3, 0.6),
                                      (-0.95, 0.14, 0.12, 0.85)):  # fmt: skip
            inside = (np.abs(np.angle(np.exp(1j * (around - at)))) < wide) & (high < tall)
            color[inside] = wall[::-1] * shade
    if shot.scene in ("hills", "sky"):
        cloud = np.sin(around * 5 + 1) * np.sin(high * 16 + around * 3) > 0.72
        color = np.where(cloud[:, None], np.minimum(1, color + 0.16), color)
    if shot.scene == "hills":
        for k, (base, shade) in enumerate(((0.13, 0.8), (0.06, 0.62))):
            hill = high < base + 0.05 * np.sin(around * (5 + 4 * k) + k)
            color[hill] = np.array([0.42, 0.6, 0.36], np.float32) * shade
    floor_at = np.where(way[:, 1] < -1e-3, -eye[1] / np.minimum(way[:, 1], -1e-3), np.inf)
    floor_at = np.where(floor_at < 14, floor_at, np.inf).astype(np.float32)
    return color.astype(np.float32), floor_at, eye + np.minimum(floor_at, 14)[:, None] * way


def render(shot: Shot) -> Image.Image:
    """The photo."""
    eye, way, shape = camera(shot)
    light = np.array(shot.light, np.float32)
    light /= np.linalg.norm(light)
    warm = np.array(shot.warm, np.float32)
    color, floor_at, floor_p = backdrop(eye, way, shot)
    t = march(eye[None, :], way, shot, far=np.inf)
    on_floor = np.flatnonzero((floor_at < np.inf) & ~(t < floor_at))
    near = on_floor[np.linalg.norm(floor_p[on_floor] * [1, 0, 1], axis=-1) < 3.2]
    base = np.array(shot.floor, np.float32)
    fade = np.clip(1 - floor_at[on_floor] / 14, 0, 1)[:, None] ** 0.6
    tone = base * (0.92 + 0.08 * np.sign(np.sin(floor_p[on_floor, 0:1] * 5)))
    color[on_floor] = color[on_floor] * (1 - fade) + tone * fade
    shade = np.ones(len(color), np.float32)
    if len(near) and light[1] > 0:
        p = floor_p[near].astype(np.float32)
        blocked = march(p, np.repeat(light[None], len(near), 0), shot, far=np.inf, steps=40) < 9
        shade[near] = np.where(blocked, 0.55, 1.0)
        shade[near] *= 1 - 0.35 * np.exp(-2.2 * np.linalg.norm(p * [1, 0, 1], axis=-1) ** 2)
    color *= shade[:, None]
    hit = np.flatnonzero(t < floor_at)
    p = eye + t[hit, None] * way[hit]
    found = parts(p, shot)
    material = np.array([m for _, m in found])[np.argmin(np.stack([d for d, _ in found]), 0)]
    skin = pattern(p - (np.array([0, -0.1, 0], np.float32) if shot.pose == "sit" else 0), material,
                   COLORS[material].copy())  # fmt: skip
    n = normal(p, shot)
    lit = np.clip(n @ light, 0, 1)
    dark = march(p + n * 0.02, np.repeat(light[None], len(p), 0), shot, far=np.inf, steps=34) < 9
    lit = lit * np.where(dark, 0.25, 1.0)
    near_by = np.clip(distance(p + n * 0.16, shot) / 0.16, 0.25, 1)
    around = shot.fill * (0.62 + 0.38 * n[:, 1]) * near_by
    half = light - way[hit]
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    shine = np.clip((n * half).sum(-1), 0, 1) ** 48 * np.where(dark, 0, 0.35)
    rim = np.clip(1 + (n * way[hit]).sum(-1), 0, 1) ** 3 * 0.22
    color[hit] = (
        skin * (lit[:, None] * warm * 0.85 + around[:, None]) + (shine + rim)[:, None] * warm
    )
    grain = np.random.default_rng(abs(hash_of(shot.name))).normal(0, 0.012, color.shape)
    final = np.clip(color + grain, 0, 1) ** (1 / 1.25)
    return Image.fromarray((final.reshape(*shape, 3) * 255).astype(np.uint8))


def hash_of(text: str) -> int:
    """A seed out of a name, the same everywhere."""
    return int.from_bytes(text.encode()[:7])


def main() -> None:
    """Render all shots, or those whose names are given."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        if len(sys.argv) > 1 and not any(name in shot.name for name in sys.argv[1:]):
            continue
        image = render(shot)
        # Rendered large and made smaller once: smooth edges for little time.
        image = image.resize(shot.size, Image.Resampling.LANCZOS)
        path = TARGET / f"{shot.name}.jpg"
        image.save(path, "JPEG", quality=90, optimize=True)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
