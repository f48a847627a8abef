"""What a training run leaves behind whose numbers overflow."""

import numpy as np
import pytest

from actions.context import Context
from actions.errors import TableNotFound
from actions.ports import Name
from actions.results import Json
from engine.errors import TrainingError
from tests.actions.house import SMALL_DNN, Run, build, put


@pytest.fixture
def diverged(ctx: Context, run: Run) -> None:
    """A run whose rate is tiny for two epochs, and then so large that the numbers overflow."""
    x, y = np.random.default_rng(7).normal(size=(2, 64))
    put(ctx, "points", {"x": x, "y": y, "total": x + y})
    build(run, SMALL_DNN)
    steps: dict[str, Json] = {"learningRatePolicy": "STEP", "stepSize": 2, "gamma": 1e34}
    algorithm: Json = {"method": "VANILLA", "learningRate": 1e-3, **steps}
    with pytest.raises(TrainingError, match=r"not finite at epoch 2"):
        run(
            "deepLearn.dlTrain",
            table="points",
            modelTable="net",
            modelWeights="last",
            bestWeights="best",
            inputs=["x", "y"],
            target="total",
            seed=5,
            optimizer={
                "algorithm": algorithm,
                "maxEpochs": 6,
                "miniBatchSize": 8,
                "snapshotFreq": 2,
            },
        )


@pytest.mark.usefixtures("diverged")
def test_the_best_weights_and_the_snapshots_are_kept(ctx: Context, run: Run) -> None:
    _, header = ctx.weights.load(Name("best"))

    assert (header.lineage["epochs"], header.lineage["bestEpoch"]) == (2, 1)
    assert "not finite at epoch 2" in str(header.lineage["reason"])
    assert [message.text for message in ctx.messages if message.level == "warning"] == [
        "Training diverged after 2 epochs; the best weights, of epoch 1, were kept in 'best'."
    ]
    for weights in ("best", "last_2"):
        run("deepLearn.dlScore", table="points", modelTable="net", initWeights=weights)


@pytest.mark.usefixtures("diverged")
def test_the_weights_of_the_last_step_are_not(ctx: Context) -> None:
    with pytest.raises(TableNotFound, match=r"^no table is named 'last' in caslib 'CASUSER'"):
        ctx.weights.load(Name("last"))
