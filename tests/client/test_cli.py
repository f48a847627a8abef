import json
import runpy
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import httpx
import pytest

import castorch
from castorch import _cli
from tests.client.fakes import FakeServer, answered, error, job, stream, table

TABLES = answered(
    TableInfo=table(
        "Name Kind Rows:int64", ["net", "model", 7], ["t", "data", 3], ["w", "weights", 9]
    )
)
LAYERS = table(
    "Name Weights:int64 Biases:int64 Statistics:int64 MultiplyAdds:int64 Activations:int64 "
    "ActivationMemory:int64 TrainingMemory:int64",
    # two values of 4 bytes; twice them and three times 6 parameters
    ["fc1", 4, 2, 0, 4, 2, 8, 88],
)
HISTORY = table("Epoch:int64 Loss:double", [0, 2.5])
SCORE = table("Descr Value", ["Misclassification Error (%)", "1.5"])

CREATED = "2030-01-02T03:04:05.678+00:00"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(
        {
            "POST /v1/actions/table.tableInfo": TABLES,
            "POST /v1/actions/castorch.summary": answered(Layers=LAYERS),
            "POST /v1/actions/castorch.declareModel": answered(),
            "POST /v1/actions/table.recordCount": answered(RecordCount=table("N:int64", [1234])),
            "POST /v1/actions/deepLearn.dlTrain": {"ok": True, "job": job("queued")},
            "POST /v1/actions/deepLearn.dlScore": {"ok": True, "job": job("queued")},
            "POST /v1/sessions": httpx.Response(201, json={"id": "s1"}),
            "DELETE /v1/sessions/s1": {"ok": True},
            "GET /v1/jobs": {
                "jobs": [job("done", created="2030-01-02T03:04:05.678+00:00")],
                "cursor": None,
            },
            "GET /v1/jobs/j1": job(
                "done", result=answered(OptIterHistory=HISTORY, ScoreInfo=SCORE)
            ),
            "GET /v1/jobs/j1/events": stream((1, "epoch", {"epoch": 0, "loss": 2.5})),
            "DELETE /v1/jobs/j1": job("running"),
            "GET /v1/actions": {"actions": [{"name": "a.b", "summary": "Do it."}]},
            "GET /v1/actions/a.b": {"name": "a.b", "parameters": {}},
            "GET /v1/tables/t/rows": table("a:int64", [1]),
            "PUT /v1/tables/t": httpx.Response(201, json=answered()),
        }
    )


