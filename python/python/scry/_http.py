"""Requests to a host, with the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .errors import ComponentError, HostError, LimitError, RejectedError, ScryError

LIMITS = {"timeout", "fuel", "memory", "deadline-too-short"}
FAILURES = {"trap", "failed", "invalid-output"}
KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
PAUSE_S = 0.1
# A host that wants a longer pause is not waited for.
PAUSE_MAX_S = 30.0


@dataclass(frozen=True)
class Transport:
    """One listener of a host."""

    url: str
    token: str | None = field(repr=False)
    # Of one attempt; and attempts after the first.
    timeout: float
    retries: int
    # Whom to trust, and what to show, of an address that begins with `https`.
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _address(self.url)
        if not self.timeout > 0:
            raise ScryError(f"timeout: expected seconds above 0, found {self.timeout}")
        if self.retries < 0:
            raise ScryError(f"retries: expected 0 or more, found {self.retries}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ScryError("token: expected printable ASCII characters, found another one")

    def json(self, method: str, path: str, body: str | None = None) -> Any:
        """The content of an answer that is no error."""
        return self.ask(method, path, body)[1]

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[Any, Any]:
        """Headers and content of an answer that is no error."""
        status, headers, content = self.answer(method, path, body)
        if status >= 400:
            raise _error(status, headers.get("scry-reason"), content)
        return headers, _parsed(content)

    def answer(self, method: str, path: str, body: str | None = None) -> tuple[int, Any, bytes]:
        """Status, headers and content, whatever they are; asks again where that may help."""
        for attempt in range(self.retries + 1):
            is_last = attempt == self.retries
            pause: float | None = min(PAUSE_S * 2**attempt, PAUSE_MAX_S)
            try:
                status, headers, content = self._once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                # A host that was too slow may still be at work on the request.
                if is_last or isinstance(error, TimeoutError) or not isinstance(error, OSError):
                    told = str(error) or type(error).__name__
                    raise HostError(f"{self.url}: the host does not answer: {told}") from error
            else:
                pause = _wanted_pause(status, headers.get("retry-after"), pause)
                if is_last or pause is None:
                    return status, headers, content
            # Not all clients of a host at once.
            time.sleep(pause * random.uniform(1.0, 1.2))
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, body: str | None) -> tuple[int, Any, bytes]:
        parts = _address(self.url)
        more: dict[str, Any] = {"context": self.tls} if parts.scheme == "https" else {}
        connection = KINDS[parts.scheme](parts.hostname or "", parts.port, timeout=self.timeout, **more)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        content = None if body is None else body.encode()
        try:
            connection.connect()
            # A host that refuses a long body answers before it has read all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, parts.path.rstrip("/") + path, content, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def tls_context(ca: str | None, client_cert: tuple[str, str] | None) -> ssl.SSLContext | None:
    """Trusts the authorities of a file, else those of the system; shows a certificate if there is one."""
    if ca is None and client_cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if client_cert is not None:
            context.load_cert_chain(*client_cert)
    except OSError as error:
        raise ScryError(f"ca, client_cert: expected files of certificates and a key in PEM: {error}") from error
    return context


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in KINDS and parts.hostname is not None and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise ScryError(f"{url!r} is no address of a host. Use one such as http://127.0.0.1:8080.")
    return parts


def _wanted_pause(status: int, after: str | None, usual: float | None) -> float | None:
    """How long the host wants to be left alone; None where asking again does not help."""
    if status not in (429, 503) or after is None:
        return None
    if not after.isdecimal():
        return usual
    return float(after) if float(after) <= PAUSE_MAX_S else None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        shown = content[:80].decode(errors="replace")
        raise HostError(f"expected JSON, found {shown!r}: is this the address of a host of Scry?") from None


def _error(status: int, reason: str | None, content: bytes) -> ScryError:
    """The exception for an error's name."""
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    message = told.get("error") or told.get("detail") or f"the host answers {status}"
    reason = reason or told.get("reason")
    if reason == "invalid-input":
        return RejectedError(message, [_finding(each) for each in told.get("errors", [])])
    if reason in LIMITS:
        return LimitError(message, reason)
    if reason in FAILURES:
        return ComponentError(message, reason)
    return HostError(message, status, reason)


def _finding(told: dict[str, Any]) -> dict[str, Any]:
    names = ("field", "row", "element", "expected", "policy")
    return {name: told.get(name) for name in names} | {"check": told.get("type"), "found": told.get("input")}
