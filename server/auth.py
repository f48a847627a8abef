"""Who calls: a bearer token's user, or the one local user while there are no tokens."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from actions.errors import NotAuthenticated, NotPermitted

LOCAL_USER = "local"
"""The caller of a server without tokens."""


class Tokens(Protocol):
    """What the gate asks of the token store."""

    def any(self) -> bool:
        """Return whether there is a token at all."""

    def user_of(self, token: str) -> str | None:
        """Return whose token it is, or None."""


@dataclass(frozen=True)
class Gate:
    """Finds out who calls.

    Attributes:
        is_loopback: the server listens on a loopback address; without tokens nobody else is let in.
    """

    tokens: Tokens
    is_loopback: bool

    def check_start(self) -> None:
        """Refuse to serve the network without tokens.

        Raises:
            NotPermitted: the server would listen to other machines, and there is no token.
        """
        if not self.is_loopback and not self.tokens.any():
            raise NotPermitted(
                "the server is to listen beyond this machine and has no tokens; make one with "
                "'castorch token add NAME', or listen on 127.0.0.1"
            )

    def caller(self, headers: Mapping[str, str]) -> str:
        """Return the user who sends a request with these headers (names in lower case).

        Raises:
            NotAuthenticated: a token is missing or wrong.
            NotPermitted: a page of another site calls a server without tokens.
        """
        name, token = _credentials(headers.get("authorization", ""))
        if not self.tokens.any():
            return self._local(headers, name or LOCAL_USER)
        if not token:
            raise NotAuthenticated(
                "the request got no token, expected 'Authorization: Bearer TOKEN'"
            )
        user = self.tokens.user_of(token)
        if user is None:
            raise NotAuthenticated("the token of the request is unknown")
        if name not in ("", user):
            raise NotAuthenticated(f"the token of the request is not one of user {name!r}")
        return user

    def _local(self, headers: Mapping[str, str], user: str) -> str:
        if not self.is_loopback:
            raise NotAuthenticated(
                "the server has no tokens yet and serves nobody but this machine"
            )
        # A web page may make its reader's browser call this machine, under its own name (by
        # changing what the name stands for) or as a stranger; browsers tell on it in both cases.
        for header in ("host", "origin"):
            value = headers.get(header)
            if value is not None and not _is_this_machine(value):
                raise NotPermitted(
                    f"the {header.title()} header got {value!r}, expected this machine; "
                    "a server without tokens answers only to local programs"
                )
        return user


def _credentials(header: str) -> tuple[str, str]:
    """Return the user and the token of an Authorization header; no user with Bearer.

    Raises:
        NotAuthenticated: the header is neither Bearer nor Basic, or cannot be read.
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() in ("", "bearer"):
        return "", rest.strip()
    if scheme.lower() != "basic":
        raise NotAuthenticated(
            f"the Authorization header got the scheme {scheme!r}, expected 'Bearer TOKEN', or "
            "'Basic' with a user's name and token"
        )
    try:
        name, _, token = b64decode(rest.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise NotAuthenticated(
            "the Authorization header got Basic credentials that are not NAME:TOKEN in base64"
        ) from error
    return name.strip(), token.strip()


def _is_this_machine(value: str) -> bool:
    try:
        name = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
