"""Colour as the sender saw it: into sRGB by the photo's own profile, code points or gamma.

What a file says of its colours, in the order of precedence that PNG, HEIF and AVIF give: code points
(cICP, nclx), an ICC profile, sRGB, gamma and chromaticities. High dynamic range is not read: cut to eight
bits by the wrong curve it would be grey and flat.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from safelight.domain.photos import Undecodable
from safelight.vision import boxes
from safelight.vision.parts import Part

MOST_PROFILE = 16 * 1024 * 1024
"""Bytes of a profile; a printer's large one has three million. A larger one is as a broken one."""

Primaries = tuple[float, float, float, float, float, float, float, float]
"""Chromaticities: white x, y, red x, y, green x, y, blue x, y."""

_D65 = (0.3127, 0.3290)
_SRGB: Primaries = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: dict[int, Primaries] = {  # ITU-T H.273, table 2
    1: _SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_ADOBE: Primaries = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_UNSAID = 2
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_AS_SRGB = {1, 2, 6, 7, 13, 14, 15}
"""Transfer characteristics that are shown as sRGB's: itself, and those of television, as browsers do."""
_HDR = {16: "PQ", 18: "HLG"}


def profile_of(image: Image.Image, path: Path) -> bytes | None:
    """The photo's colours as an ICC profile: its own, or one made of what else the file says; None: it says
    nothing. *image* is the opened photo; `Undecodable` for what is not read: high dynamic range."""
    points = _code_points(image, path)
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and (not profile or len(profile) > MOST_PROFILE):
        profile = None
    if points is not None and (profile is None or image.format == "PNG"):
        return _of_points(*points, format=image.format)
    return profile if profile is not None else _of_tags(image)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB, by its *profile* where that fits."""
    if profile and image.mode != "LAB":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # A broken profile, or one for other channels than the picture has: as if it had none.
            converted = None
        if converted is not None:
            return converted
    return plain_rgb(image)


def plain_rgb(image: Image.Image) -> Image.Image:
    """The image's own numbers as RGB; LAB's by what they mean."""
    if image.mode != "LAB":
        return image.convert("RGB")
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert converted is not None  # not asked to change it in place
    return converted


def _code_points(image: Image.Image, path: Path) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (ITU-T H.273), where the file names them."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return _of_png(Part.whole(file))
    if image.format == "AVIF":
        with path.open("rb") as file:
            return _of_items(Part.whole(file))
    if image.format == "HEIF":
        told = image.info.get("nclx_profile")
        if isinstance(told, dict):
            found = (told.get("color_primaries"), told.get("transfer_characteristics"))
            if all(isinstance(value, int) for value in found):
                return int(found[0] or 0), int(found[1] or 0)
    return None


def _of_png(part: Part) -> tuple[int, int] | None:
    at = 8
    for _ in range(1000):
        head = part.read(at, 12)
        if len(head) < 12 or head[4:8] == b"IDAT":
            return None
        if head[4:8] == b"cICP":
            return head[8], head[9]
        at += 12 + int.from_bytes(head[:4], "big")
    return None


def _of_items(part: Part) -> tuple[int, int] | None:
    found = boxes.items(part)
    for box in found.of_primary(b"colr") if found else ():
        data = part.read(box.body, 8)
        if data[:4] == b"nclx" and len(data) == 8:
            return int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    return None


def _of_points(primaries: int, transfer: int, *, format: str | None) -> bytes | None:
    if transfer in _HDR:
        detail = f"{format} in high dynamic range ({_HDR[transfer]})"
        raise Undecodable("unsupported-format", detail, format=(format or "").lower() or None)
    known = _PRIMARIES.get(primaries, _SRGB)
    gamma = _GAMMAS.get(transfer)
    if gamma is None and transfer not in _AS_SRGB:
        detail = f"{format} whose colours follow a curve that is not known (transfer {transfer})"
        raise Undecodable("unsupported-format", detail, format=(format or "").lower() or None)
    if known == _SRGB and gamma is None:
        return None
    return _profile(known, gamma)


def _of_tags(image: Image.Image) -> bytes | None:
    """A PNG's gamma and chromaticities, or a camera's word that its colours are Adobe RGB's."""
    if image.format == "PNG" and "srgb" not in image.info:
        gamma, places = image.info.get("gamma"), image.info.get("chromaticity")
        near = isinstance(gamma, float) and abs(gamma - 0.45455) < 0.02
        curve = 1 / gamma if isinstance(gamma, float) and 0.05 < gamma < 5 and not near else None
        known = _usable(places)
        if curve is None and known is None:
            return None
        return _profile(known or _SRGB, curve)
    if image.format in ("JPEG", "MPO", "TIFF"):
        try:
            adobe = image.getexif().get_ifd(0xA005).get(1)
        except Exception:  # noqa: BLE001 - a broken EXIF block says nothing of colours
            return None
        if adobe in ("R03", b"R03"):  # the option file of DCF
            return _profile(_ADOBE, 563 / 256)
    return None


def _usable(places: object) -> Primaries | None:
    """Chromaticities that can be and are not sRGB's."""
    if not isinstance(places, tuple) or len(places) != 8:
        return None
    white, red, green, blue = (places[n : n + 2] for n in (0, 2, 4, 6))
    sane = all(0 <= x <= 1 and 0 < y <= 1 and x + y <= 1.0001 for x, y in (white, red, green))
    area = (red[0] - blue[0]) * (green[1] - blue[1]) - (green[0] - blue[0]) * (red[1] - blue[1])
    same = max(abs(a - b) for a, b in zip(places, _SRGB, strict=True)) < 0.01
    if not sane or blue[1] <= 0 or abs(area) < 0.01 or same:
        return None
    return places


def _profile(places: Primaries, gamma: float | None) -> bytes | None:
    """An ICC profile (version 2) of these chromaticities; *gamma* None: sRGB's curve."""
    white, red, green, blue = (places[n : n + 2] for n in (0, 2, 4, 6))
    columns = np.array([_xyz(*red), _xyz(*green), _xyz(*blue)]).T
    try:
        scale = np.linalg.solve(columns, _xyz(*white))
    except np.linalg.LinAlgError:
        return None
    matrix = _to_d50(_xyz(*white)) @ (columns * scale)
    curve = _curve(gamma)
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 1) + b"\0" + bytes(78),
        b"cprt": b"text\0\0\0\0\0",
        b"wtpt": _xyz_tag(np.array([0.9642, 1.0, 0.8249])),
        b"rXYZ": _xyz_tag(matrix[:, 0]),
        b"gXYZ": _xyz_tag(matrix[:, 1]),
        b"bXYZ": _xyz_tag(matrix[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    head = struct.pack(
        ">I4xI4s4s4s12x4s4x4x4x4x8x4x12s4x44x",
        at + len(body),
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        struct.pack(">3i", 63190, 65536, 54061),
    )
    return head + table + body


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv" + struct.pack(">IIH", 0, 1, min(65535, round(gamma * 256))) + bytes(2)
    values = np.linspace(0, 1, 1024)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return b"curv" + struct.pack(">II", 0, 1024) + np.round(linear * 65535).astype(">u2").tobytes()


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y], np.float64)


def _xyz_tag(value: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in value))


def _to_d50(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bradford's adaptation from a white to that of profiles."""
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    ratio = (cone @ np.array([0.9642, 1.0, 0.8249])) / (cone @ white)
    return np.asarray(np.linalg.inv(cone) @ np.diag(ratio) @ cone, np.float64)
