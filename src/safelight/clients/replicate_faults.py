"""What the provider's refusals are to us, and what it is where no answer came: told apart and named."""

from __future__ import annotations

import socket
import ssl
import unicodedata
from urllib.parse import urlsplit

import httpx

from safelight.clients.addresses import origin
from safelight.domain.errors import (
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unavailable,
    Unreadable,
)
from safelight.domain.texts import shown

THROTTLED = 429
PASSING = frozenset({408, 425})
"""Refusals of a read that may pass if it is asked again; so may every 5xx."""
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    # Raised while the request's head is written out, before a byte of it is sent.
    httpx.LocalProtocolError,
)
"""No connection was made, or nothing was sent over it; after any other fault it may have been."""
DETAIL_CHARS = 1_000
CHECK_TOKEN = "Check REPLICATE_API_TOKEN."  # noqa: S105 (a hint)
CHECK_ADDRESS = "Check REPLICATE_BASE_URL, and whether a proxy or a sign-in page stands between."
_NAMED = {
    "\n": "a line end",
    "\r": "a carriage return",
    "\t": "a tab",
    " ": "a blank",
    "\0": "NUL",
    "\ufeff": "a byte order mark",
}


class Conflicting(ProviderRefused):
    """The provider has such a thing already."""

    code = "conflict"


class WronglySet(ProviderRefused):
    """A setting that leads to the provider cannot be used."""

    code = "not-configured"


class NoSuchName(ProviderRefused):
    """That is no name the provider could have given."""

    code = "invalid"
    status = 422


class Unanswered(Retryable):
    """The provider took a request and did not answer it in time."""

    code = "unanswered"


def token_fault(token: str) -> TokenRefused | None:
    """What is odd about a token that cannot stand in a header, and never the token."""
    if not token:
        return TokenRefused("REPLICATE_API_TOKEN is empty.", hint="Set it to the account's token.")
    if token.lower().startswith(("bearer ", "token ")):
        return TokenRefused(
            "REPLICATE_API_TOKEN begins with the word that stands before a token in a header.",
            hint="Set it to the token alone.",
        )
    for place, char in enumerate(token, 1):
        if not "!" <= char <= "~":
            named = _NAMED.get(char) or unicodedata.name(char, "a control character").lower()
            return TokenRefused(
                f"REPLICATE_API_TOKEN cannot be sent: character {place} of {len(token)} is {named} "
                f"(U+{ord(char):04X}).",
                hint="Set it to the token alone; files that hold a secret often end in a line end.",
            )
    return None


def address_fault(base_url: str) -> WronglySet | None:
    """What is odd about the provider's address. It is not echoed: it may hold a password."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError):
        return WronglySet("REPLICATE_BASE_URL is no address.", hint=CHECK_ADDRESS)
    if url.userinfo:
        return WronglySet(
            "REPLICATE_BASE_URL holds a user name or a password.",
            hint="Who we are is told by REPLICATE_API_TOKEN alone.",
        )
    if url.scheme not in ("http", "https") or not url.host:
        return WronglySet(
            "REPLICATE_BASE_URL is no http or https address with a host: "
            f"its scheme is {shown(url.scheme or 'missing', most=40)}.",
            hint="The provider's own is https://api.replicate.com.",
        )
    if origin(base_url) is None:
        return WronglySet(
            "REPLICATE_BASE_URL names a port that there is none of.", hint=CHECK_ADDRESS
        )
    if url.query or url.fragment:
        return WronglySet(
            "REPLICATE_BASE_URL goes on behind its path with a query or a fragment.",
            hint=CHECK_ADDRESS,
        )
    return None


def told_apart(status: int, what: str, detail: str, *, hint: str | None = None) -> SafelightError:
    """The error for a read or a change that the provider answered with *status*; *hint*: more about a
    token that is not accepted."""
    what, detail = shown(what, most=200), said(detail)
    if status == 404:
        return NotFound(f"The provider does not know {what}.")
    if status == THROTTLED:
        return Unavailable(f"The provider answered {status} for {what}.")
    if status in PASSING or status >= 500:
        return Retryable(f"The provider answered {status} for {what}.")
    if status == 401:
        return TokenRefused(hint=f"{CHECK_TOKEN} {hint}" if hint else CHECK_TOKEN)
    if status == 409:
        return Conflicting(f"The provider refused {what} (409): {detail}")
    return ProviderRefused(
        f"The provider refused {what} ({status}): {detail}",
        hint="Look at the account in the provider's own console.",
    )


def said(detail: str) -> str:
    """The provider's own words, as a person may be shown them."""
    return shown(detail.strip(), lines=True, most=DETAIL_CHARS)


