from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from castorch import JobEvent, layers
from castorch._job import Job
from castorch._model import watch
from tests.client.fakes import FakeServer, answered, job, stream, table

HISTORY = table("Epoch:int64 Loss:double FitError:double", [0, 2.5, 0.5], [1, 1.5, 0.25])
TRAINED = job("done", result=answered(OptIterHistory=HISTORY))
SCORED = job(
    "done",
    result=answered(
        ScoreInfo=table(
            "Descr Value",
            ["Number of Observations Read", "360"],
            ["Misclassification Error (%)", "1.38889"],
            ["Loss Error", "0.05"],
        )
    ),
)
LAYERS = table(
    "Id:int64 Name Output ReceptiveField Weights:int64 Biases:int64 Statistics:int64 "
    "MultiplyAdds:int64 Activations:int64 ActivationMemory:int64 TrainingMemory:int64",
    [0, "data", "1 x 28 x 28", "1 x 1", 0, 0, 0, 0, 784, 100352, 200704],
    # 20 filters of 5x5 on one channel; 24x24 positions: 500 weights, 288,000 products; in batches
    # of 32 rows 32 * 11,520 values of 4 bytes, twice, and three times 520 parameters
    [1, "conv1", "20 x 24 x 24", "5 x 5", 500, 20, 0, 288000, 11520, 1474560, 2955360],
)


class Noted:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[JobEvent] = []
        self.is_open = False

    def __enter__(self) -> "Noted":
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def report(self, event: JobEvent) -> None:
        assert self.is_open
        self.events.append(event)


def training_server(**more: Any) -> FakeServer:
    return FakeServer(
        {
            "POST /v1/actions/deepLearn.dlTrain": {"ok": True, "job": job("queued")},
            "GET /v1/jobs/j1": TRAINED,
            "GET /v1/jobs/j1/events": stream((1, "epoch", {"epoch": 0, "loss": 2.5})),
            **more,
        }
    )


def test_training_sends_the_parameters_of_the_action() -> None:
    server = training_server()
    session = server.session()

    session.open_model("net").train(
        session.table("t").only("part = 1"),
        target="label",
        inputs=["x", "y"],
        nominals=["label"],
        valid=session.table("t").only("part = 2"),
        optimizer={"algorithm": {"method": "ADAM", "learning_rate": 0.01}, "max_epochs": 2},
        seed=7,
        progress=False,
    )

    assert server.bodies()[0][1] == {
        "table": {"name": "t", "where": "part = 1"},
        "modelTable": {"name": "net"},
        "modelWeights": {"name": "net_weights", "replace": True},
        "validTable": {"name": "t", "where": "part = 2"},
        "target": "label",
        "inputs": ["x", "y"],
        "nominals": ["label"],
        "optimizer": {"algorithm": {"method": "ADAM", "learningRate": 0.01}, "maxEpochs": 2},
        "seed": 7,
    }
    assert server.requests[0].headers["prefer"] == "respond-async"


def test_the_history_has_a_row_per_epoch() -> None:
    model = training_server().session().open_model("net", "public")

    history = model.train("t", target="y", weights="w", progress=False)

    assert len(history) == 2
    assert list(history)[1] == {"epoch": 1, "loss": 1.5, "fit_error": 0.25}
    assert history.column("fit_error") == [0.5, 0.25]
    assert history.weights is not None
    assert history.weights.to_wire() == {"name": "w", "caslib": "public"}
    assert history.to_pandas()["Loss"].tolist() == [2.5, 1.5]
    assert "Epoch" in str(history)
    assert "<table>" in history._repr_html_()


def test_training_reports_every_event_and_closes_the_progress() -> None:
    noted = Noted()

    training_server().session().open_model("net").train("t", target="y", progress=noted)

    assert [event.kind for event in noted.events] == ["epoch"]
    assert not noted.is_open


def test_training_shows_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    training_server().session().open_model("net").train("t", target="y")

    assert capsys.readouterr().err == "training net: epoch 1  loss 2.5000\n"


def test_an_interrupt_cancels_the_job() -> None:
    class Interrupted(Job):
        def follow(self) -> Iterator[JobEvent]:
            raise KeyboardInterrupt

    server = FakeServer({"DELETE /v1/jobs/j1": job("running", cancel_requested=True)})

    with pytest.raises(KeyboardInterrupt):
        watch(Interrupted(server.transport(), job("running")), Noted())

    assert server.last.method == "DELETE"


def test_training_can_be_left_running() -> None:
    handle = training_server().session().open_model("net").train_async("t", target="y")

    assert (handle.id, handle.state) == ("j1", "queued")


def test_scoring_tells_the_error_and_where_the_rows_are() -> None:
    server = FakeServer(
        {
            "POST /v1/actions/deepLearn.dlScore": {"ok": True, "job": job("queued")},
            "GET /v1/jobs/j1": SCORED,
        }
    )

    scored = server.session().open_model("net").score("t", out="s", copy_vars=["id"], top_probs=2)

    assert scored.error == 1.38889
    assert scored.info["Number of Observations Read"] == 360.0
    assert scored.table is not None
    assert scored.table.name == "s"
    assert str(scored).startswith("Descr")
    assert server.bodies()[0][1] == {
        "table": "t",
        "modelTable": {"name": "net"},
        "initWeights": {"name": "net_weights"},
        "casOut": {"name": "s", "replace": True},
        "copyVars": ["id"],
        "topProbs": 2,
    }


