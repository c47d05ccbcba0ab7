"""A fresh, migrated database for each test: copied from a template, in milliseconds."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from safelight.db.migrate import migrate

TEMPLATE = "safelight_template"


def _at(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def make_template(admin_url: str) -> None:
    """The migrated database that the others are copied from."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(_at(admin_url, TEMPLATE))


def fresh_database(admin_url: str) -> str:
    """A new database with the schema in it; its URL."""
    name = f"test_{uuid4().hex}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    return _at(admin_url, name)


def drop_database(admin_url: str, url: str) -> None:
    """Drop it, whoever is still connected."""
    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