@pytest.fixture
def run(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs a command and tells its status and what it wrote."""

    def connect(url: str | None, token: str | None) -> castorch.Client:
        return real_connect(url or "http://castorch.test", token, transport=over)

    def call(*argv: str) -> tuple[int, str, str]:
        status = _cli.main(argv)
        written = capsys.readouterr()
        return status, written.out, written.err

    real_connect, over = castorch.connect, httpx.MockTransport(server)
    monkeypatch.setattr(castorch, "connect", connect)
    monkeypatch.setattr(_cli, "entry_points", lambda **_: ())
    return call


def lines(text: str) -> list[str]:
    return text.splitlines()[2:]


def test_models_and_tables_are_listed_apart(run: Run) -> None:
    assert lines(run("models")[1]) == ["net   model     7"]
    assert lines(run("tables")[1]) == ["t     data        3", "w     weights     9"]


def test_a_list_can_be_had_as_json(run: Run) -> None:
    status, out, _ = run("models", "--json")

    assert status == 0
    assert json.loads(out) == [{"Name": "net", "Kind": "model", "Rows": 7}]


def test_the_summary_of_a_model_is_shown(run: Run, server: FakeServer) -> None:
    shown = run("summary", "net", "--batch-size", "32")[1]

    assert shown.endswith("Total parameters: 6\nMemory to train: 0.0 MiB\n")
    assert json.loads(server.last.content)["batchSize"] == 32


def test_the_summary_of_a_file_leaves_nothing_behind(
    run: Run, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "net.json"
    path.write_text('{"model": "net", "layers": [{"name": "data", "type": "input"}]}')

    assert "Total parameters: 6\n" in run("summary", str(path))[1]

    calls = [(each.method, each.url.path) for each in server.requests[1:]]
    assert calls == [
        ("POST", "/v1/sessions"),
        ("POST", "/v1/actions/castorch.declareModel"),
        ("POST", "/v1/actions/castorch.summary"),
        ("DELETE", "/v1/sessions/s1"),
    ]
    assert server.requests[2].headers["castorch-session"] == "s1"


def unknown_table(request: httpx.Request) -> httpx.Response:
    if "castorch-session" in request.headers:
        return httpx.Response(200, json=answered(Layers=LAYERS))
    return error("table.not_found", "no table is named 'lenet' in caslib 'CASUSER'", 404)


ZOO = answered(
    Architectures=table(
        "Name Title Layers:int64 Parameters:int64 Choices Source",
        ["lenet", "LeNet", 7, 431080, "classes 10", "somewhere"],
    )
)


def test_the_summary_of_an_architecture_leaves_nothing_behind(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/castorch.summary"] = unknown_table
    server.answers["POST /v1/actions/castorch.listArchitectures"] = ZOO
    server.answers["POST /v1/actions/castorch.buildArchitecture"] = answered()

    assert "Total parameters: 6\n" in run("summary", "LeNet")[1]

    calls = [(each.method, each.url.path) for each in server.requests[1:]]
    assert calls == [
        ("POST", "/v1/actions/castorch.summary"),
        ("POST", "/v1/actions/castorch.listArchitectures"),
        ("POST", "/v1/sessions"),
        ("POST", "/v1/actions/castorch.buildArchitecture"),
        ("POST", "/v1/actions/castorch.summary"),
        ("DELETE", "/v1/sessions/s1"),
    ]


def test_a_name_that_is_neither_model_nor_architecture_is_told(
    run: Run, server: FakeServer
) -> None:
    server.answers["POST /v1/actions/castorch.summary"] = unknown_table
    server.answers["POST /v1/actions/castorch.listArchitectures"] = ZOO

    status, _, told = run("summary", "other")

    assert status == 1
    assert told == "castorch: no table is named 'lenet' in caslib 'CASUSER'\n"


def test_architectures_are_listed(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/castorch.listArchitectures"] = ZOO

    _, shown, _ = run("architectures")
    _, told, _ = run("architectures", "--json")

    assert "431,080" in shown
    assert "somewhere" not in shown
    assert json.loads(told)[0]["Source"] == "somewhere"


def test_an_architecture_is_built_with_choices(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/castorch.buildArchitecture"] = answered()
    choices = ("--set", "classes=5", "--set", "regions=2,3")

    _, shown, _ = run("build", "textcnn", "--name", "words", "--replace", *choices)

    assert shown == "model 'words' was built\n"
    assert json.loads(server.last.content) == {
        "modelTable": {"name": "words", "replace": True},
        "architecture": "textcnn",
        "classes": 5,
        "regions": [2, 3],
    }


def test_a_choice_that_is_no_number_goes_as_it_is(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/castorch.buildArchitecture"] = answered()

    run("build", "lenet", "--set", "size=big")

    assert json.loads(server.last.content)["size"] == "big"


def test_a_choice_without_a_value_is_refused(run: Run) -> None:
    status, _, told = run("build", "lenet", "--set", "classes")

    assert status == 1
    assert told == ("castorch: --set got 'classes', expected name=value, for example classes=10\n")


FIT = table("Memory:int64 Needed:int64 Fits:bool LargestBatch:int64", [1 << 21, 3 << 20, False, 5])
ADVICE = table("Layer Rule Reason", ["pool1", "largePool", "windows of 4 x 4 ..."])


def test_a_check_tells_what_fits_and_what_to_think_about(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/castorch.checkModel"] = answered(Fit=FIT, Advice=ADVICE)

    shown = run("check", "net", "--batch-size", "8", "--memory", "2097152")[1]

    assert shown.startswith(
        "Memory to train: 3.0 MiB of 2.0 MiB, does not fit; the largest mini-batch that fits has "
        "5 rows\n"
    )
    assert "windows of 4 x 4" in shown
    assert json.loads(server.last.content) == {
        "modelTable": {"name": "net"},
        "batchSize": 8,
        "memory": 2097152,
    }


def test_a_model_is_drawn_to_a_file_or_to_the_terminal(
    run: Run, server: FakeServer, tmp_path: Path
) -> None:
    answer = {**answered(), "values": {"svg": "<svg/>"}}
    server.answers["POST /v1/actions/castorch.modelGraph"] = answer
    path = tmp_path / "net.svg"

    assert run("graph", "net", "--out", str(path))[1] == f"wrote {path}\n"
    assert path.read_text() == "<svg/>"
    assert run("graph", "net")[1] == "<svg/>\n"


def test_a_model_is_declared_from_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("model: net\nlayers: [{name: data, type: input}]\n")

    assert run("declare", str(path), "--name", "mine")[1] == "model 'mine' was declared\n"


def test_a_file_is_uploaded_under_its_name(run: Run, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")

    assert run("upload", str(path), "--replace")[1] == "table 't' has 1,234 rows\n"

    assert server.requests[1].url.params["replace"] == "true"


def test_rows_are_shown_or_saved(run: Run, server: FakeServer, tmp_path: Path) -> None:
    assert lines(run("fetch", "t", "--columns", "a, b", "--limit", "5")[1]) == ["1"]
    assert dict(server.last.url.params) == {"columns": "a,b", "from": "0", "to": "5"}

    server.answers["GET /v1/tables/t/rows"] = httpx.Response(200, text="a\n1\n")
    target = tmp_path / "t.csv"

    assert run("fetch", "t", "--out", str(target))[1] == f"wrote {target}\n"
    assert target.read_text() == "a\n1\n"


def test_training_shows_progress_and_the_history(run: Run, server: FakeServer) -> None:
    argv = "train --table t --model net --target y --inputs a,b --nominals y --seed 3 --epochs 2"
    more = "--batch 8 --method ADAM --learning-rate 0.01 --valid v --out w"

    status, out, shown = run(*argv.split(), *more.split(), "--optimizer", '{"regL2": 0.1}')

    assert status == 0
    assert shown == "training net: epoch 1  loss 2.5000\n"
    assert lines(out) == ["    0   2.5", "weights: w"]
    assert server.bodies()[0][1] == {
        "table": {"name": "t"},
        "modelTable": {"name": "net"},
        "target": ["y"],
        "inputs": ["a", "b"],
        "nominals": ["y"],
        "validTable": {"name": "v"},
        "modelWeights": {"name": "w", "replace": True},
        "seed": 3,
        "optimizer": {
            "regL2": 0.1,
            "maxEpochs": 2,
            "miniBatchSize": 8,
            "algorithm": {"method": "ADAM", "learningRate": 0.01},
        },
    }


def test_training_takes_files_and_tells_json(run: Run, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text('{"model": "net", "layers": [{"name": "d", "type": "x"}]}')
    (tmp_path / "t.csv").write_text("a\n1\n")

    status, out, shown = run(
        *("train", "--table", str(tmp_path / "t.csv"), "--model", str(tmp_path / "net.json")),
        *("--target", "a", "--quiet", "--json"),
    )

    assert (status, shown) == (0, "")
    assert json.loads(out) == [{"Epoch": 0, "Loss": 2.5}]
    assert server.bodies()[0][1]["model"] == {"name": "net", "replace": True}
    assert server.bodies()[1][1]["optimizer"] == {}


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_an_optimizer_that_is_no_object_is_refused(run: Run, text: str) -> None:
    status, _, shown = run(
        *["train", "--table", "t", "--model", "net", "--target", "y", "--optimizer"], text
    )

    assert status == 1
    assert shown == f"castorch: --optimizer got {text!r}, expected a JSON object\n"


def test_scoring_shows_what_was_found(run: Run) -> None:
    argv = ["score", "--table", "t", "--model", "net", "--weights", "w", "--out", "s"]
    argv += ["--copy-vars", "a", "--quiet"]

    assert lines(run(*argv)[1]) == ["Misclassification Error (%)  1.5"]
    assert json.loads(run(*argv, "--json")[1]) == {"Misclassification Error (%)": 1.5}


def test_jobs_are_listed_and_cancelled(run: Run) -> None:
    assert lines(run("jobs")[1]) == ["j1  deepLearn.dlTrain  done   2030-01-02 03:04:05"]
    assert json.loads(run("jobs", "--json")[1])[0]["id"] == "j1"
    assert run("cancel", "j1")[1] == "job j1 was asked to stop; it is running\n"


def test_actions_are_listed_and_described(run: Run) -> None:
    assert lines(run("actions")[1]) == ["a.b     Do it."]
    assert json.loads(run("actions", "--json")[1]) == [{"name": "a.b", "summary": "Do it."}]
    assert json.loads(run("actions", "a.b")[1]) == {"name": "a.b", "parameters": {}}


def test_a_failure_is_one_line_and_status_1(run: Run, server: FakeServer) -> None:
    server.answers["POST /v1/actions/table.tableInfo"] = error("auth.required", "no token", 401)

    assert run("models") == (1, "", "castorch: no token\n")


def test_an_interrupt_is_status_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setitem(_cli.COMMANDS, "models", (interrupt, ()))

    with pytest.raises(SystemExit):  # the option --json went with the command
        run("models", "--json")
    assert run("models")[0] == 130


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    status, out, _ = run()

    assert status == 2
    assert "List the models the session sees." in out
    assert out.endswith("Install castorch-server for: serve, worker, migrate, token.\n")


@pytest.mark.parametrize("name", ["serve", "worker", "migrate", "token"])
def test_a_server_command_without_the_server_names_its_distribution(run: Run, name: str) -> None:
    assert run(name, "--port", "1") == (
        1,
        "",
        (
            f"castorch: the command {name!r} is part of the distribution castorch-server, "
            "which is not installed here\n"
        ),
    )


def dance(argv: Sequence[str]) -> int:
    """Dance as long as told.

    The rest is not shown.
    """
    return len(argv)


def test_a_command_of_another_distribution_is_found_and_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("dance", f"{__name__}:dance", _cli.GROUP)
    monkeypatch.setattr(_cli, "entry_points", lambda **_: (entry,))

    assert run("dance", "a", "b")[0] == 2
    assert run()[1].endswith("server commands:\n  dance             Dance as long as told.\n")


def test_the_package_runs_as_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["castorch", "--version"])

    with pytest.raises(SystemExit) as left:
        runpy.run_module("castorch", run_name="__main__")

    assert left.value.code == 0
    assert capsys.readouterr().out == f"{castorch.__version__}\n"


def test_the_commands_of_the_server_are_those_the_client_knows() -> None:
    known = {entry.name for entry in entry_points(group=_cli.GROUP)}

    assert known == set(_cli.SERVER_COMMANDS)
