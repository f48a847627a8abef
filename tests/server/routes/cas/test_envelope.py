"""Envelopes of the CAS dialect; what clients fall over is in its section 3."""

from typing import Any

import pytest

from server.routes.cas.envelope import Clock, failed, level_of, succeeded

MESSAGES: list[dict[str, Any]] = [
    {"level": "note", "text": "Read 3 rows."},
    {"level": "warning", "text": "2 were empty."},
    {"level": "note", "text": ""},
]


def lines(envelope: dict[str, Any]) -> list[str]:
    return [entry["message"] for entry in envelope["logEntries"]]


def test_a_success_has_a_disposition_a_log_and_its_cost() -> None:
    result = {"values": {"n": 1}, "tables": {}, "messages": MESSAGES[:1]}

    envelope: Any = succeeded(result, Clock(), "note")

    assert envelope["disposition"] == {
        "severity": "Normal",
        "reason": "ok",
        "statusCode": 0,
        "formattedStatus": None,
        "debugInfo": None,
    }
    assert lines(envelope) == ["NOTE: Read 3 rows."]
    assert envelope["results"] == {"n": 1}
    assert envelope["changedResources"] == []
    assert envelope["metrics"].keys() == {
        "elapsedTime",
        "cpuUserTime",
        "cpuSystemTime",
        "systemNodes",
        "systemCores",
        "systemTotalMemory",
        "memory",
        "memoryOs",
        "memoryQuota",
        "dataMovementTime",
        "dataMovementBytes",
    }
    assert 0 <= envelope["metrics"]["elapsedTime"] < 60
    assert 0 < envelope["metrics"]["memory"] < envelope["metrics"]["systemTotalMemory"]


def test_a_warning_raises_the_severity_and_empty_lines_are_left_out() -> None:
    envelope: Any = succeeded({"messages": MESSAGES}, Clock(), "note")

    assert envelope["disposition"]["severity"] == "Warning"
    assert lines(envelope) == ["NOTE: Read 3 rows.", "WARNING: 2 were empty."]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("note", ["NOTE: Read 3 rows.", "WARNING: 2 were empty."]),
        ("DEFAULT", ["NOTE: Read 3 rows.", "WARNING: 2 were empty."]),
        ("Warning", ["WARNING: 2 were empty."]),
        ("error", []),
        ("none", []),
    ],
)
def test_lines_below_the_level_asked_for_are_left_out(asked: str, left: list[str]) -> None:
    assert lines(succeeded({"messages": MESSAGES}, Clock(), level_of(asked))) == left


def test_a_failure_says_what_went_wrong_behind_what_was_logged_before() -> None:
    told = {"code": "table.not_found", "message": "no table is named 'x'", "details": {}}

    envelope: Any = failed(told, Clock(), "note", MESSAGES[:1])

    assert envelope["disposition"] == {
        "severity": "Error",
        "reason": "abort",
        "statusCode": 2710999,
        "formattedStatus": "no table is named 'x'",
        "debugInfo": "table.not_found",
    }
    assert lines(envelope) == [
        "NOTE: Read 3 rows.",
        "ERROR: no table is named 'x'",
        "ERROR: The action stopped due to errors.",
    ]
    assert envelope["results"] == {}
    assert lines(failed(told, Clock(), "none")) == []


def test_values_that_are_numbered_are_a_list() -> None:
    envelope = succeeded({"values": {"0": "a", "1": "b"}}, Clock(), "note")

    assert envelope["results"] == ["a", "b"]


def test_tables_stand_beside_values_by_their_names() -> None:
    table = {"columns": [{"name": "c", "type": "int64"}], "rows": [[1]], "title": "One"}

    results: Any = succeeded({"values": {"n": 1}, "tables": {"T": table}}, Clock(), "note")[
        "results"
    ]

    assert list(results) == ["n", "T"]
    assert (results["T"]["_ctb"], results["T"]["rows"]) == (True, [[1]])
