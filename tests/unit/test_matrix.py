"""`make matrix` finds what is on the machine, names what is not, and its lists name files that are there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import matrix


def program(path: Path, says: str) -> Path:
    """A program that prints *says*, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_of_the_pythons_and_postgreses_in_a_place_each_is_known_by_what_it_says(
    tmp_path: Path,
) -> None:
    newer = program(tmp_path / "bin/python3.12", "3 12")
    program(tmp_path / "bin/python3.12-config", "3 12")
    program(tmp_path / "bin/python3.13", "no ssl here")
    home = program(tmp_path / "pg/15/bin/postgres", "postgres (PostgreSQL) 15.18").parents[1]
    program(tmp_path / "pg/15/bin/initdb", "")
    program(tmp_path / "pg/16/bin/psql", "a client alone")
    assert matrix.pythons([f"{tmp_path}/bin/python3.*"]) == {(3, 12): newer}
    assert matrix.postgreses([f"{tmp_path}/pg/*"]) == {15: home}


def test_what_is_not_on_the_machine_is_named_and_what_make_test_runs_is_not_run_again() -> None:
    cells = [*matrix.of_pythons({}, whole=False), *matrix.of_postgreses({}, whole=False)]
    ended = {cell.what: cell.ended for cell in cells}
    here = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    assert {what for what, how in ended.items() if how == "see make test"} == {here, "Postgres 18"}
    assert set(ended.values()) == {"see make test", "not on this machine"}
    assert len(ended) == 8
    assert not any(cell.failed for cell in cells)


@pytest.mark.parametrize(
    "name",
    [
        *(f"tests/unit/test_{name}.py" for name in matrix.MEASURED),
        *(f"tests/integration/test_{name}.py" for name in matrix.SQL),
        *matrix.CONTRACTS,
    ],
)
def test_the_quick_part_names_files_that_are_there(name: str) -> None:
    assert (matrix.ROOT / name).is_file()
    assert name not in matrix.quick_unit_tests()
