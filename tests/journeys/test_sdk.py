import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import castorch
from castorch import Session, encode_png, layers
from tests.journeys.conftest import circle, optimizer, points

LABELLED: dict[str, Any] = {"target": "label", "inputs": ["x", "y"], "nominals": ["label"]}


def test_build_add_upload_train_score_fetch(session: Session) -> None:
    table = session.upload("points", points())
    model = session.model("net", type="DNN")
    model.add("data", layers.Input(std="STD"))
    model.add("fc1", layers.Fc(n=16, act="TANH"), "data")
    model.add("out", layers.Output(act="SOFTMAX"), "fc1")

    history = model.train(
        table, **LABELLED, valid=table, seed=1, record_seed=1, optimizer=optimizer()
    )
    scored = model.score(table, out="scored", copy_vars=["x", "y", "label"])

    assert len(history) == 20
    assert history.column("Loss")[-1] < history.column("Loss")[0] / 2
    assert history.column("valid_error")[-1] < 0.1
    assert scored.info["Number of Observations Read"] == 400
    assert scored.error == pytest.approx(100 * history.column("ValidError")[-1], abs=1e-4)
    assert scored.table is not None
    rows = scored.table.to_pandas()
    wrong = (rows["label"] != rows["I_label"]).mean() * 100
    assert scored.error == pytest.approx(wrong, abs=1e-4)


def test_the_same_seed_gives_the_same_weights(session: Session) -> None:
    session.upload("points", points())
    model = circle(session)

    for name in ("first", "second"):
        model.train(
            "points", **LABELLED, seed=5, weights=name, optimizer=optimizer(3), progress=False
        )

    first, second = (session.table(name).to_arrow() for name in ("first", "second"))
    assert first == second
    # 2 x 16 weights and 16 biases, 16 x 2 weights and 2 biases
    assert first.num_rows == 32 + 16 + 32 + 2


def test_images_from_arrays_are_trained_on(session: Session) -> None:
    bright = np.random.default_rng(1).integers(0, 256, 60)
    images = np.repeat(bright.astype(np.uint8), 36).reshape(60, 6, 6)
    labels = np.where(bright > 127, "light", "dark")
    table = session.upload("plates", {"_image_": images, "_label_": labels})
    model = session.model("plate")
    model.add("data", layers.Input(n_channels=1, width=6, height=6, scale=1 / 255))
    model.add(
        "conv1", layers.Convo(n_filters=2, width=3, act="IDENTITY", include_bias=False), "data"
    )
    model.add("bn1", layers.BatchNorm(act="RECTIFIER"), "conv1")
    model.add("pool1", layers.Pool(width=2, height=2), "bn1")
    model.add("out", layers.Output(n=2), "pool1")

    history = model.train(
        table,
        target="_label_",
        inputs=["_image_"],
        nominals=["_label_"],
        seed=3,
        optimizer={
            "algorithm": {"method": "ADAM", "learning_rate": 0.05},
            "mini_batch_size": 10,
            "max_epochs": 20,
        },
    )
    scored = model.score(table)

    assert history.column("FitError")[-1] < 0.1
    assert scored.error is not None
    assert scored.error < 15
    assert model.summary().totals["Parameters"] == 2 * 9 + 2 * 2 + 2 * 9 * 2 + 2


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "json", "frame", "reader", "rows"])
def test_a_table_goes_there_and_back(session: Session, tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, None, -1.25], "s": ["a", 'ü,"b"', None]})
    data: Any = frame
    if kind == "csv":
        data = tmp_path / "t.csv"
        frame.to_csv(data, index=False)
    elif kind == "parquet":
        data = tmp_path / "t.parquet"
        frame.to_parquet(data, index=False)
    elif kind == "arrow":
        data = tmp_path / "t.arrow"
        frame.to_feather(data)
    elif kind == "json":
        data = tmp_path / "t.json"
        frame.to_json(data, orient="records")
    elif kind == "reader":
        data = pa.Table.from_pandas(frame, preserve_index=False).to_reader()
    elif kind == "rows":
        data = frame.astype(object).where(frame.notna(), None).to_dict("records")

    table = session.upload("t", data)

    back = table.to_pandas()
    assert (table.rows, table.columns) == (3, ["n", "x", "s"])
    assert back["n"].tolist() == [1, 2, 3]
    assert back["x"].fillna(0).tolist() == [0.5, 0, -1.25]
    assert back["s"].isna().tolist() == [False, False, True]
    assert back["s"][1] == 'ü,"b"'


