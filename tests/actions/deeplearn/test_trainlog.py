import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.deeplearn.trainlog import TrainLog
from actions.memory import MemoryStores
from actions.results import Json
from actions.run import run_action
from engine.train.history import EpochEvent
from tests.actions.house import Run, build, picture, put

LAYERS: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 4, "height": 4}},
    {"name": "c1", "layer": {"type": "convo", "nFilters": 1, "act": "relu"}, "srcLayers": "data"},
    {"name": "b1", "layer": {"type": "batchnorm"}, "srcLayers": "c1"},
    {
        "name": "c2",
        "layer": {"type": "convo", "nFilters": 1, "act": "identity", "noBias": True},
        "srcLayers": "b1",
    },
    {"name": "b2", "layer": {"type": "batchnorm"}, "srcLayers": "c2"},
    {"name": "p1", "layer": {"type": "pool"}, "srcLayers": "b2"},
    {"name": "b3", "layer": {"type": "batchnorm"}, "srcLayers": "p1"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "b3"},
]


@pytest.fixture
def pictures(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(0)
    images = [picture(draw.integers(0, 256, (4, 4))) for _ in range(8)]
    put(ctx, "pictures", {"_image_": images, "_label_": ["a", "b"] * 3 + ["a", None]})
    build(run, LAYERS)


def log(run: Run, **optimizer: Any) -> list[tuple[str, str]]:
    answer = run(
        "deepLearn.dlTrain",
        table="pictures",
        modelTable="net",
        modelWeights={"name": "w", "replace": True},
        validTable="pictures",
        optimizer={"miniBatchSize": 4, "algorithm": {"learningRate": 1e-4}, **optimizer},
    )
    return [(message.level, message.text) for message in answer.messages]


@pytest.mark.usefixtures("pictures")
class TestLog:
    def test_batch_normalisation_after_bias_and_activation_is_warned_of(self, run: Run) -> None:
        warnings = [text for level, text in log(run) if level == "warning"]

        assert warnings == [
            (
                "layer 'b1' (batchnorm) follows layer 'c1' (convo) with a bias and activation "
                "RECTIFIER; the published method has neither bias nor activation there"
            )
        ]

    def test_the_warning_can_be_switched_off(self, run: Run) -> None:
        assert [level for level, _ in log(run, bnSrcLayerWarnings=False)] == ["note"]

    def test_rows_that_are_not_used_are_counted(self, run: Run) -> None:
        assert (
            "note",
            "Of 8 rows 7 are used; the others have missing values.",
        ) in log(run)

    def test_the_run_is_described_in_the_order_of_cas(self, run: Run) -> None:
        texts = [text for level, text in log(run, logLevel=1) if level == "note"]

        told = [re.sub(r"\d+\.\d\d \(s\)", "? (s)", text) for text in texts]
        start = told.index("Synchronous mode is enabled.")
        kinds = [text.rpartition(" is ")[0] or text for text in told[start : start + 7]]
        assert kinds == [
            "Synchronous mode",
            "The total number of parameters",
            "The approximate memory cost",
            "Loading weights cost ? (s).",
            "Initializing each layer cost ? (s).",
            "The number of threads",
            "The mini-batch size per thread",
        ]
        assert "The total mini-batch size is 4." in told
        assert told[-2:] == [
            "The optimization stopped: reached the maximum number of epochs.",
            "The total time is ? (s).",
        ]

    def test_a_mini_batch_larger_than_the_data_is_told_of(self, run: Run) -> None:
        texts = [text for _, text in log(run, miniBatchSize=64)]

        assert "Due to data distribution, miniBatchSize has been limited to 7." in texts

    def test_mini_batches_tell_their_time(self, run: Run) -> None:
        texts = [text for _, text in log(run, logLevel=3)]

        batches = [text for text in texts if text.startswith("Batch ")]
        assert [text.partition(":")[0] for text in batches] == ["Batch 1", "Batch 2"]
        assert all(re.search(r", fit error \S+, time \d+\.\d\d \(s\)$", text) for text in batches)

    def test_epochs_tell_of_validation(self, run: Run) -> None:
        texts = [text for _, text in log(run, logLevel=2)]

        assert "The number of input variables is 1." in texts
        assert any(", validation loss " in text for text in texts)
        assert not any(text.startswith("Batch ") for text in texts)

    def test_what_an_epoch_has_reported_is_not_told_again_as_a_note(self, ctx: Context) -> None:
        events: list[tuple[str, Any]] = []
        watched = replace(ctx, report=lambda kind, data: events.append((kind, data)))
        params: dict[str, Json] = {
            "table": "pictures",
            "modelTable": "net",
            "modelWeights": "w",
            "optimizer": {"miniBatchSize": 4, "maxEpochs": 2, "logLevel": 3},
        }

        answer = run_action(watched, "deepLearn.dlTrain", params)

        epochs = [each.text for each in answer.messages if each.text.startswith("Epoch ")]
        notes = [data["text"] for kind, data in events if kind == "note"]
        assert len(epochs) == len([kind for kind, _ in events if kind == "epoch"]) == 2
        assert not [text for text in notes if text.startswith(("Epoch ", "Batch "))]


def test_detection_tells_the_overlap_in_place_of_the_error() -> None:
    quiet = TrainLog(MemoryStores(Path()).context(), 2, finds_objects=True)
    epoch = EpochEvent(0, 0.1, 2.0, 0.75, None, None, 3.0, 0.5, 1.25)

    quiet.event(epoch)

    assert [message.text for message in quiet.ctx.messages] == [
        (
            "Epoch 0: learning rate 0.1, loss 2, IOU 0.25, validation loss 3, validation IOU 0.5, "
            "time 1.25 (s)"
        )
    ]
