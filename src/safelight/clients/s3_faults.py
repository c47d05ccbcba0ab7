"""What a store says when it does not do what it was asked, in our words: what it is about, and the way out.

Stores share S3's codes, and each has some of its own. A fault that time, the network or a person at the
store's side mends is `Retryable`: no job is parked by it at once. The rest is about our keys, our rights or
our settings: `StoreRefused`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from safelight.clients.s3_unreached import keys_not_lent, of_link
from safelight.domain.errors import ObjectMissing, Retryable, SafelightError, StoreRefused
from safelight.domain.texts import shown

SKEW_SECONDS = 14 * 60
"""S3 takes no request that is a quarter of an hour off; less than this is no reason to refuse one."""

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
_BUSY = {
    *("RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "Busy"),
    *("ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict", "Throttling"),
    *("ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded"),
    *("PriorRequestNotComplete", "KMS.ThrottlingException", "IncompleteBody", "429", "408"),
    *("XMinioServerNotInitialized", "XMinioBackendDown", "TransactionInProgress"),
}
_DAMAGED = {
    *("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    "ContentSHA256Mismatch",
}
_FULL = {
    *("InsufficientStorage", "507", "QuotaExceeded", "EntityTooLarge", "XMinioStorageFull"),
    *("XMinioAdminBucketQuotaExceeded", "StorageFull", "InsufficientCapacity"),
    "ServiceQuotaExceededException",
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_TOKEN = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}
_KEY = {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "NotSignedUp"}
_SIGNATURE = {"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSecurity"}
_RIGHTS = {"AccessDenied", "Forbidden", "403", "401", "Unauthorized", "UnauthorizedAccess"}
_ACCOUNT = {"AccountProblem", "AllAccessDisabled", "PaymentRequired", "402"}
_REGION = {
    *("PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"),
    *("IllegalLocationConstraintException", "301", "302", "307"),
}
_LACKS = {"NotImplemented", "MethodNotAllowed", "501", "405", "XNotImplemented"}
_LENDS_KEYS = {"AssumeRole", "AssumeRoleWithWebIdentity", "GetRoleCredentials", "CreateToken"}
"""Requests that boto3 makes for keys, within a request of ours: what they are refused is no right of ours."""
_SAYS = 200
"""Characters of the store's own words that are passed on."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Turns boto3's errors into ours, for one bucket at one host."""

    bucket: str
    host: str
    region: str
    short_key: bool = False
    """Whether the key is of a kind that needs a session token, and there is none."""

    @contextmanager
    def told_apart(self, key: str, *, there: bool = True) -> Iterator[None]:
        """Whatever boto3 raises becomes one of ours. *key* is what it was about; *there*: it may be
        missing (it is read), else only its bucket can be (it is written, or listed)."""
        try:
            yield
        except ClientError as error:
            raise self.of_reply(error, key, there=there) from error
        except (BotoCoreError, ResponseParserError, ConnectionError, TimeoutError) as error:
            raise of_link(error, self.host) from error

    def of_reply(self, error: ClientError, key: str, *, there: bool = True) -> SafelightError:
        """What the store answered."""
        code = code_of(error)
        if error.operation_name in _LENDS_KEYS:
            return keys_not_lent(f"{error.operation_name} was answered with {code}")
        if code == "NoSuchBucket" or (code in _MISSING and not there):
            return StoreRefused(
                f"There is no bucket {self.bucket!r} at {self.host}.",
                hint="S3_BUCKET is the bucket's name alone and S3_ENDPOINT_URL the address of the S3 port, "
                "without the bucket. Make the bucket, or name the one there is.",
            )
        if code in _MISSING:
            return ObjectMissing(f"The object {key!r} is not in the store.")
        status = status_of(error)
        off = skew_of(error.response)
        if code in _CLOCK or (status in (400, 401, 403) and off and abs(off) > SKEW_SECONDS):
            return _clock(off, code)
        for codes, say in (
            (_TOKEN, _token),
            (_FULL, _full),
            (_REGION, self._region),
            (_KEY, self._key),
            (_SIGNATURE, self._signature),
            (_ACCOUNT, _account),
            (_LACKS, self._lacks),
        ):
            if code in codes:
                return say(code, error, key)
        if code == "InvalidObjectState":
            return StoreRefused(
                f"The object {key!r} is in an archive class and cannot be read ({code}).",
                hint="Restore it at the store first (S3: restore-object), then retry. A retention rule "
                "of the bucket, or an `archive_class` that is not read at once, has moved it there.",
            )
        said = str(error.response.get("Error", {}).get("Message", ""))
        if "cap exceeded" in said.lower():  # Backblaze B2 says so under AccessDenied
            return _full(code, error, key)
        if code in _DAMAGED:
            return Retryable(
                f"What was sent for {key!r} reached the object store damaged ({code})."
            )
        if code in _BUSY or status >= 500:
            return Retryable(
                f"The object store is busy ({code}) at {key!r}.", after=_asked_pause(error.response)
            )
        if code.startswith("KMS."):
            return StoreRefused(
                f"The object store cannot use the key that {key!r} is encrypted with ({code}).",
                hint="Enable the bucket's KMS key, and let our keys use it (kms:Decrypt, "
                "kms:GenerateDataKey).",
            )
        if code in _RIGHTS:
            return StoreRefused(
                f"The object store does not allow our keys what was asked at {key!r} ({code}).",
                hint="They need to get, put, delete and list objects of the bucket. A bucket policy, an "
                "encryption key (KMS), an object lock, or a bucket whose requester pays may forbid it "
                "too. `safelight doctor` tries each.",
            )
        if code.isdecimal():
            return StoreRefused(
                f"{self.host} answered {code} at {key!r}, and says nothing that a store of S3 says.",
                hint="S3_ENDPOINT_URL is the address of the S3 port itself, with https:// where it speaks "
                "TLS; a proxy may stand before it.",
            )
        words = f": {shown(said, most=_SAYS)}" if said else ""
        return StoreRefused(
            f"The object store refused {key!r} ({code}{words}).",
            hint="`safelight doctor` tries each request that is needed.",
        )

    def _region(self, code: str, error: ClientError, _key: str) -> SafelightError:
        region = region_of(error.response)
        if region is None and code == "AuthorizationHeaderMalformed":
            return StoreRefused(
                f"The object store at {self.host} does not take our signature for the region "
                f"{self.region!r} (AuthorizationHeaderMalformed).",
                hint="Set AWS_REGION to the store's own region.",
            )
        if region is None:
            return StoreRefused(
                f"The bucket {self.bucket!r} is not to be had at {self.host} ({code}): it lies in "
                "another region.",
                hint="Set AWS_REGION to the bucket's region, and leave S3_ENDPOINT_URL out for AWS.",
            )
        return StoreRefused(
            f"The bucket {self.bucket!r} lies in the region {region}, and {self.region} was asked "
            f"({code}).",
            hint=f"Set AWS_REGION={region}; links are signed for the region and would not work either.",
        )

    def _key(self, code: str, _error: ClientError, _key: str) -> SafelightError:
        if self.short_key:
            return StoreRefused(
                f"The access key is a temporary one, and no session token was given ({code}).",
                hint="Set AWS_SESSION_TOKEN, which came with the key.",
            )
        return StoreRefused(
            f"The object store at {self.host} does not know our access key ({code}).",
            hint="AWS_ACCESS_KEY_ID is to be one of this store's, and not deleted or disabled.",
        )

    def _signature(self, code: str, _error: ClientError, _key: str) -> SafelightError:
        return StoreRefused(
            f"The object store at {self.host} does not take our signature ({code}).",
            hint="AWS_SECRET_ACCESS_KEY is not the one of AWS_ACCESS_KEY_ID, or a proxy in between changes "
            "the host or the path.",
        )

    def _lacks(self, code: str, error: ClientError, key: str) -> SafelightError:
        return StoreRefused(
            f"The object store at {self.host} does not have the request that was made for {key!r} "
            f"({error.operation_name}: {code}).",
            hint="`safelight doctor` says which requests it lacks.",
        )


def _token(code: str, _error: ClientError, _key: str) -> SafelightError:
    return Retryable(
        "The session token that the store's keys came with has expired, or is not theirs "
        f"({code}).",
        hint="Renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN together and start "
        "this process again, or log in again (`aws sso login`); keys of a role renew themselves.",
    )


def _full(code: str, _error: ClientError, key: str) -> SafelightError:
    return Retryable(
        f"The object store has no room for {key!r} ({code}): its disk is full, or a quota "
        "or a largest size is reached.",
        hint="Free space there or raise the quota; it is tried again by itself, and nothing is lost.",
    )


def _account(code: str, _error: ClientError, _key: str) -> SafelightError:
    return StoreRefused(
        f"The account that the object store belongs to is closed or has a problem ({code}).",
        hint="Its owner has to see to it at the store (a bill, a limit, a block).",
    )


def code_of(error: ClientError) -> str:
    """The store's own word for it; of a reply without a body its HTTP status."""
    told = error.response.get("Error", {}).get("Code") or status_of(error)
    return shown(str(told), most=60)


