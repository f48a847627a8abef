"""What is wrong with a call is told in one error, and the store stays as it was."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
import pytest
from PIL import Image

Json = dict[str, Any]

POINTS = "x,y,label\n" + "".join(f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(20))
TRAIN: Json = {
    "model": "points_net",
    "table": "points",
    "inputs": ["x", "y"],
    "target": "label",
    "nominals": ["label"],
    "modelWeights": "new_weights",
    "optimizer": {"maxEpochs": 1, "miniBatchSize": 10},
}
SCORE: Json = {
    "model": "points_net",
    "table": "points",
    "initWeights": "points_weights",
    "casOut": "scored",
}
TIMEOUT_S = 60.0
PIECES = 64
"""MiB of a body that is too long; a server takes 32 of JSON."""


class Call(NamedTuple):
    """A call that must fail, and how it fails."""

    path: str
    body: bytes | Json
    status: int
    code: str
    message: str
    """What its message is, as a regular expression."""


def layer(options: Json, message: str, code: str = "params.invalid", **more: Any) -> Call:
    params = {"model": "net", "name": "new", "layer": options, "srcLayers": ["data"], **more}
    return Call("deepLearn.addLayer", params, 400, code, message)


def train(changes: Json, status: int, code: str, message: str) -> Call:
    return Call("deepLearn.dlTrain", TRAIN | changes, status, code, message)


def score(changes: Json, status: int, code: str, message: str) -> Call:
    return Call("deepLearn.dlScore", SCORE | changes, status, code, message)


def upload(body: bytes, message: str, kind: str = "csv", code: str = "file.invalid") -> Call:
    status = 403 if code == "path.forbidden" else 400
    return Call(f"PUT new?fileType={kind}", body, status, code, message)


def path(action: str, value: str, reason: str) -> Call:
    params = {"table": "points", "name": value} if action == "save" else {"path": value}
    return Call(f"table.{action}", params, 403, "path.forbidden", f"the path .* {reason}, .*")


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


CONVO: Json = {"type": "convo", "nFilters": 4, "width": 3}
FC: Json = {"type": "fc", "n": 4}

LAYERS = {
    "unknown type": layer(
        {"type": "convoo"},
        "parameter 'layer.type' got 'convoo', expected a layer type; did you mean 'convo' .*",
    ),
    "no type": layer({"n": 3}, "parameter 'layer.type' is required, expected a layer type"),
    "unknown option": layer(
        {"type": "fc", "m": 4}, "parameter 'layer.m' is unknown, expected one of type, .*"
    ),
    "unknown value": layer(
        CONVO | {"act": "relux"},
        "parameter 'layer.act' got 'relux', expected one of AUTO, .*did you mean 'RELU' .*",
    ),
    "wrong type": layer(
        CONVO | {"nFilters": "four"},
        "parameter 'layer.nFilters' got 'four', expected a valid integer, .*",
    ),
    "boolean count": layer(
        CONVO | {"nFilters": True}, "parameter 'layer.nFilters' got True, expected a number"
    ),
    "negative count": layer(
        CONVO | {"nFilters": -1}, "parameter 'layer.nFilters' got -1, expected greater than 0"
    ),
    "no filters": layer(
        CONVO | {"nFilters": 0}, "parameter 'layer.nFilters' got 0, expected greater than 0"
    ),
    "huge count": layer(
        CONVO | {"nFilters": 10**9},
        r"layer 'new' \(convo\) makes \(1000000000, 28, 28\) of a row, .* expected at most .*",
        "graph.shape",
    ),
    "huge weights": layer(
        FC | {"n": 10**8},
        r"layer 'new' \(fc\) needs 78500000000 weights and biases, expected at most .*",
        "graph.shape",
    ),
    "missing source": layer(
        FC,
        "the layer 'datta' does not exist in model 'net'; did you mean 'data'\\?",
        "graph.invalid",
        srcLayers=["datta"],
    ),
    "misfit": layer(
        {"type": "residual"},
        r"layer 'new' \(residual\) got \(1, 28, 28\), \(4, 28, 28\), expected equal shapes",
        "graph.shape",
        srcLayers=["data", "conv1"],
    ),
    "window beyond the image": layer(
        {"type": "pool", "width": 99, "padding": 0},
        r"layer 'new' \(pool\) got a window of 99 on 28 pixels .*",
        "graph.shape",
    ),
    "duplicate": layer(
        FC,
        "layer 'conv1' exists in model 'net' already, expected .*",
        "graph.invalid",
        name="CONV1",
    ),
    "cycle": layer(
        CONVO,
        "layers 'conv1' -> 'conv2' -> 'conv1' feed one another in a circle",
        "graph.invalid",
        name="conv1",
        srcLayers=["conv2"],
        replace=True,
    ),
    "not finite": Call(
        "deepLearn.addLayer",
        b'{"model": "net", "name": "new", "layer": {"type": "fc", "n": 4, "std": 1e999}}',
        400,
        "params.invalid",
        "parameter 'layer.std' got inf, expected a finite number",
    ),
    "long name": layer(
        FC, "parameter 'name' got 'nnn.*, expected at most 256 characters", name="n" * 10_000
    ),
    "control character": layer(
        FC, r"parameter 'name' got 'a\\nb': a name must not hold control characters", name="a\nb"
    ),
}

RUNS = {
    "missing table": train(
        {"table": "pionts"},
        404,
        "table.not_found",
        "no table is named 'pionts' in caslib 'CASUSER'; did you mean 'points'.*",
    ),
    "missing column": train(
        {"inputs": ["x", "yy"]},
        404,
        "column.not_found",
        "the table 'points' has no column 'yy'; did you mean 'y'\\?",
    ),
    "missing weights": score(
        {"initWeights": "point_weights"},
        404,
        "table.not_found",
        "no table is named 'point_weights' .* did you mean 'points_weights'.*",
    ),
    "weights of another model": score(
        {"model": "net"},
        400,
        "weights.mismatch",
        "weights 'points_weights' belong to another model than 'net': .*",
    ),
    "taken name": train(
        {"modelWeights": "points_weights"},
        409,
        "table.exists",
        "the table 'points_weights' exists in caslib 'CASUSER'; set replace to overwrite it",
    ),
    "empty table": train(
        {"table": "empty"}, 400, "data.invalid", "the training table has no rows, .*"
    ),
    "all missing": train(
        {"table": "blanks"}, 400, "data.invalid", "column 'y' has only missing values"
    ),
    "infinite value": train(
        {"table": "infinite"}, 400, "data.invalid", "column 'y', row 1 got an infinite value, .*"
    ),
    "undecodable image": Call(
        "deepLearn.dlTrain",
        {"model": "net", "table": "pictures", "modelWeights": "new_weights"},
        400,
        "data.invalid",
        "column '_image_', row 2 got 4 bytes that are no readable image, .*",
    ),
    "wrong condition": train(
        {"table": {"name": "points", "where": "x > "}}, 400, "expression.invalid", "the expr.*"
    ),
    "negative batch": train(
        {"optimizer": {"miniBatchSize": -1}},
        400,
        "params.invalid",
        "parameter 'optimizer.miniBatchSize' got -1, expected greater than or equal to 1",
    ),
}

BODIES = {
    name: Call("deepLearn.buildModel", body, 400, "params.invalid", message)
    for name, body, message in (
        ("NaN", b'{"model": NaN}', "the body holds a number .*: NaN is not a number of JSON"),
        ("digits", b'{"model": ' + b"9" * 400 + b"}", "the body holds a number .*400 digits.*"),
        ("depth", b'{"model": ' + b"[" * 99_999, "the body is nested too deeply to be read"),
        ("half", rb'{"model": {"name": "q", "label": "\ud800"}}', "the body has text that .*"),
        ("bytes", b'{"model": "\xff"}', "the body is not JSON at byte 11: it is not UTF-8"),
        ("list", b"[1]", "the body got a JSON array, expected an object"),
        ("long key", b'{"' + b"k" * 9999 + b'": 1}', "parameter 'kkk.*"),
    )
}

FILES = {
    "no csv": upload(b"", "the file is empty, expected delimited text"),
    "ragged": upload(b"a,b\n1,2\n3\n", ".*Row #3: Expected 2 columns, got 1: 3"),
    "twice": upload(b"a,A\n1,2\n", "columns 1 and 2 of the file are both named 'A', .*"),
    "no utf-8": upload(b"a\ncaf\xe9\n", ".*invalid UTF8 data"),
    "columns": upload(b"a," * 60_000 + b"b\n", "the file has 60001 columns, expected .*"),
    "parquet": upload(b"PAR1....", "the file cannot be read as Parquet: .*", "parquet"),
    "arrow": upload(b"\xff" * 4 + b"\x10", "the file cannot be read as Arrow: .*", "arrow"),
    "arrow length": upload(
        b"\xff" * 4 + b"\xff\xff\xff\x7f" + b"x" * 64, "the file cannot be read as .*", "arrow"
    ),
    "json": upload(b'[{"a": 1} 2]', "the file has '2' behind row 1 of its array, .*", "json"),
    "json array": upload(b'[{"a": [1]}]', "row 1 of the file has an array in 'a', .*", "json"),
    "bomb": upload(
        zipped("a/x.png", bytes(8 << 20)),
        "member 'a/x.png' of the archive is packed 8388608 bytes into .*",
        "images",
    ),
    "climbing": upload(zipped("../x", b""), ".* a member '../x', .*", "images", "path.forbidden"),
    "no image": upload(zipped("x.png", b"x"), "image 'x.png' cannot be decoded, .*", "images"),
}

PATHS = {
    f"{action} {value[:9]!r}": path(action, value, reason)
    for action in ("loadTable", "save", "fileInfo")
    for value, reason in (
        ("../x.csv", r"climbs with '\.\.'"),
        ("a/../../x.csv", r"climbs with '\.\.'"),
        ("/etc/passwd", "is not relative"),
        ("x\0.csv", "holds a character that is not allowed"),
        ("x" * 5000, "is longer than 1024 characters"),
    )
}

CALLS: Mapping[str, Call] = {**LAYERS, **RUNS, **BODIES, **FILES, **PATHS}


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    """Give a session of its own with models, tables and weights that could be harmed."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        made = client.post("/v1/sessions", json={"name": "bad input"}).json()["id"]
        client.headers["Castorch-Session"] = made
        for params in (
            {"model": "net", "layers": image_layers()},
            {"model": "points_net", "type": "DNN", "layers": point_layers()},
        ):
            well(client.post("/v1/actions/castorch.declareModel", json=params))
        for name, text in (
            ("points", POINTS),
            ("empty", "x,y,label\n"),
            ("blanks", "x,y,label\n1,,a\n2,,b\n"),
            ("infinite", "x,y,label\n1,2,a\n2,inf,b\n"),
        ):
            well(client.put(f"/v1/tables/{name}", content=text, params={"fileType": "csv"}))
        well(client.put("/v1/tables/pictures", content=pictures()))
        body = TRAIN | {"modelWeights": "points_weights"}
        well(client.post("/v1/actions/deepLearn.dlTrain", json=body))
        yield client
        client.delete(f"/v1/sessions/{made}")


