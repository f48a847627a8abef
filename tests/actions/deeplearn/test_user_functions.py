"""Functions of the caller's through the actions: kept with the model, trained and scored."""

from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.ports import Name
from engine.errors import LayerError
from tests.actions.house import Run, build, put, rows_of

SWISH = "function swish(v);\n    return(v * sigmoid(v));   /* x times its share */\nendsub;"
LAYERS: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "std": "STD"}},
    {"name": "bend", "layer": {"type": "fc", "n": 6, "act": "fcmp", "fcmpAct": SWISH}},
    {
        "name": "own",
        "layer": {"type": "FCMP", "width": 6, "nWeights": 2, "forwardFunction": "w[1] * x + w[2]"},
    },
    {"name": "out", "layer": {"type": "output", "error": "fcmperr", "fcmpErr": "abs(y - yhat)"}},
]
RATE = "function fall(rate, first, g, s, epoch, b, loss[*]); return(first / (1 + epoch)); endsub;"


def layers() -> list[dict[str, Any]]:
    names = [layer["name"] for layer in LAYERS]
    sources: list[dict[str, str]] = [{}, *({"srcLayers": name} for name in names)]
    return [{**layer, **source} for layer, source in zip(LAYERS, sources, strict=False)]


def test_a_model_of_written_functions_learns_and_scores(ctx: Context, run: Run) -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 48))
    put(ctx, "t", {"x": x, "y": y, "total": x + y})
    build(run, layers())
    algorithm = {
        "method": "ADAM",
        "learningRate": 0.06,
        "learningRatePolicy": "FCMP",
        "fcmpLearningRate": RATE,
    }

    trained: Any = run(
        "deepLearn.dlTrain",
        table="t",
        modelTable="net",
        modelWeights="w",
        inputs=["x", "y"],
        target="total",
        seed=3,
        optimizer={"algorithm": algorithm, "miniBatchSize": 8, "maxEpochs": 6},
    )
    run("deepLearn.dlScore", table="t", modelTable="net", initWeights="w", casOut="scored")

    history = trained.tables["OptIterHistory"].records()
    rates = [row["LearningRate"] for row in history]
    assert rates == pytest.approx([0.06, 0.03, 0.02, 0.015, 0.012, 0.01])
    assert history[-1]["Loss"] < history[0]["Loss"] / 2
    assert len(rows_of(ctx, "scored")) == 48


def test_the_text_is_kept_with_the_model(ctx: Context, run: Run) -> None:
    build(run, layers())
    bend = ctx.models.load(Name("net")).graph.node("bend").layer
    assert bend.model_dump()["fcmp_act"] == SWISH


def test_a_text_that_cannot_be_run_leaves_the_model_as_it_was(run: Run) -> None:
    build(run, layers()[:1])
    bad = {"type": "fc", "n": 2, "act": "fcmp", "fcmpAct": "x.__class__"}
    with pytest.raises(LayerError, match=r"^parameter 'layer': option 'fcmpAct': function at line"):
        run("deepLearn.addLayer", modelTable="net", name="fc1", layer=bad, srcLayers="data")
