"""Errors with a name. The docstring is the default message; the rest says what to do.

`Retryable` passes by itself: tried again for a day, and no attempt is spent. `Unfinished` may pass if
tried again, so often. Every other `SafelightError` will not, so the job that meets it is parked at
once with its message. Anything else that is raised is a surprise: retried, then parked.
"""

from __future__ import annotations

from safelight.domain.masking import mask


class SafelightError(Exception):
    """Something went wrong."""

    code = "error"
    """A short word for machines: problem+json type, log field, exit message."""
    status = 500
    """The HTTP status a door answers with."""
    said: tuple[str, ...] = ()
    """The last lines of the program that failed, where it was one."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        doc = (type(self).__doc__ or "").strip().splitlines()[0]
        # Libraries quote addresses and headers: no error of ours carries a secret, wherever it ends up.
        self.message = mask(message or doc)
        self.hint = mask(hint) if hint else hint
        super().__init__(f"{self.message} {self.hint}" if self.hint else self.message)


class Retryable(SafelightError):
    """A passing fault; it is tried again after a pause."""

    code = "retryable"
    status = 503

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.after = after
        """Seconds the other side asked us to wait, if it did."""


class Unfinished(Retryable):
    """It did not come out as it should; it is tried again, as often as its kind of work is."""

    code = "unfinished"


class Unavailable(Retryable):
    """The other side takes no request of ours at present, whatever it is about."""

    code = "unavailable"


class Unreadable(Retryable):
    """An answer came, and cannot be read."""

    code = "unreadable"


class NotFound(SafelightError):
    """There is no such thing, or it is not yours."""

    code = "not-found"
    status = 404


class Conflict(SafelightError):
    """That cannot be done in the state it is in."""

    code = "conflict"
    status = 409


class Invalid(SafelightError):
    """What was asked for is not valid."""

    code = "invalid"
    status = 422


class Forbidden(SafelightError):
    """This key does not allow that."""

    code = "forbidden"
    status = 403


class ConsentMissing(SafelightError):
    """A person's photos cannot be used before their consent is on record."""

    code = "consent-missing"
    status = 409


class SchemaBehind(SafelightError):
    """The database's schema is not the one this code was written for."""

    code = "schema-behind"


class LeaseLost(SafelightError):
    """The lease on this job has passed to another worker; nothing was written."""

    code = "lease-lost"


class CancelAsked(SafelightError):
    """Someone asked for this job to be cancelled."""

    code = "canceled"


class ObjectMissing(SafelightError):
    """The object is not in the store."""

    code = "object-missing"
    status = 404


class StoreRefused(SafelightError):
    """The object store refused a request."""

    code = "store-refused"
    status = 503


class ObjectTooLarge(StoreRefused):
    """The object has more bytes than are taken."""

    code = "object-too-large"


class LinkTooShort(StoreRefused):
    """A link into the store would end before it may."""

    code = "link-too-short"


class BadArchive(SafelightError):
    """The trainer's archive, or the weights in it, are not what was asked for."""

    code = "bad-archive"
    status = 422


class ProviderRefused(SafelightError):
    """The provider refused a request that should have been fine."""

    code = "provider-refused"
    status = 502


class TokenRefused(ProviderRefused):
    """The provider does not accept the API token."""
