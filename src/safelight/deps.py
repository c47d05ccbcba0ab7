"""The one place that opens connections. Call it after fork, once a process."""

from __future__ import annotations

import os
import socket

from pydantic import SecretStr

from safelight import scratch
from safelight.clients.broker import Broker
from safelight.clients.limits import limits_for
from safelight.clients.replicate import ReplicateProvider
from safelight.clients.s3 import S3Store
from safelight.config import models_folder
from safelight.db.transaction import Database, Publish
from safelight.domain import profiles
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.retention import policy_of
from safelight.settings import Settings
from safelight.stages.tools import Tools
from safelight.vision.guard import GuardedEye


def require_files(settings: Settings) -> None:
    """Raise Invalid where a file or folder that a setting names is not there, or not to be understood."""
    profiles.use_folder(settings.profiles)
    profiles.own_profiles()
    policy_of(settings)


def open_store(settings: Settings) -> S3Store:
    """The object store."""
    return S3Store(
        settings.s3_bucket,
        endpoint_url=settings.s3_endpoint_url,
        public_endpoint_url=settings.s3_public_endpoint_url,
        access_key=settings.aws_access_key_id,
        secret_key=_plain(settings.aws_secret_access_key),
        session_token=_plain(settings.aws_session_token),
        keys_end=settings.aws_credential_expiration,
        profile=settings.aws_profile,
        region=settings.aws_region,
        addressing=settings.s3_addressing_style,
        ca_bundle=settings.aws_ca_bundle,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def open_provider(settings: Settings) -> ReplicateProvider:
    """The trainer and drawer."""
    token = settings.replicate_api_token.get_secret_value()
    url = (settings.limits_url or settings.broker_url).get_secret_value()
    secret = settings.replicate_webhook_secret
    return ReplicateProvider(
        token,
        settings.replicate_base_url,
        timeout=settings.provider_timeout_seconds,
        limits=limits_for(url, token),
        webhook_secret=secret.get_secret_value() if secret else None,
    )


def open_database(settings: Settings, publish: Publish, size: int) -> Database:
    """The database, straight or through a pooler."""
    url = settings.database_url.get_secret_value()
    return Database(url, publish, size=size, pooler=settings.database_pooler)


def open_clock(settings: Settings) -> tuple[Database, Broker]:
    """What the clock needs: the database, and the broker for hints."""
    broker = Broker(settings.broker_url.get_secret_value())
    return open_database(settings, broker.send, 2), broker


def open_context(settings: Settings, component: str, *, connections: int = 8) -> Context:
    """Everything a worker or a door works with. Connections are made on first use."""
    profiles.use_folder(settings.profiles)
    scratch.sweep()  # also what a killed process of a pool left, whose worker goes on
    broker = Broker(settings.broker_url.get_secret_value())
    db = open_database(settings, broker.send, connections)
    return Context(
        settings=settings,
        db=db,
        tools=Tools(
            open_store(settings), open_provider(settings), GuardedEye(models=models_folder())
        ),
        broker=broker,
        heartbeat=Heartbeat(db, settings.lease_seconds),
        worker=f"{component}@{socket.gethostname()}:{os.getpid()}",
    )


def close_context(cx: Context) -> None:
    """Close what `open_context` opened."""
    cx.heartbeat.close()
    cx.tools.eye.close()
    cx.tools.provider.close()
    cx.tools.store.close()
    cx.broker.close()
    cx.db.close()