def image_layers() -> list[Json]:
    data = {"type": "input", "nChannels": 1, "width": 28, "height": 28}
    return [
        {"name": "data", "layer": data},
        {"name": "conv1", "layer": CONVO, "srcLayers": ["data"]},
        {"name": "conv2", "layer": CONVO, "srcLayers": ["conv1"]},
        {"name": "out", "layer": {"type": "output", "n": 2}, "srcLayers": ["conv2"]},
    ]


def point_layers() -> list[Json]:
    return [
        {"name": "data", "layer": {"type": "input"}},
        {"name": "out", "layer": {"type": "output", "n": 2}, "srcLayers": ["data"]},
    ]


def pictures() -> bytes:
    """Return an Arrow stream of three images, of which the last is none."""
    picture = io.BytesIO()
    Image.new("L", (28, 28)).save(picture, "PNG")
    rows: dict[str, list[Any]] = {
        "_image_": [picture.getvalue(), picture.getvalue(), b"none"],
        "_label_": list("aba"),
    }
    table = pa.table(rows)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as sink:
        sink.write_table(table)
    return out.getvalue()


def well(answer: httpx.Response) -> Json:
    assert answer.is_success, answer.text
    body: Json = answer.json()
    return body


def state(client: httpx.Client) -> list[Any]:
    """Return all tables with their rows, and the layers of the models."""
    tables = well(client.get("/v1/tables"))["tables"]
    layers = [
        well(client.post("/v1/actions/castorch.summary", json={"model": name}))["tables"]
        for name in ("net", "points_net")
    ]
    return [sorted((each["name"], each["id"], each["rows"]) for each in tables), layers]


