"""The eye's networks: loaded once a process, at first use; what each takes and gives.

Pictures are BGR arrays of 8 bits (OpenCV's order). A network whose file is missing gives None and its
reason is kept in `missing`: the measurement then says so, and the others go on. It is looked for again at
the next photo, which begins with an empty `missing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from safelight.vision.models import ModelsMissing, model_path

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

FACE_SCORE = 0.7
"""The detector's score from which a face counts. Drawn patterns and posters reach 0.5 to 0.6."""
FACE_OVERLAP = 0.3
SEEN = 0.5
"""Visibility from which a point of the body counts as seen."""

_POSE_SIDE = 256
_PERSON_SIDE = 256


@dataclass(frozen=True, slots=True)
class Found:
    """A face as the detector gives it, in pixels of the picture it was found in.

    `points` are five (x, y): the eye on the picture's left, the eye on its right, the nose's tip, the
    mouth's corner on the left, the one on the right.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    points: Points


class Nets:
    """The networks in *folder*; None for a folder that has none."""

    def __init__(self, folder: Path | None) -> None:
        cv2.setNumThreads(1)  # a process a core: threads within it would only wait for each other
        self._folder = folder
        self._loaded: dict[str, Any] = {}
        self.missing: dict[str, str] = {}

    def faces(self, picture: Picture) -> list[Found] | None:
        """The faces in the picture, the largest first. Faces that are turned away are not found."""
        net = self._net("faces")
        if net is None:
            return None
        height, width = picture.shape[:2]
        net.setInputSize((width, height))
        _, rows = net.detect(picture)
        found = [_found(row) for row in (rows if rows is not None else ())]
        # A box without area, or beyond the picture, is what noise gives.
        real = [f for f in found if min(f.width, f.height) >= 4 and -f.width < f.x < width]
        return sorted(real, key=lambda face: -face.width * face.height)

    def identity(self, face: Picture) -> NDArray[np.float32] | None:
        """The 128 numbers of an aligned face of 112 × 112 pixels, at length 1."""
        net = self._net("identity")
        if net is None:
            return None
        net.setInput(cv2.dnn.blobFromImage(face, 1.0, (112, 112), (0, 0, 0), swapRB=True))
        vector = np.asarray(net.forward(), np.float32).ravel()
        length = float(np.linalg.norm(vector))
        return vector / length if length > 1e-6 and np.isfinite(length) else None

    def pose(self, crop: Picture) -> tuple[Points, float] | None:
        """The 33 points of the body in a square crop, as (x, y, visibility), x and y in shares of the
        crop (they may lie outside of it), and the score that there is a body."""
        net = self._net("pose")
        if net is None:
            return None
        net.setInput(_blob(crop, _POSE_SIDE))
        body, flag = net.forward(("Identity", "Identity_1"))
        raw = np.asarray(body, np.float64).reshape(39, 5)[:33]
        seen = 1 / (1 + np.exp(-np.clip(np.minimum(raw[:, 3], raw[:, 4]), -30, 30)))
        score = float(np.asarray(flag).ravel()[0])
        return np.column_stack([raw[:, :2] / _POSE_SIDE, seen]), score

    def person(self, picture: Picture) -> NDArray[np.float32] | None:
        """How surely each pixel is a person's, 0 to 1, on 256 × 256 pixels whatever the shape."""
        net = self._net("person")
        if net is None:
            return None
        net.setInput(_blob(picture, _PERSON_SIDE))
        return np.asarray(net.forward(), np.float32).reshape(_PERSON_SIDE, _PERSON_SIDE)

    def has(self, name: str) -> bool:
        """Whether the network can be used; it is loaded for the answer."""
        return self._net(name) is not None

    @property
    def loaded(self) -> bool:
        """True once any network is in memory, which then never shrinks to what it was."""
        return bool(self._loaded)

    def _net(self, name: str) -> Any:
        if name not in self._loaded:
            net = self._load(name)
            if net is None:
                return None  # it may be fetched while this process runs
            self._loaded[name] = net
        return self._loaded[name]

    def _load(self, name: str) -> Any:
        if self._folder is None:
            self.missing[name] = "the eye was started without its models"
            return None
        try:
            path = str(model_path(name, self._folder))
        except ModelsMissing as error:
            self.missing[name] = str(error)
            return None
        try:
            if name == "faces":
                return cv2.FaceDetectorYN.create(
                    path, "", (320, 320), FACE_SCORE, FACE_OVERLAP, 100
                )
            if name == "identity":
                return cv2.dnn.readNetFromONNX(path)
            return cv2.dnn.readNetFromTFLite(path)
        except cv2.error as error:
            if no_memory(error):
                raise MemoryError from error  # the model is all right
            self.missing[name] = f"the model {name!r} cannot be loaded: {error}"
            return None


def no_memory(error: cv2.error) -> bool:
    """Whether OpenCV got no memory: it has its own way to say so."""
    return error.code == cv2.Error.StsNoMem or "bad_alloc" in str(error)


def _found(row: NDArray[np.float32]) -> Found:
    x, y, width, height = (float(value) for value in row[:4])
    points = np.asarray(row[4:14], np.float64).reshape(5, 2)
    return Found(x, y, width, height, float(row[14]), points)


def _blob(picture: Picture, side: int) -> NDArray[np.float32]:
    return np.asarray(
        cv2.dnn.blobFromImage(picture, 1 / 255, (side, side), (0, 0, 0), swapRB=True), np.float32
    )
