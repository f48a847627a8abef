"""A small trained model, and the store it was exported to."""

import numpy as np
import pytest

from actions.context import Context
from tests.actions.conftest import Run
from tests.actions.house import SMALL_CNN, build, picture, put


@pytest.fixture
def exported(ctx: Context, run: Run) -> None:
    """Pictures ``pictures``, a network ``net``, its weights ``w``, its store ``net_store``."""
    draw = np.random.default_rng(3)
    pictures = [picture(draw.integers(0, 256, (4, 4))) for _ in range(10)]
    labels = ["cat", "dog"] * 5
    put(ctx, "pictures", {"id": np.arange(10), "_image_": pictures, "_label_": labels})
    middle = {"name": "bn", "layer": {"type": "batchnorm"}, "srcLayers": "conv1"}
    pooled = {**SMALL_CNN[2], "srcLayers": ["bn"]}
    build(run, [*SMALL_CNN[:2], middle, pooled, SMALL_CNN[3]])
    run(
        "deepLearn.dlTrain",
        table="pictures",
        modelTable="net",
        modelWeights="w",
        seed=5,
        optimizer={"miniBatchSize": 5, "maxEpochs": 2, "algorithm": {"learningRate": 1e-3}},
    )
    run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="net_store")
