"""Why no answer came of the object store: the network, TLS, a proxy, or keys that could not be had."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import ResponseParserError

from safelight.domain.errors import Retryable, SafelightError, StoreRefused
from safelight.domain.texts import shown

_LENDING = (
    *(CredentialRetrievalError, MetadataRetrievalError, SSOError, TokenRetrievalError),
    *(LoginError, NoAuthTokenError),
)
_SAYS = 200


def of_link(error: Exception, host: str) -> SafelightError:
    """Whatever boto3 raises where there is no answer, or none that can be read."""
    if isinstance(error, SSLError):
        return _tls(error, host)
    if isinstance(error, NoCredentialsError):
        return no_keys()
    if isinstance(error, _LENDING):
        return keys_not_lent(str(error))
    if isinstance(error, ProxyConnectionError):
        return Retryable(
            f"The proxy before the object store at {host} lets nothing through.",
            hint="HTTPS_PROXY and HTTP_PROXY name it, with its user and password where it asks for them; "
            "NO_PROXY names hosts that need none.",
        )
    if isinstance(error, ResponseParserError):
        return no_s3(host)
    if isinstance(error, IncompleteReadError):
        return Retryable(f"The answer of the object store at {host} was cut short.")
    if isinstance(error, NotConnected | HTTPClientError | ConnectionError | TimeoutError):
        return Retryable(f"The object store at {host} cannot be reached: {_why(error)}.")
    return StoreRefused(
        f"The request to the object store cannot be made: {shown(str(error), most=_SAYS)}",
        hint="See S3_BUCKET, S3_ENDPOINT_URL, AWS_REGION and AWS_PROFILE.",
    )


def no_keys() -> SafelightError:
    """Nobody gives keys: a machine's role may come later than we do."""
    return Retryable(
        "There are no keys for the object store.",
        hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile (AWS_PROFILE), or give this "
        "machine a role.",
    )


def no_s3(host: str) -> SafelightError:
    """An answer that no S3 gives."""
    return Retryable(
        f"What answers at {host} is no S3: its reply cannot be read.",
        hint="S3_ENDPOINT_URL is the address of the S3 port itself; a proxy or a sign-in page may stand "
        "before it.",
    )


def keys_not_lent(why: str) -> SafelightError:
    """Keys of a role, a web identity or a sign-on that could not be fetched."""
    return Retryable(
        f"The keys for the object store cannot be had now: {shown(why, most=_SAYS)}",
        hint="For single sign-on, log in again (`aws sso login`); for a role, look at what lends it.",
    )


def _tls(error: BotoCoreError, host: str) -> SafelightError:
    said = str(error)
    if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER" in said:
        why, hint = (
            "it does not speak TLS at that port",
            "Is S3_ENDPOINT_URL to begin with http://?",
        )
    elif "doesn't match" in said:
        why = f"its certificate is not accepted (it is for another host than {host})"
        hint = (
            "Name the host that the certificate is for in S3_ENDPOINT_URL, or mend the certificate."
        )
    elif "CERTIFICATE_VERIFY_FAILED" in said:
        why = f"its certificate is not accepted ({_reason(error)})"
        hint = "Mend the certificate, or name the authority that signed it in AWS_CA_BUNDLE (PEM)."
    else:
        why, hint = (
            f"TLS fails ({_reason(error)})",
            "Look at its certificate, and at what is between.",
        )
    return Retryable(f"The object store at {host} cannot be trusted: {why}.", hint=hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from; drivers keep that in attributes and arguments too."""
    seen: set[int] = set()
    todo: list[BaseException] = [error]
    while todo and len(seen) < 20:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kept = (getattr(one, "kwargs", {}).get("error"), getattr(one, "reason", None), *one.args)
        nearest = (*kept, one.__cause__, one.__context__)
        todo += [cause for cause in nearest if isinstance(cause, BaseException)]


def _reason(error: BaseException) -> str:
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message
        if isinstance(one, ssl.SSLError) and one.reason:
            return one.reason.lower().replace("_", " ")
    return type(error).__name__


def _why(error: BaseException) -> str:
    """In the network's words: a URL in a driver's message holds more than is anybody's business."""
    for one in _causes(error):
        if type(one).__name__ in ("gaierror", "NameResolutionError"):
            return "its name is not known (DNS)"
        if isinstance(one, OSError) and one.errno and one.strerror:
            return f"{one.strerror.lower()} (errno {one.errno})"
    return type(error).__name__