def test_a_score_without_an_error_has_none() -> None:
    answers = {
        "POST /v1/actions/deepLearn.dlScore": {"ok": True, "job": job("queued")},
        "GET /v1/jobs/j1": job("done", result=answered(ScoreInfo=table("Descr Value"))),
    }

    scored = FakeServer(answers).session().open_model("net").score("t", weights="w")

    assert scored.error is None
    assert scored.table is None


def test_the_summary_adds_up_the_layers() -> None:
    server = FakeServer({"POST /v1/actions/castorch.summary": answered(Layers=LAYERS)})

    summary = server.session().open_model("net").summary(weights="w", batch_size=32)

    assert summary.totals == {
        "Weights": 500,
        "Biases": 20,
        "Statistics": 0,
        "MultiplyAdds": 288000,
        "Activations": 12304,
        "ActivationMemory": 1574912,
        "TrainingMemory": 3156064,
        "Parameters": 520,
    }
    lines = str(summary).splitlines()
    assert [" ".join(line.split()) for line in lines[2:4]] == [
        "0 data 1 x 28 x 28 1 x 1 0 0 0 0 784 100,352 200,704",
        "1 conv1 20 x 24 x 24 5 x 5 500 20 0 288,000 11,520 1,474,560 2,955,360",
    ]
    assert lines[0].split("  ")[-2:] == ["Activation bytes", "Training bytes"]
    assert " ".join(lines[5].split()) == "total 500 20 0 288,000 12,304 1,574,912 3,156,064"
    assert lines[6:] == ["", "Total parameters: 520", "Memory to train: 3.0 MiB"]
    assert server.bodies()[0][1] == {
        "modelTable": {"name": "net"},
        "initWeights": "w",
        "batchSize": 32,
    }


def test_a_summary_before_data_is_seen_says_what_it_does_not_know() -> None:
    row = [0, "fc1", "10", None, None, 10, 0, None, 10, 40, None]
    unknown = {**LAYERS, "rows": [row]}
    server = FakeServer({"POST /v1/actions/castorch.summary": answered(Layers=unknown)})

    summary = server.session().open_model("net").summary()

    assert summary.totals["Weights"] is None
    assert str(summary).endswith("Total parameters: not known before data is seen")


def test_a_model_is_described_changed_and_dropped() -> None:
    server = FakeServer(
        {
            "POST /v1/actions/deepLearn.modelInfo": answered(
                ModelInfo=table("Descr Value", ["Number of Layers", "3"])
            ),
            "POST /v1/actions/deepLearn.removeLayer": answered(),
            "POST /v1/actions/table.dropTable": answered(),
        }
    )
    model = server.session().open_model("net")

    assert model.info() == {"Number of Layers": "3"}
    model.remove("fc1").drop()

    assert [body for _, body in server.bodies()[1:]] == [
        {"modelTable": {"name": "net"}, "name": "fc1"},
        {"name": "net"},
    ]
    assert repr(model) == "Model('net')"


def test_a_layer_sends_only_the_options_it_was_given() -> None:
    layer = layers.Convo(n_filters=20, width=5, include_bias=False)

    assert layer.to_wire() == {
        "type": "convo",
        "nFilters": 20,
        "width": 5,
        "includeBias": False,
    }
    assert layer == layers.Convo(n_filters=20, width=5, include_bias=False)


def test_a_picture_shows_itself_and_is_saved(tmp_path: Path) -> None:
    answer = {**answered(), "values": {"svg": "<svg/>"}}
    server = FakeServer({"POST /v1/actions/castorch.modelGraph": answer})

    picture = server.session().open_model("net").graph(weights="w")

    assert picture == picture._repr_svg_() == "<svg/>"
    assert picture.save(tmp_path / "net.svg").read_text() == "<svg/>"
    assert server.bodies()[0][1] == {"modelTable": {"name": "net"}, "initWeights": "w"}


def test_a_check_before_data_is_seen_says_what_it_does_not_know() -> None:
    columns = "Memory:int64 Needed:int64 Fits:bool LargestBatch:int64"
    fit, advice = table(columns, [1024, None, None, None]), table("Layer Rule Reason")
    answer = answered(Fit=fit, Advice=advice)
    server = FakeServer({"POST /v1/actions/castorch.checkModel": answer})

    check = server.session().open_model("net").check()

    assert check.fits is None
    assert str(check) == "Memory to train: not known before data is seen"


def test_models_made_of_a_trained_one_get_weights_of_their_name() -> None:
    actions = ("foldBatchNorm", "fcToConv", "replaceHead")
    answer = {**answered(), "values": {"freeze": ["conv1"]}}
    server = FakeServer({f"POST /v1/actions/castorch.{each}": answer for each in actions})
    model = server.session().open_model("net")

    folded = model.fold_batch_norm("small")
    slider = model.fc_to_conv("wide", width=384, weights="w")
    output = {"name": "o", "layer": {"type": "output"}}
    head = model.replace_head("moved", after="pool2", layers=[output])

    assert (folded.name, slider.name, head.model.name) == ("small", "wide", "moved")
    assert (head.weights.name, head.freeze) == ("moved_start", ("conv1",))
    first, second, third = (body for _, body in server.bodies())
    assert first == {
        "modelTable": {"name": "net"},
        "initWeights": {"name": "net_weights"},
        "casOut": {"name": "small", "replace": True},
        "modelWeights": {"name": "small_weights", "replace": True},
    }
    assert (second["initWeights"], second["width"], "height" in second) == ("w", 384, False)
    assert third["layers"] == [output]
    assert third["modelWeights"] == {"name": "moved_start", "replace": True}
