import json
from pathlib import Path

import httpx
import pytest

from castorch import (
    ConnectionFailed,
    InvalidInput,
    NotAuthenticated,
    ProtocolFailed,
    TableExists,
    connect,
    layers,
)
from castorch._client import Client
from tests.client.fakes import FakeServer, answered, error, job, table

ADD = "POST /v1/actions/deepLearn.addLayer"


def test_any_action_is_reached_with_snake_case_parameters() -> None:
    server = FakeServer({ADD: answered(OutputCasTables=table("Name", ["m"]))})

    result = server.session().run(
        "deepLearn.addLayer", model_table="m", name="fc1", layer=layers.Fc(n=3, act="TANH")
    )

    assert result["OutputCasTables"].rows == (("m",),)
    assert result.elapsed_s == 0.5
    body = {"modelTable": "m", "name": "fc1", "layer": {"type": "fc", "n": 3, "act": "TANH"}}
    assert server.bodies() == [("/v1/actions/deepLearn.addLayer", body)]
    assert server.last.extensions["timeout"]["read"] is None


def test_the_default_session_sends_no_session_id_and_is_never_ended() -> None:
    server = FakeServer({ADD: answered()})

    with server.session() as session:
        session.run("deepLearn.addLayer")

    assert "castorch-session" not in server.last.headers
    assert len(server.requests) == 1


def test_a_session_of_its_own_is_opened_named_and_ended() -> None:
    server = FakeServer(
        {
            "POST /v1/sessions": httpx.Response(201, json={"id": "s1", "name": "mine"}),
            ADD: answered(),
            "DELETE /v1/sessions/s1": {"ok": True},
        }
    )

    with server.client().session(name="mine") as session:
        session.run("deepLearn.addLayer")
        assert repr(session) == "Session('s1' at http://castorch.test)"

    assert server.requests[1].headers["castorch-session"] == "s1"
    assert server.last.method == "DELETE"


def test_an_open_session_is_taken_up_by_its_id() -> None:
    server = FakeServer({"GET /v1/sessions/s1": {"id": "s1"}})

    assert server.client().session(session_id="s1").id == "s1"


def test_a_long_action_is_submitted_as_a_job() -> None:
    server = FakeServer({"POST /v1/actions/deepLearn.dlTrain": {"ok": True, "job": job("queued")}})

    handle = server.session().submit("deepLearn.dlTrain", seed=1)

    assert (handle.id, handle.state) == ("j1", "queued")
    assert server.last.headers["prefer"] == "respond-async"


def test_an_action_that_is_no_job_cannot_be_submitted() -> None:
    server = FakeServer({"POST /v1/actions/builtins.ping": answered()})

    with pytest.raises(
        ProtocolFailed,
        match=r"^the action 'builtins.ping' answered at once instead of as a job; use run$",
    ):
        server.session().submit("builtins.ping")


def test_an_upload_is_put_under_the_name_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a\n1\n")
    server = FakeServer({"PUT /v1/tables/my digits": httpx.Response(201, json=answered())})

    handle = server.session().upload("my digits", path, caslib="public", replace=True)

    assert (handle.name, handle.caslib) == ("my digits", "public")
    assert server.last.content == b"a\n1\n"
    assert server.last.headers["content-type"] == "text/csv"
    assert dict(server.last.url.params) == {
        "caslib": "public",
        "replace": "true",
        "promote": "false",
        "fileType": "csv",
    }


def test_a_name_that_is_taken_is_told() -> None:
    taken = error("table.exists", "table 't' exists; use replace", 409)
    server = FakeServer({"PUT /v1/tables/t": taken})

    with pytest.raises(TableExists, match=r"^table 't' exists; use replace$"):
        server.session().upload("t", [{"a": 1}])


def test_a_model_is_made_and_filled() -> None:
    server = FakeServer({"POST /v1/actions/deepLearn.buildModel": answered(), ADD: answered()})

    model = server.session().model("net", type="DNN", replace=True)
    model.add("data", layers.Input()).add("out", {"type": "output"}, "data")

    assert [body for _, body in server.bodies()] == [
        {"modelTable": {"name": "net", "replace": True}, "type": "DNN"},
        {"modelTable": {"name": "net"}, "name": "data", "layer": {"type": "input"}},
        {
            "modelTable": {"name": "net"},
            "name": "out",
            "layer": {"type": "output"},
            "srcLayers": ["data"],
        },
    ]