def test_rows_are_chosen_ordered_and_paged(session: Session) -> None:
    table = session.upload("t", {"n": list(range(10)), "s": list("abcdefghij")})

    assert table.fetch(["s"], where="n > 5", order_by=["n desc"]).rows == (
        ("j",),
        ("i",),
        ("h",),
        ("g",),
    )
    assert table.fetch(["n"], offset=3, limit=2).rows == ((3,), (4,))
    assert table.only("n < 4").rows == 4
    assert table.only("n < 4").to_numpy(["n"])["n"].tolist() == [0, 1, 2, 3]


def test_a_table_is_saved_in_every_format(session: Session, tmp_path: Path) -> None:
    table = session.upload("t", {"n": [1, 2], "s": ["a", "b"]})

    assert table.save(tmp_path / "t.csv").read_text().splitlines()[0].replace('"', "") == "n,s"
    assert pq.read_table(table.save(tmp_path / "t.parquet")).to_pydict() == {
        "n": [1, 2],
        "s": ["a", "b"],
    }


def test_a_folder_of_images_becomes_an_image_table(session: Session, tmp_path: Path) -> None:
    for label, level in (("dark", 10), ("light", 200)):
        (tmp_path / label).mkdir()
        for i in range(2):
            image = encode_png(np.full((4, 4), level, np.uint8))
            (tmp_path / label / f"{i}.png").write_bytes(image)

    table = session.upload("plates", tmp_path)

    assert table.rows == 4
    assert sorted(table.to_pandas(["_label_"])["_label_"]) == ["dark", "dark", "light", "light"]
    stored = table.to_arrow(["_image_"])["_image_"][0].as_py()
    assert io.BytesIO(stored).read(4) == b"\x89PNG"


def test_a_running_training_is_followed_and_cancelled(session: Session) -> None:
    session.upload("points", points(40))
    model = circle(session)
    job = model.train_async("points", **LABELLED, seed=1, optimizer=optimizer(100_000))

    for event in job.follow():
        if event.kind == "epoch":
            job.cancel()
            break

    with pytest.raises(castorch.JobCancelled):
        job.wait(timeout_s=30)
    assert job.state == "cancelled"
    assert job.metrics()[0]["epoch"] == 0
    assert not session.table("circle_weights").exists()


def test_mistakes_come_back_as_their_own_classes(session: Session) -> None:
    session.upload("points", points())
    model = circle(session)

    with pytest.raises(castorch.TableExists):
        session.upload("points", points())
    with pytest.raises(castorch.TableNotFound, match="pints"):
        session.table("pints").info  # noqa: B018 - asking is the point
    with pytest.raises(castorch.UnknownAction, match=r"deepLearn\.addLayer"):
        session.run("deepLearn.addLayr")
    with pytest.raises(castorch.GraphError, match="fc9"):
        model.add("fc2", layers.Fc(n=2), "fc9")
    with pytest.raises(castorch.InvalidParameters, match="nFilters"):
        model.add("c", {"type": "convo", "n_filters": 0}, "data")
    with pytest.raises(castorch.ColumnNotFound):
        session.table("points").fetch(["z"])
    with pytest.raises(castorch.InvalidExpression):
        session.table("points").fetch(where="x >")
    with pytest.raises(castorch.CastorchError):
        model.train("points", target="nothing", inputs=["x"], progress=False)


def test_a_declaration_is_made_whole_or_not_at_all(session: Session) -> None:
    declaration = {
        "model": "broken",
        "layers": [
            {"name": "data", "type": "input", "n_channels": 1, "width": 8, "height": 8},
            {"name": "conv1", "type": "convo", "n_filters": 2, "width": 9, "padding": 0},
        ],
    }

    with pytest.raises(castorch.ShapeError, match="conv1"):
        session.declare(declaration)

    assert "broken" not in session.tables().column("Name")


def test_sessions_keep_their_tables_apart(url: str) -> None:
    with castorch.connect(url) as client:
        with client.session(name="a") as first, client.session(name="b") as second:
            first.upload("mine", {"n": [1]})
            assert not second.table("mine").exists()
            with pytest.raises(castorch.TableNotFound):
                second.table("mine").drop()
        with pytest.raises(castorch.SessionNotFound):
            first.tables()


def test_the_server_describes_its_actions_and_layers(url: str) -> None:
    with castorch.connect(url) as client:
        names = {action["name"] for action in client.actions()}
        assert {"deepLearn.dlTrain", "table.fetch", "castorch.declareModel"} <= names
        assert "properties" in client.action("deepLearn.addLayer")["parameters"]
        assert {"convo", "batchnorm"} <= {layer["type"] for layer in client.layers()}
