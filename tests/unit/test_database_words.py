"""What a server, a pooler or libpq says while a connection is made, as it is said there."""

from __future__ import annotations

import psycopg
import pytest

from safelight.db.faults import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseRefuses,
    DatabaseUnknown,
    refuses_options,
    told,
)

AT = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('FATAL:  password authentication failed for user "app"', DatabaseRefuses),
        ('FATAL:  PAM authentication failed for user "app"', DatabaseRefuses),
        ("fe_sendauth: no password supplied", DatabaseRefuses),
        ('FATAL:  database "x" does not exist', DatabaseRefuses),
        ('FATAL:  role "app" does not exist', DatabaseRefuses),
        ('FATAL:  role "app" is not permitted to log in', DatabaseRefuses),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "app"', DatabaseRefuses),
        ('FATAL:  permission denied for database "x"', DatabaseRefuses),
        ('FATAL:  database "x" is not currently accepting connections', DatabaseRefuses),
        ("server does not support SSL, but SSL was required", DatabaseRefuses),
        ("SSL error: certificate verify failed", DatabaseRefuses),
        ('root certificate file "/x/root.crt" does not exist', DatabaseRefuses),
        ("FATAL:  no such database: x", DatabaseRefuses),  # PgBouncer
        ("FATAL:  no such user", DatabaseRefuses),
        ("FATAL:  Tenant or user not found", DatabaseRefuses),  # Supabase
        ("ERROR:  Endpoint ID is not specified.", DatabaseRefuses),  # Neon
        ("ERROR:  connection is insecure (try using `sslmode=require`)", DatabaseRefuses),
        ("Connection refused", DatabaseAway),
        ("FATAL:  the database system is starting up", DatabaseAway),
        ("FATAL:  the database system is shutting down", DatabaseAway),
        ("FATAL:  the database system is not yet accepting connections", DatabaseAway),
        ("server closed the connection unexpectedly", DatabaseAway),
        ("session is read-only", DatabaseAway),
        ("FATAL:  pgbouncer cannot connect to server", DatabaseAway),
        ("FATAL:  server login has been failing, try again later", DatabaseAway),
        ("FATAL:  sorry, too many clients already", DatabaseBusy),
        ('FATAL:  too many connections for role "app"', DatabaseBusy),
        ("FATAL:  remaining connection slots are reserved for roles with SUPERUSER", DatabaseBusy),
        ("ERROR:  no more connections allowed (max_client_conn)", DatabaseBusy),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", DatabaseUnknown),
        (
            "failed to resolve host 'x': [Errno -3] Temporary failure in name resolution",
            DatabaseAway,
        ),
        ('ВАЖНО:  пользователь "app" не прошёл проверку подлинности', DatabaseAway),
    ],
)
def test_a_connection_that_is_not_made_is_told_apart(said: str, kind: type[Exception]) -> None:
    error = told(psycopg.OperationalError(AT + said))
    assert type(error) is kind
    assert said.rsplit(":", maxsplit=1)[-1].strip(" .")[:20] in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "FATAL:  unsupported startup parameter: options",  # PgBouncer before 1.20
        "FATAL:  unsupported startup parameter in options: statement_timeout",  # after; Neon
        "FATAL:  Feature not supported: RDS Proxy currently doesn’t support command-line options.",
    ],
)
def test_a_pooler_that_takes_no_settings_is_known_by_its_words(said: str) -> None:
    assert refuses_options(psycopg.OperationalError(AT + said))


def test_a_connection_that_is_lost_in_mid_session_is_away_whatever_it_says() -> None:
    error = psycopg.errors.AdminShutdown("terminating connection due to administrator command")
    assert type(told(error)) is DatabaseAway


def test_several_servers_of_which_one_refuses_us_refuse_us() -> None:
    """localhost is two addresses, of which often one is answered."""
    both = (
        f"{AT}FATAL:  password authentication failed\nMultiple connection attempts failed. All failures "
        "were:\n- host: '::1': Connection refused\n- host: '127.0.0.1': password authentication failed"
    )
    assert type(told(psycopg.OperationalError(both))) is DatabaseRefuses