def status_of(error: ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def headers_of(response: Mapping[str, Any]) -> Mapping[str, str]:
    """The reply's headers, in lower case."""
    found: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return found


def region_of(response: Mapping[str, Any]) -> str | None:
    """The bucket's region, where a reply names it."""
    told = response.get("Error", {}).get("Region") or headers_of(response).get(
        "x-amz-bucket-region"
    )
    return shown(str(told), most=40) if told else None


def skew_of(response: Mapping[str, Any]) -> float | None:
    """Seconds that this machine's clock is ahead of the store's; None: its reply bears no time."""
    try:
        there = parsedate_to_datetime(headers_of(response)["date"])
    except (KeyError, ValueError, TypeError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    return (datetime.now(UTC) - there).total_seconds()


def in_words(seconds: float) -> str:
    """A difference of clocks."""
    off = abs(seconds)
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if off >= 2 * s), ("s", 1))
    return f"{off / size:.0f} {unit} {'ahead of' if seconds > 0 else 'behind'}"


def _clock(off: float | None, code: str) -> SafelightError:
    far = in_words(off) if off and abs(off) > 60 else "too far from"
    return Retryable(
        f"The clock of this machine is {far} the object store's, which takes no request of it ({code}).",
        hint="Set this machine's time (NTP); it is tried again by itself.",
    )


def _asked_pause(response: Mapping[str, Any]) -> float | None:
    try:
        return min(float(headers_of(response)["retry-after"]), 3600.0)
    except (KeyError, ValueError):
        return None