def send(client: httpx.Client, call: Call) -> httpx.Response:
    body = call.body if isinstance(call.body, bytes) else json.dumps(call.body).encode()
    if call.path.startswith("PUT "):
        return client.put(f"/v1/tables/{call.path[4:]}", content=body)
    return client.post(f"/v1/actions/{call.path}", content=body)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_told_in_one_error_and_changes_nothing(
    http: httpx.Client, call: Call
) -> None:
    before = state(http)

    answer = send(http, call)

    told = answer.json()
    assert (answer.status_code, told["code"]) == (call.status, call.code), told["message"]
    assert re.fullmatch(call.message, told["message"], re.DOTALL), told["message"]
    assert len(told["message"]) < 2100
    assert (told["ok"], told["status"]) == (False, call.status)
    assert state(http) == before


def test_a_body_beyond_the_limit_is_refused_whether_its_length_is_told_or_not(
    http: httpx.Client,
) -> None:

    def endless() -> Iterator[bytes]:
        for _ in range(PIECES):
            yield b"x" * (1 << 20)

    answer = http.post("/v1/actions/deepLearn.buildModel", content=endless())
    assert answer.status_code == 413
    assert answer.json()["code"] == "request.too_large"

    length = {"Content-Length": str(PIECES << 20)}
    answer = http.post("/v1/actions/deepLearn.buildModel", content=endless(), headers=length)
    assert answer.status_code == 413
    assert answer.json()["details"]["got"] == PIECES << 20


def test_a_label_that_training_did_not_see_is_counted_and_warned_of(http: httpx.Client) -> None:
    rows = {"fileType": "csv", "replace": "true"}
    well(http.put("/v1/tables/unseen", content="x,y,label\n1,2,c\n", params=rows))

    answer = well(http.post("/v1/actions/deepLearn.dlScore", json=SCORE | {"table": "unseen"}))

    assert answer["messages"] == [
        {
            "level": "warning",
            "text": (
                "column 'label' has 1 values that training did not see; they count as wrong and "
                "have no loss"
            ),
        }
    ]