def test_a_layer_may_use_the_weights_of_another() -> None:
    server = FakeServer({ADD: answered()})

    server.session().open_model("net").add("twin", layers.Fc(n=3), "right", shared_weights="first")

    assert server.bodies()[0][1] == {
        "modelTable": {"name": "net"},
        "name": "twin",
        "layer": {"type": "fc", "n": 3},
        "srcLayers": ["right"],
        "sharedWeights": "first",
    }


def test_a_declared_model_is_sent_whole() -> None:
    server = FakeServer({"POST /v1/actions/castorch.declareModel": answered()})
    declaration = {
        "model": "net",
        "layers": [
            {"name": "data", "layer": layers.Input()},
            {"name": "out", "layer": layers.Output()},
        ],
    }

    model = server.session().declare(declaration, name="other", replace=True)

    assert model.name == "other"
    assert json.loads(server.last.content) == {
        "model": {"name": "other", "replace": True},
        "type": "CNN",
        "layers": [
            {"name": "data", "layer": {"type": "input"}},
            {"name": "out", "layer": {"type": "output"}, "srcLayers": ["data"]},
        ],
    }


def test_what_cannot_be_sent_is_refused_before_anything_is_sent() -> None:
    server = FakeServer()

    with pytest.raises(InvalidInput):
        server.session().run("deepLearn.addLayer", layer=object())

    assert server.requests == []


def test_connecting_asks_whether_a_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTORCH_URL", "http://from.environment:1/")
    monkeypatch.setenv("CASTORCH_TOKEN", "abc")
    server = FakeServer()

    with connect(transport=httpx.MockTransport(server)) as client:
        assert client.url == "http://from.environment:1"
        assert client.version() == "0.1.0"
        assert repr(client) == "Client('http://from.environment:1')"

    assert server.last.headers["authorization"] == "Bearer abc"


def test_connecting_to_nothing_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASTORCH_URL", raising=False)
    nothing = FakeServer({"GET /healthz": httpx.Response(404, text="nginx")})

    with pytest.raises(ConnectionFailed, match=r"is http://127.0.0.1:8080 its address\?$"):
        connect(transport=httpx.MockTransport(nothing))


def test_the_server_describes_itself() -> None:
    server = FakeServer(
        {
            "GET /v1/actions": {"actions": [{"name": "a.b"}]},
            "GET /v1/actions/a.b": {"name": "a.b", "parameters": {}},
            "GET /v1/layers": {"layers": [{"type": "fc"}]},
            "GET /v1/sessions": {"sessions": [{"id": "s1"}]},
        }
    )
    client: Client = server.client()

    assert client.actions() == [{"name": "a.b"}]
    assert client.action("a.b")["parameters"] == {}
    assert client.layers() == [{"type": "fc"}]
    assert client.sessions() == [{"id": "s1"}]


def test_a_wrong_token_is_told() -> None:
    server = FakeServer({"GET /v1/layers": error("auth.required", "no such token", 401)})

    with pytest.raises(NotAuthenticated, match=r"^no such token$"):
        server.client().layers()


def test_a_model_is_built_by_the_name_of_its_architecture() -> None:
    server = FakeServer({"POST /v1/actions/castorch.buildArchitecture": answered()})

    plain = server.session().build("vgg16")
    chosen = server.session().build("lenet", name="digits", replace=True, classes=5)

    assert (plain.name, chosen.name) == ("vgg16", "digits")
    path = "/v1/actions/castorch.buildArchitecture"
    table = {"name": "digits", "replace": True}
    assert server.bodies() == [
        (path, {"modelTable": {"name": "vgg16"}, "architecture": "vgg16"}),
        (path, {"modelTable": table, "architecture": "lenet", "classes": 5}),
    ]


def test_architectures_are_a_table() -> None:
    listed = answered(Architectures=table("Name", ["lenet"]))
    server = FakeServer({"POST /v1/actions/castorch.listArchitectures": listed})

    assert server.session().architectures().column("Name") == ["lenet"]
