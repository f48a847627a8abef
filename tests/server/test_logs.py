import json
import logging
from collections.abc import Iterator

import pytest

from server.logs import CHATTY, JOB, REQUEST, JsonLines, start_logging


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    found = logging.getLogger()
    handlers, level = found.handlers[:], found.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    yield found
    found.handlers[:] = handlers
    found.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "a.b", "levelname": "INFO", "msg": "n %d", "args": (1,)})
    made.created = 0.25
    vars(made).update(extra)
    return made


def test_a_record_is_one_line_of_json_with_its_extra_facts() -> None:
    line = JsonLines().format(record(status=200, path="/a\nb", _of_a_library=1))

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "info",
        "logger": "a.b",
        "message": "n 1",
        "status": 200,
        "path": "/a\nb",
    }


def test_a_record_has_the_ids_of_its_request_and_job() -> None:
    request, job = REQUEST.set("r-1"), JOB.set("j-1")

    line = json.loads(JsonLines().format(record()))
    REQUEST.reset(request)
    JOB.reset(job)

    assert (line["request"], line["job"]) == ("r-1", "j-1")


def test_a_record_of_an_error_has_its_traceback() -> None:
    why = ValueError("why")

    line = JsonLines().format(record(exc_info=(ValueError, why, None)))

    assert json.loads(line)["error"].endswith("ValueError: why")


def test_all_logging_goes_to_standard_error(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging("WARNING")

    logging.getLogger("x").warning("seen")
    logging.getLogger("x").info("unseen")

    captured = capsys.readouterr()
    assert root.level == logging.WARNING
    assert [json.loads(line)["message"] for line in captured.err.splitlines()] == ["seen"]
    assert captured.out == ""


@pytest.mark.usefixtures("root")
def test_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("INFO")

    for name in ("alembic.runtime.migration", "uvicorn.error", "server.routes"):
        logging.getLogger(name).info("a note of %s", name)
        logging.getLogger(name).error("an error of %s", name)

    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == [
        "an error of alembic.runtime.migration",
        "an error of uvicorn.error",
        "a note of server.routes",
        "an error of server.routes",
    ]
