"""A database of its own for every test, copied from a migrated template.

url = fresh_database(stores.database_url)
...
drop_database(stores.database_url, url)
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from safelight.db.migrate import migrate, migrations

_TEMPLATE_LOCK = 0x5AFE_11_17
"""Any number: held while the template is made, so that two test runs on one server make one."""


def named(url: str, name: str) -> str:
    """*url* with the database *name* in place of its own."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def template_database(admin_url: str) -> str:
    """The name of a database with every migration run, made on first use.

    Its name carries a hash of the migrations, so that a changed one makes a new template.
    """
    shipped = "".join(m.sha256 for m in migrations())
    name = f"template_{hashlib.sha256(shipped.encode()).hexdigest()[:16]}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        there = admin.execute(
            "SELECT datistemplate FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if there is not None and there[0]:
            return name
        if there is not None:  # its maker died before it was finished
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(named(admin_url, name))
        admin.execute(
            sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false").format(
                sql.Identifier(name)
            )
        )
    return name


def fresh_database(admin_url: str) -> str:
    """The URL of a new database with the schema and nothing in it."""
    template = template_database(admin_url)
    name = f"test_{uuid4().hex}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return named(admin_url, name)


def drop_database(admin_url: str, url: str) -> None:
    """Drop a database that `fresh_database` made, with whoever is connected to it."""
    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
