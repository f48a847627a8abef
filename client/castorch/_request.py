"""Requests and answers as the SDK passes them around, without the HTTP library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from castorch._errors import ProtocolFailed


@dataclass(frozen=True)
class Request:
    """A request to be sent.

    Attributes:
        path: below the server's address, for example ``/v1/jobs``.
        query: parameters of the address; None is left out.
        body: a JSON value; excludes ``content``.
        content: bytes to stream; read once, so such a request is never repeated.
        waits: whether the server may take as long as it needs to answer.
        key: a name for the call, by which the server knows it when it is sent again.
    """

    method: str
    path: str
    query: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content: Iterable[bytes] | None = None
    waits: bool = False
    key: str | None = None

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the request with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            ProtocolFailed: it is none.
        """
        value = json_object(self.content)
        if value is None:
            raise ProtocolFailed(
                f"the server's answer (status {self.status}) is not a JSON object; "
                "is this address a castorch server?",
                status=self.status,
            )
        return value


def json_object(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object some bytes hold, or None."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
