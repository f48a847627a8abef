"""Whatever JSON a caller sends, the answer is never that the server failed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TIMEOUT_S = 60.0
UNAVAILABLE = (501, 507)
"""Statuses from 500 on that tell of no failure: not supported, disk full."""

ACTIONS = (
    "deepLearn.buildModel",
    "deepLearn.addLayer",
    "deepLearn.removeLayer",
    "deepLearn.modelInfo",
    "castorch.declareModel",
    "table.fetch",
    "table.columnInfo",
    "table.tableInfo",
    "table.fileInfo",
    "table.loadTable",
    "table.partition",
    "builtins.help",
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["net", "points", "data", "x", "fc", "convo", "input", "output", "relu"]),
)


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    """Give a session of its own with a model and a table."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        made = client.post("/v1/sessions", json={"name": "fuzz"}).json()["id"]
        client.headers["Castorch-Session"] = made
        yield client
        client.delete(f"/v1/sessions/{made}")


@pytest.fixture(scope="module")
def names(http: httpx.Client) -> dict[str, list[str]]:
    """Return the names of the parameters of every action."""
    return {
        action: list(http.get(f"/v1/actions/{action}").json()["parameters"]["properties"])
        for action in ACTIONS
    }


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_no_body_makes_an_action_fail_unexpectedly(
    http: httpx.Client, names: dict[str, list[str]], action: str
) -> None:
    inner = [*names[action], "name", "type", "n", "width", "nFilters", "act", "where", "caslib"]
    values = st.recursive(
        scalars,
        lambda deeper: st.one_of(
            st.lists(deeper, max_size=3),
            st.dictionaries(st.sampled_from(inner), deeper, max_size=4),
        ),
        max_leaves=8,
    )

    @settings(max_examples=150)
    @given(st.dictionaries(st.sampled_from(names[action]), values, max_size=5))
    def send(body: dict[str, Any]) -> None:
        set_up(http)
        answer = http.post(f"/v1/actions/{action}", json=body)

        assert answer.status_code < 500 or answer.status_code in UNAVAILABLE, (body, answer.text)
        told = answer.json()
        assert told["ok"] is answer.is_success
        assert answer.is_success or (told["code"] and told["message"])

    send()


def set_up(http: httpx.Client) -> None:
    """Make what an example may have changed as it was."""
    model = {"name": "net", "replace": True}
    layers = [{"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 8}}]
    http.post("/v1/actions/castorch.declareModel", json={"model": model, "layers": layers})
    http.put(
        "/v1/tables/points",
        content="x,y\n1,a\n2,b\n",
        params={"fileType": "csv", "replace": "true"},
    )