def redirected(status: int, host: str, location: str | None) -> ProviderRefused:
    """An answer that sends us on: the API has none, so it is not the API's."""
    to = "nowhere"
    try:
        parts = urlsplit(location or "")
        if parts.hostname:
            to = shown(f"{parts.scheme or 'https'}://{parts.hostname}", most=200)
        elif location:
            to = "another path"
    except ValueError:
        to = "what is no address"
    return ProviderRefused(
        f"{host} answered {status}, a redirect to {to}, which the provider's API does not do.",
        hint=CHECK_ADDRESS,
    )


def no_answer_of_it(status: int, host: str, kind: str) -> Unreadable:
    """An answer that somebody else gave in the provider's name: a proxy, a sign-in page."""
    kind = shown(kind.partition(";")[0].strip() or "of no kind", most=60)
    return Unreadable(
        f"{host} answered {status} with what is not the provider's JSON ({kind}).",
        hint=CHECK_ADDRESS,
    )


def unreached(error: httpx.HTTPError, host: str) -> SafelightError:
    """Why no answer came, in words: only where there is no connection the provider cannot be reached."""
    match error:
        case httpx.ConnectTimeout():
            return Unavailable(
                f"The provider cannot be reached: no connection to {host} came about in time."
            )
        case httpx.PoolTimeout():
            return Unavailable("All our connections to the provider are in use.")
        case httpx.ReadTimeout():
            return Unanswered(f"{host} took the request and did not answer in time.")
        case httpx.WriteTimeout():
            return Unanswered(f"{host} did not take the whole request in time.")
        case httpx.ConnectError():
            return _unconnected(error, host)
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
            return WronglySet(
                f"The request cannot be written out: {shown(str(error), most=200)}",
                hint="Check REPLICATE_BASE_URL and REPLICATE_API_TOKEN.",
            )
        case httpx.RemoteProtocolError():
            return Unavailable(
                f"{host} broke off, or does not speak HTTP: {shown(str(error), most=200)}",
                hint=CHECK_ADDRESS,
            )
        case _:
            return Unavailable(f"The connection to {host} was lost ({type(error).__name__}).")


def _unconnected(error: httpx.HTTPError, host: str) -> SafelightError:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return Unavailable(
                    f"The TLS certificate of {host} is not accepted: "
                    f"{shown(cause.verify_message or 'not valid', most=200)}.",
                    hint="Check REPLICATE_BASE_URL, this machine's clock, and SSL_CERT_FILE where an "
                    "authority of your own signs.",
                )
            case ssl.SSLError():
                why = shown(cause.reason or str(cause), most=200)
                return Unavailable(
                    f"{host} does not speak TLS as it should ({why}).", hint=CHECK_ADDRESS
                )
            case socket.gaierror():
                return Unavailable(
                    f"The provider cannot be reached: the name {host} is not known to DNS.",
                    hint=CHECK_ADDRESS,
                )
            case ConnectionRefusedError():
                return Unavailable(
                    f"The provider cannot be reached: {host} refuses connections.",
                    hint=CHECK_ADDRESS,
                )
            case OSError():
                why = cause.strerror or type(cause).__name__
                return Unavailable(
                    f"The provider cannot be reached: {host}: {shown(why, most=200)}."
                )
        cause = cause.__cause__ or cause.__context__
    return Unavailable(f"The provider cannot be reached: {host} takes no connection.")
