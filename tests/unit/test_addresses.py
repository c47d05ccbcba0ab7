"""DATABASE_URL and BROKER_URL as people paste them: understood, or named, and never printed."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from safelight.domain import broker_address, database_address
from safelight.domain.given import Malformed


@pytest.mark.parametrize(
    "scheme",
    [
        *("postgres", "postgresql", "POSTGRES", "postgresql+psycopg", "postgresql+psycopg2"),
        *("postgresql+asyncpg", "postgres+pg8000", "postgresql+psycopg_async", "postgis", "pgsql"),
    ],
)
def test_a_drivers_name_in_the_scheme_is_taken_off(scheme: str) -> None:
    found = database_address.read(f"{scheme}://app:pw@db:5432/x")
    assert conninfo_to_dict(found.url) == {
        "user": "app",
        "password": "pw",
        "host": "db",
        "port": "5432",
        "dbname": "x",
    }
    assert bool(found.notes) == (scheme.lower() not in ("postgres", "postgresql"))


@pytest.mark.parametrize(
    "parameters",
    [
        "connection_limit=1&pool_timeout=20",
        "schema=public",
        "statement_cache_size=0&prepared_statement_cache_size=0",
        "supa=base-pooler.x",
        "sslaccept=accept_invalid_certs",
        "prepareThreshold=0",
        "pool_size=5&max_overflow=10",
    ],
)
def test_a_drivers_own_parameters_are_left_out_with_a_word(parameters: str) -> None:
    found = database_address.read(f"postgresql://app@db/x?{parameters}&sslmode=require")
    assert conninfo_to_dict(found.url) == {
        "user": "app",
        "host": "db",
        "dbname": "x",
        "sslmode": "require",
    }
    assert len(found.notes) == len(parameters.split("&"))


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ("ssl=true", "require"),
        ("ssl=require", "require"),
        ("ssl=verify-full", "verify-full"),
        ("ssl=false", "disable"),
        ("sslmode=no-verify", "require"),
        ("sslmode=REQUIRE", "require"),
        ("sslmode=verify-full&ssl=true", "verify-full"),
        ("ssl=true&sslmode=verify-full", "verify-full"),
    ],
)
def test_other_words_for_tls_mean_the_same_and_never_less(given: str, mode: str) -> None:
    found = database_address.read(f"postgresql://app@db/x?{given}")
    assert conninfo_to_dict(found.url)["sslmode"] == mode


@pytest.mark.parametrize("yes", ["pgbouncer=true", "pgbouncer=1", "pool_mode=transaction"])
def test_an_address_may_say_that_a_pooler_is_there(yes: str) -> None:
    assert database_address.read(f"postgresql://app@db/x?{yes}").pooled
    assert not database_address.read("postgresql://app@db/x?pgbouncer=false").pooled


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:///x?host=/var/run/postgresql",
        "postgresql://app@%2Fvar%2Frun%2Fpostgresql/x",
        "postgresql://app:pw@a:5432,b:5433/x?target_session_attrs=read-write",
        "postgresql://app:pw@[::1]:5432/x",
        "postgresql://app:p#w?x:y@db/x",
        "postgresql://app:p%40w%2F@db/x",
        "postgresql://db:5432/x?user=me@corp&password=pw",
        "postgresql://app:pw@/x?host=/cloudsql/a:b:c",
        "postgresql://app:pw@db/x?options=endpoint%3Dep-1",
        "postgresql://app:pw@db?sslmode=require",
        "postgresql://",
        "service=mine",
        "host=db dbname=x user=app password='p w\\'s'",
    ],
)
def test_what_libpq_understands_means_the_same_afterwards(text: str) -> None:
    assert conninfo_to_dict(database_address.read(text).url) == conninfo_to_dict(text)


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"mysql://u:{SECRET}@h/db", "MySQL"),
        (f"mysql+pymysql://u:{SECRET}@h/db", "MySQL"),
        (f"sqlite:///{SECRET}.db", "SQLite"),
        (f"mongodb+srv://u:{SECRET}@h/db", "MongoDB"),
        (f"jdbc:postgresql://h/db?user=u&password={SECRET}", "Java"),
        (f"prisma+postgres://h/?api_key={SECRET}", "Prisma"),
        (f"redis://:{SECRET}@h", "BROKER_URL"),
        (f"https://u:{SECRET}@h/db", "web page"),
        (f"foo://u:{SECRET}@h/db", "scheme"),
        (f"u:{SECRET}@h/db", "looks like"),
        (f"//u:{SECRET}@h/db", "looks like"),
        (SECRET, "looks like"),
        (f"postgresql:/u:{SECRET}@h/db", "looks like"),
        (f"postgresql://u:a@{SECRET}@h/db", "@ is %40"),
        (f"postgresql://u:a/{SECRET}@h/db", "/ is %2F"),
        (f"postgresql://u:a%{SECRET}@h/db", "% is %25"),
        (f"postgresql://u:a?/{SECRET}@h/db", "? is %3F"),
        (f"postgresql://u:{SECRET}@h:port/db", "port"),
        (f"postgresql://u:{SECRET}@h:70000/db", "port"),
        (f"postgresql://u:{SECRET}@h/db?schema=app", "search_path"),
        (f"postgresql://u:{SECRET}@h/db?sslaccept=strict", "verify-full"),
        (f"postgresql://u:{SECRET}@h/db?ssl=maybe", "verify-full"),
        (f"postgresql://u:{SECRET}@h/db?{SECRET}", "name=value"),
        (f'"postgresql://u:{SECRET}@h/db"', "quotes"),
        (f"'postgresql://u:{SECRET}@h/db'", "quotes"),
        (f"\u201cpostgresql://u:{SECRET}@h/db\u201d", "quotes"),
        (f'postgresql://u:{SECRET}@h/db"', "quotation mark"),
        (f"postgresql://u:{SECRET} @h/db", "white space"),
        (f"postgresql://u:{SECRET}\n@h/db", "line break"),
        (f"postgresql://u:{SECRET}\x00@h/db", "U+0000"),
        (f"host=h password={SECRET} nonsense", "key=value"),
        (f"host=h password='{SECRET}", "key=value"),
    ],
)
def test_a_database_url_that_cannot_be_right_is_named_without_its_password(
    text: str, named: str
) -> None:
    with pytest.raises(Malformed) as refused:
        database_address.read(text)
    assert named in str(refused.value)
    assert SECRET[:7] not in str(refused.value)


def test_what_surrounds_an_address_by_accident_does_no_harm() -> None:
    for text in (
        "\ufeffpostgresql://u@h/x\r\n",
        "  postgresql://u@h/x\u00a0",
        "postgresql://u@h/x\n\n",
    ):
        assert database_address.read(text).url == "postgresql://u@h/x"


@pytest.mark.parametrize(
    ("text", "kind", "tls"),
    [
        ("redis://h", "redis", False),
        ("redis://:pw@h:6379/3", "redis", False),
        ("rediss://u:pw@h:6380/3", "redis", True),
        ("valkey://h", "redis", False),
        ("valkeys://h", "redis", True),
        ("redis+socket:///run/v.sock?virtual_host=3", "socket", False),
        ("unix://:pw@/run/v.sock?db=3", "socket", False),
        ("sentinel://:pw@a:26379;sentinel://b:26379/0?master_name=m", "sentinel", False),
        ("amqp://u:p@h:5672//", "amqp", False),
        ("amqps://u:p@h/v%2Fx", "amqp", True),
        ("pyamqp://", "amqp", False),
        ("amqp://u:p@a/v;amqp://u:p@b/v", "amqp", False),
        ("redis://:a@b%@h", "redis", False),
    ],
)
def test_a_broker_that_carries_hints_is_understood(text: str, kind: str, tls: bool) -> None:
    found = broker_address.read(text)
    assert (found.kind, found.tls) == (kind, tls)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("memory://", "nowhere"),
        ("filesystem://", "nowhere"),
        (f"sqs://AKIA:{SECRET}@", "no broker that Safelight works with"),
        (f"sqla+postgresql://u:{SECRET}@h/x", "no broker that Safelight works with"),
        (f"kafka://u:{SECRET}@h", "no broker that Safelight works with"),
        (f"redis+cluster://:{SECRET}@h", "cluster"),
        (f"rediss+cluster://:{SECRET}@h", "cluster"),
        (f"redis+sentinel://:{SECRET}@h", "sentinel://"),
        (f"postgresql://u:{SECRET}@h", "DATABASE_URL"),
        (f"foo://u:{SECRET}@h", "scheme"),
        ("localhost:6379", "looks like"),
        (f"redis://:{SECRET}@a;redis://:{SECRET}@b", "several Redis servers"),
        (f"amqp://u:{SECRET}@a;redis://b", "differ"),
        (f"sentinel://:{SECRET}@a:26379/0", "master_name"),
        (f"redis://:a#{SECRET}@h", "# is %23"),
        (f"redis://:a/{SECRET}@h", "/ is %2F"),
        (f"redis://:a?{SECRET}@h", "? is %3F"),
        (f"redis://:{SECRET}@h/name", "number"),
        (f"redis://:{SECRET}@h:port", "port"),
        (f"redis://:{SECRET}@h?foo=1", "'foo'"),
        (f"redis://:{SECRET}@h?ssl_cert_reqs=none", "TLS"),
        (f"rediss://:{SECRET}@h?ssl_cert_reqs=perhaps", "required, optional, none"),
        (f"'redis://:{SECRET}@h'", "quotes"),
        ("redis+socket://", "socket"),
        ("", "looks like"),
    ],
)
def test_a_broker_to_which_hints_do_not_go_is_refused_with_the_reason(
    text: str, named: str
) -> None:
    with pytest.raises(Malformed) as refused:
        broker_address.read(text)
    assert named in str(refused.value)
    assert SECRET[:7] not in str(refused.value)
