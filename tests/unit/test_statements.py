"""The SQL and the code that names it: neither has what the other does not know, and nothing is left over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from safelight.db.statements import Statements, statements

ROOT = Path(__file__).parents[2]
DB = ROOT / "src/safelight/db"
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "workers").glob("*.py")])
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}

Definition = ast.FunctionDef | ast.ClassDef
Used = tuple[str, str]
"""A module of `safelight.db` and what it defines; the module "*": some module that was handed on."""


def files_by_name(tree: ast.AST) -> dict[str, str]:
    """Variable → the file whose statements it has: ``sql = statements("jobs")``."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Name(id="statements"), args=[ast.Constant(value=str(file))]
                ),
            ):
                found[name] = file
    return found


def statements_in(node: ast.AST, files: dict[str, str]) -> Iterator[tuple[str, str, int]]:
    """File, statement and line of each that is named: ``sql.claim_jobs``."""
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id=name), attr=statement) if (
                name in files and not hasattr(Statements, statement)
            ):
                yield files[name], statement, part.lineno


def db_modules(tree: ast.AST) -> tuple[dict[str, str], set[Used]]:
    """Names that stand for a module of `safelight.db`, and what is imported from such a module."""
    modules: dict[str, str] = {}
    imported: set[Used] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for name in node.names:
            if node.module == "safelight.db":
                modules[name.asname or name.name] = name.name
            elif node.module.startswith("safelight.db."):
                imported.add((node.module.rpartition(".")[2], name.name))
    return modules, imported


def used_in(node: ast.AST, modules: dict[str, str], own: str | None = None) -> set[Used]:
    """What the code uses of `safelight.db`; *own*: the module that it stands in."""
    found: set[Used] = set()
    for part in ast.walk(node):
        match part:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in modules:
                found.add((modules[name], attr))
            case ast.Attribute(attr=attr):
                found.add(("*", attr))
            case ast.Name(id=name) if own is not None:
                found.add((own, name))
    return found


def handed_on(tree: ast.AST, modules: dict[str, str]) -> set[str]:
    """Modules that are used as values: what is called of them cannot be seen at the call."""
    bases = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return {
        modules[n.id]
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and n.id in modules and id(n) not in bases
    }


@cache
def alive() -> set[Used]:
    """What of `safelight.db` product code reaches, from outside it or from a module's own level."""
    used: set[Used] = set()
    values: set[str] = set()
    bodies: dict[Used, set[Used]] = {}
    for path, tree in TREES.items():
        modules, imported = db_modules(tree)
        values |= handed_on(tree, modules)
        if path.parent != DB:
            used |= imported | used_in(tree, modules)
            continue
        for node in tree.body:
            inside = used_in(node, modules, path.stem)
            if isinstance(node, Definition):
                bodies[path.stem, node.name] = inside | imported
            else:
                used |= inside
    reached: set[Used] = set()
    while new := {
        key
        for key in bodies.keys() - reached
        if key in used or (key[0] in values and ("*", key[1]) in used)
    }:
        reached |= new
        for key in new:
            used |= bodies[key]
    return reached


def test_every_statement_that_code_names_is_in_its_file() -> None:
    """Else it is an AttributeError, at run time, in the one transaction that asks for it."""
    seen = 0
    for path, tree in TREES.items():
        for file, statement, line in statements_in(tree, files_by_name(tree)):
            assert statement in statements(file).names(), f"{path}:{line}: {file}.sql has none"
            seen += 1
    assert seen > 200


@pytest.mark.parametrize("path", sorted(DB.glob("*.py")), ids=lambda p: p.stem)
def test_every_statement_is_asked_for_by_code_that_runs(path: Path) -> None:
    """A statement that only tests reach is nobody's: it goes, with its function."""
    reached, files = alive(), files_by_name(TREES[path])
    for node in TREES[path].body:
        if isinstance(node, Definition) and (path.stem, node.name) not in reached:
            dead = [statement for _, statement, _ in statements_in(node, files)]
            assert not dead, f"{path.name}: nobody calls {node.name}, and it alone has {dead}"
