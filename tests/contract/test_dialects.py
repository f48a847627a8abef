"""Both dialects carry the same tables, values and log lines for the same call."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actions.registry import ACTIONS
from tests.server.running import Running, running, settings_in

PAGES = Path(__file__).parents[2] / "docs" / "actions"

POINTS = "x,y,place\n" + "\n".join(f"{at},{at % 3},{'ab'[at % 2]}" for at in range(12))

MISSING = {-(2**63), -(2**31), ""}

CHANGING = frozenset(
    name for name, declared in ACTIONS.items() if declared.runs == "job" or declared.takes_upload
)
"""Actions that take longer, or more than JSON; what they answer goes through the same door."""

MOVING = frozenset({"ServerTime", "CreateTime", "ModTime", "AccessTime", "Used", "Created"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that both dialects ask."""
    with running(settings_in(tmp_path_factory.mktemp("dialects"), extensions=())) as found:
        yield found


def body_of(name: str) -> dict[str, Any]:
    text = (PAGES / f"{name}.md").read_text().partition("## Example")[2]
    example = re.search(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert example is not None
    body: dict[str, Any] = json.loads(example[1])
    return body


@contextmanager
def twin(client: httpx.Client) -> Iterator[str]:
    """Open a session that has the points as a table of its own."""
    session = client.post("/v1/sessions", json={"name": "twin"}).json()["id"]
    header = {"Castorch-Session": session}
    client.put("/v1/tables/points", content=POINTS, headers=header).raise_for_status()
    yield session
    client.delete(f"/v1/sessions/{session}")  # the action may have ended it
    for table in client.get("/v1/tables").json()["tables"]:  # or have given a table to all
        client.post("/v1/actions/table.dropTable", json={"name": table["name"]})


def ours(client: httpx.Client, name: str, body: dict[str, Any]) -> Any:
    with twin(client) as session:
        header = {"Castorch-Session": session}
        return client.post(f"/v1/actions/{name}", json=body, headers=header).json()


def theirs(client: httpx.Client, name: str, body: dict[str, Any]) -> Any:
    with twin(client) as session:
        return client.post(f"/cas/sessions/{session}/actions/{name}", json=body).json()


def plain(cell: Any, kind: str) -> Any:
    """Return a cell of the CAS dialect as ``/v1`` writes it, where no arithmetic is needed."""
    if kind == "varbinary" and cell is not None:
        return cell["data"]
    return None if cell in MISSING else cell


@pytest.mark.parametrize("name", sorted(set(ACTIONS) - CHANGING))
def test_both_dialects_answer_a_call_alike(server: Running, name: str) -> None:
    body = body_of(name)

    mine, cas = ours(server.client, name, body), theirs(server.client, name, body)

    if not mine["ok"]:
        assert cas["disposition"]["severity"] == "Error"
        assert cas["disposition"]["debugInfo"] == mine["code"]
        return
    assert cas["disposition"]["severity"] != "Error"
    results = cas["results"]
    if isinstance(results, list):
        results = {str(at): value for at, value in enumerate(results)}
    assert set(results) == {*mine["tables"], *mine["values"]}
    for key, table in mine["tables"].items():
        compare(table, results[key])
    lines = [f"{each['level'].upper()}: {each['text']}" for each in mine["messages"]]
    assert [each["message"] for each in cas["logEntries"]] == lines


def compare(mine: dict[str, Any], cas: dict[str, Any]) -> None:
    """Check that a table is the same in both dialects."""
    columns, schema = mine["columns"], cas["schema"]
    assert [each["name"] for each in columns] == [each["name"] for each in schema]
    assert len(mine["rows"]) == len(cas["rows"])
    for at, (column, told) in enumerate(zip(columns, schema, strict=True)):
        if column["type"] in ("datetime", "date", "time") or column["name"] in MOVING:
            continue
        expected = [None if row[at] == "" else row[at] for row in mine["rows"]]
        found = [plain(row[at], told["type"]) for row in cas["rows"]]
        if not re.search("time|uuid|id$", column["name"], re.IGNORECASE):
            assert found == expected
