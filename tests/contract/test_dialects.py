"""Both dialects carry the same tables, values and log lines for the same call.

The calls are the examples of all actions. They run in sessions that hold what they are about, so
that each goes well, and gives numbers to compare.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import pytest

from actions.registry import ACTIONS
from actions.values import number_of
from tests.contract.twin import CSV, World
from tests.server.running import running, settings_in

MISSING = {-(2**63), -(2**31), ""}

UPLOAD = "table.upload"
"""The action that takes a file, which has a test of its own."""

MOVING = re.compile(r"time|uuid|id$|^used$|^created$|^version$|cpu|seconds", re.IGNORECASE)
"""Columns, values and parts of log lines that differ from call to call."""

NUMBERS = re.compile(
    r"\d+\.\d+ s\b|job \w+|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+(\+00:00)?|[0-9a-f-]{36}"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that both dialects ask, and what the examples are about."""
    folder = tmp_path_factory.mktemp("dialects")
    settings = settings_in(folder, extensions=(), workers=1, poll_s=0.05, caslib_roots=(folder,))
    with running(settings) as server:
        yield World(server, folder / "shelf")


@pytest.mark.parametrize("name", sorted(set(ACTIONS) - {UPLOAD}))
def test_both_dialects_answer_a_call_alike(world: World, name: str) -> None:
    body = world.body(name)

    mine, cas = world.ours(name, body), world.theirs(name, body)

    assert mine["ok"], mine
    assert cas["disposition"]["severity"] != "Error", cas["disposition"]
    results = cas["results"]
    if isinstance(results, list):
        results = {str(at): value for at, value in enumerate(results)}
    assert set(results) == {*mine["tables"], *mine["values"]}
    for key, table in mine["tables"].items():
        compare(table, results[key])
    for key, value in mine["values"].items():
        if not MOVING.search(key):
            assert settled(plain_value(results[key])) == settled(value), key
    lines = [f"{each['level'].upper()}: {each['text']}" for each in mine["messages"]]
    found = [each["message"] for each in cas["logEntries"]]
    assert [NUMBERS.sub("#", each) for each in found] == [NUMBERS.sub("#", each) for each in lines]
    assert cas["made"] == mine["made"]


def test_a_file_becomes_the_same_table_in_both(world: World) -> None:
    with world.twin({}) as session:
        header = {"Castorch-Session": session}
        place = "/v1/tables/ours?fileType=csv"
        mine = world.client.put(place, content=CSV, headers=header).json()
        parameters = '{"casOut": {"name": "theirs"}, "importOptions": {"fileType": "csv"}}'
        cas = world.client.put(
            f"/cas/sessions/{session}/actions/table.upload",
            content=CSV,
            headers={"JSON-Parameters": parameters},
        ).json()

        assert mine["ok"], mine
        assert cas["results"]["tableName"] == "theirs"
        rows = [world.made({"casOut": name}, session) for name in ("ours", "theirs")]
    assert rows[0] == rows[1]
    assert rows[0] is not None


def compare(mine: dict[str, Any], cas: dict[str, Any]) -> None:
    """Check that a table is the same in both dialects."""
    columns, schema = mine["columns"], cas["schema"]
    assert [each["name"] for each in columns] == [each["name"] for each in schema]
    assert len(mine["rows"]) == len(cas["rows"])
    for at, (column, told) in enumerate(zip(columns, schema, strict=True)):
        if MOVING.search(column["name"]):
            continue
        expected = [counted(row[at], column["type"]) for row in mine["rows"]]
        found = [plain(row[at], told["type"]) for row in cas["rows"]]
        assert settled(found) == settled(expected), column["name"]


def counted(cell: Any, kind: str) -> Any:
    """Return a cell of ``/v1`` as a number or text: days or microseconds since 1960 of times."""
    if cell is None or cell == "":
        return None
    if kind == "date":
        return number_of(date.fromisoformat(cell))
    if kind in ("datetime", "time"):
        read = datetime.fromisoformat if kind == "datetime" else time.fromisoformat
        seconds = number_of(read(cell))
        assert seconds is not None
        return round(seconds * 1_000_000)
    return cell


def plain(cell: Any, kind: str) -> Any:
    """Return a cell of the CAS dialect as ``/v1`` writes it, where no arithmetic is needed."""
    if kind == "varbinary" and cell is not None:
        assert cell["length"] == len(b64decode(cell["data"]))
        return cell["data"]
    return None if cell in MISSING else cell


def plain_value(value: Any) -> Any:
    """Return a value of the CAS dialect as ``/v1`` writes it: bytes as base64."""
    if isinstance(value, dict) and set(value) == {"data", "length"}:
        return value["data"]
    return value


def settled(value: Any) -> Any:
    """Return a value without what differs from call to call: ids and moments in text."""
    if isinstance(value, str):
        return NUMBERS.sub("#", value)
    if isinstance(value, list):
        return [settled(each) for each in value]
    if isinstance(value, dict):
        return {k: settled(v) for k, v in value.items() if not MOVING.search(k)}
    return value
