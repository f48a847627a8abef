"""sas-dlpy builds, trains, scores and judges networks; the data is made so that they can."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from dlpy import Model, Sequential
from dlpy.layers import (
    BN,
    Concat,
    Conv2d,
    Dense,
    Input,
    InputLayer,
    OutputLayer,
    Pooling,
    Res,
)
from dlpy.lr_scheduler import StepLR
from dlpy.model import AdamSolver, DataSpec, Optimizer

SIDE = 8
PIXELS = [f"p{at}" for at in range(SIDE * SIDE)]


@pytest.fixture
def bars(cas: Any) -> Any:
    """Pictures of 8 x 8 with a bright bar in one of three places, which is their label."""
    random = np.random.default_rng(7)
    labels = random.integers(0, 3, 150)
    pictures = 0.3 * random.normal(size=(150, SIDE * SIDE))
    for picture, label in zip(pictures, labels):
        picture[label * 20 : label * 20 + 20] += 1.0
    frame = pd.DataFrame(pictures, columns=PIXELS)
    frame["place"] = [f"bar {label}" for label in labels]
    cas.loadactionset("deepLearn")
    return cas.upload_frame(frame, casout={"name": "bars", "replace": True})


def lenet(cas: Any) -> Any:
    model = Sequential(cas, model_table="LeNet")
    model.add(InputLayer(1, SIDE, SIDE))
    for filters in (4, 8):
        model.add(Conv2d(filters, 3, act="identity", include_bias=False))
        model.add(BN(act="relu"))
        model.add(Pooling(2))
    model.add(Dense(16))
    model.add(OutputLayer(act="softmax", n=3))
    return model


def fit(model: Any, epochs: int, **more: Any) -> Any:
    solver = AdamSolver(learning_rate=0.01, **more)
    optimizer = Optimizer(algorithm=solver, max_epochs=epochs, mini_batch_size=10, seed=5)
    return model.fit(
        data="bars", inputs=PIXELS, target="place", nominals="place", optimizer=optimizer, seed=5
    )


def test_a_lenet_with_batch_normalisation_learns_and_is_judged(cas: Any, bars: Any) -> None:
    model = lenet(cas)

    trained = fit(model, 4)
    scored = model.predict(data="bars")
    judged = model.evaluate(data="bars")

    assert (trained.severity, scored.severity, judged.severity) == (0, 0, 0)
    assert model.training_history["Epoch"].tolist() == [1, 2, 3, 4]
    info = scored["ScoreInfo"].set_index("Descr")["Value"]
    assert float(info["Misclassification Error (%)"]) < 5
    columns = model.valid_res_tbl.columns.tolist()
    assert columns[-6:] == [
        "P_placebar_0",
        "P_placebar_1",
        "P_placebar_2",
        "I_place",
        "_DL_PredP_",
        "_DL_PredLevel_",
    ]
    counts = bars["place"].value_counts()
    confusion = model.valid_conf_mat["Crosstab"].set_index("place")
    assert confusion.sum(axis=1).to_dict() == counts.to_dict()


def test_a_second_fit_goes_on_from_the_first(cas: Any, bars: Any, capfd: Any) -> None:
    model = lenet(cas)
    first = fit(model, 2)

    second = fit(model, 2)

    printed = capfd.readouterr().out
    assert "NOTE: Training from scratch." in printed
    assert "NOTE: Training based on existing weights." in printed
    assert model.training_history["Epoch"].tolist() == [1, 2, 3, 4]
    losses = [each["OptIterHistory"]["Loss"].tolist() for each in (first, second)]
    assert losses[1][0] < losses[0][0]


def test_the_summary_counts_what_the_server_counts(cas: Any, bars: Any) -> None:
    model = lenet(cas)

    summary = model.print_summary()

    assert len(summary) >= 9
    info = model.get_model_info()["ModelInfo"].set_index("Descr")["Value"]
    # 3x3x1x4 + 3x3x4x8, 4 values for each of 4 + 8 channels are statistics and not counted here,
    # (2x2x8) x 16 of the dense layer, 16 x 3 of the output.
    assert info["Number of Layers"] == "9"
    assert info["Number of Weight Parameters"] == str(36 + 288 + 512 + 48)


def test_a_model_is_read_back_from_its_table(cas: Any, bars: Any) -> None:
    model = lenet(cas)

    again = Model.from_table(cas.CASTable("LeNet"))

    assert [layer.type for layer in again.layers] == [layer.type for layer in model.layers]
    again.compile()
    assert fit(again, 1).severity == 0


def test_a_residual_block_is_declared_as_a_graph(cas: Any, bars: Any) -> None:
    source = Input(1, SIDE, SIDE)
    first = Conv2d(4, 3, act="identity", include_bias=False)(source)
    first = BN(act="relu")(first)
    second = Conv2d(4, 3, act="identity", include_bias=False)(first)
    second = BN(act="identity")(second)
    joined = Res(act="relu")([second, first])
    pooled = Pooling(0, 0, stride=1, pool="mean")(joined)
    out = OutputLayer(act="softmax", n=3)(pooled)
    model = Model(cas, source, out)
    model.compile()

    trained = fit(model, 2)

    assert trained.severity == 0
    assert len(trained["OptIterHistory"]) == 2


def test_a_network_with_two_inputs_learns_from_both(cas: Any, bars: Any) -> None:
    upper, lower = Input(name="upper"), Input(name="lower")
    both = Concat()([Dense(8, name="above")(upper), Dense(8, name="below")(lower)])
    model = Model(cas, [upper, lower], OutputLayer(act="softmax", n=3, name="out")(both))
    model.compile()
    half = len(PIXELS) // 2
    specs = [
        DataSpec(type_="NUMERICNOMINAL", layer="upper", data=PIXELS[:half]),
        DataSpec(type_="NUMERICNOMINAL", layer="lower", data=PIXELS[half:]),
        DataSpec(type_="NUMERICNOMINAL", layer="out", data="place", nominals="place"),
    ]
    optimizer = Optimizer(
        algorithm=AdamSolver(learning_rate=0.01), max_epochs=8, mini_batch_size=10, seed=5
    )

    trained = model.fit("bars", data_specs=specs, optimizer=optimizer, seed=5)
    scored = model.predict("bars")

    assert (trained.severity, scored.severity) == (0, 0), (trained.messages, scored.messages)
    info = scored["ScoreInfo"].set_index("Descr")["Value"]
    assert float(info["Misclassification Error (%)"]) < 5


def test_a_learning_rate_follows_its_schedule(cas: Any, bars: Any) -> None:
    model = lenet(cas)
    optimizer = Optimizer(
        algorithm=AdamSolver(lr_scheduler=StepLR(learning_rate=0.01, gamma=0.5, step_size=1)),
        max_epochs=3,
        mini_batch_size=10,
        seed=5,
    )

    trained = model.fit(
        data="bars", inputs=PIXELS, target="place", nominals="place", optimizer=optimizer
    )

    rates = trained["OptIterHistory"]["LearningRate"]
    np.testing.assert_allclose(rates, [0.01, 0.005, 0.0025])
