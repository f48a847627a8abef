import numpy as np
import pytest
from sklearn.datasets import load_digits

import castorch
from tests.journeys.weights_by_hand import CONVO, FC, NORM, OUT, scores

NETWORK = [
    ("data", {"type": "input", "nChannels": 1, "width": 8, "height": 8, "scale": 1 / 255}),
    ("c", {"type": "convo", "nFilters": 4, "width": 3, "act": "identity", "includeBias": False}),
    ("n", {"type": "batchnorm", "act": "relu"}),
    ("p", {"type": "pool", "width": 2, "height": 2}),
    ("f", {"type": "fc", "n": 10, "act": "tanh"}),
    ("out", {"type": "output", "n": 10}),
]
# by hand: 4 x 9 filters; 4 x (gamma, beta); 4 x 4 x 4 x 10 + 10; 10 x 10 + 10
PARAMETERS = 36 + 8 + 650 + 110
MAPS = 4


@pytest.fixture
def trained(session: castorch.Session) -> castorch.Session:
    """A session with digits, their network and its weights."""
    digits = load_digits()
    pixels = (digits.images * 15).astype(np.uint8)
    labels = digits.target.astype(str)
    session.upload("digits", {"_image_": pixels[:600], "_label_": labels[:600]})
    session.upload("others", {"_image_": pixels[600:700], "_label_": labels[600:700]})
    session.run("deepLearn.buildModel", model_table="hand", type="CNN")
    source: list[str] = []
    for name, layer in NETWORK:
        session.run(
            "deepLearn.addLayer", model_table="hand", name=name, layer=layer, src_layers=source
        )
        source = [name]
    session.run(
        "deepLearn.dlTrain",
        table="digits",
        model_table="hand",
        model_weights="hand_weights",
        inputs="_image_",
        target="_label_",
        seed=7,
        optimizer={
            "totalMiniBatchSize": 50,
            "maxEpochs": 4,
            "algorithm": {"method": "ADAM", "learningRate": 0.01},
        },
    )
    return session


def rows_of(session: castorch.Session, first: int, last: int) -> list[tuple[int, int, float]]:
    """Return rows of the weight table by their 1-based places."""
    answer = session.run("table.fetch", table="hand_weights", **{"from": first}, to=last)
    table = next(iter(answer.tables.values()))
    names = ("_LayerID_", "_WeightID_", "_Weight_")
    return [tuple(row[name] for name in names) for row in table.records()]


def test_the_weight_table_ends_with_the_statistics_and_scores_by_hand(
    trained: castorch.Session,
) -> None:
    total = PARAMETERS + 2 * MAPS

    assert trained.table("hand_weights").rows == total
    body = rows_of(trained, 1, PARAMETERS)
    tail = rows_of(trained, PARAMETERS + 1, total)

    # layers by id, each counted from 0; batch normalisation goes on in the tail
    expected = [(CONVO, i) for i in range(36)] + [(NORM, i) for i in range(8)]
    expected += [(FC, i) for i in range(650)] + [(OUT, i) for i in range(110)]
    assert [row[:2] for row in body] == expected
    assert [row[:2] for row in tail] == [(NORM, 8 + i) for i in range(2 * MAPS)]
    assert all(deviation > 0 for _, _, deviation in tail[1::2])

    trained.run(
        "deepLearn.dlScore",
        table="others",
        model_table="hand",
        init_weights="hand_weights",
        cas_out="hand_scored",
    )
    scored = trained.table("hand_scored").to_pandas()
    columns = [f"P__label_{level}" for level in range(10)]
    pixels = (load_digits().images[600:700] * 15).astype(np.uint8).astype(float)
    # float32 in the engine against float64 here
    np.testing.assert_allclose(scored[columns].to_numpy(), scores(pixels, body + tail), atol=1e-5)
