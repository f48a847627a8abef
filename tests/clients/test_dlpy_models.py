"""sas-dlpy declares, trains, scores, looks into and stores networks of images."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

dlpy = pytest.importorskip("dlpy")

import matplotlib as mpl  # noqa: E402
from dlpy import Model, Sequential  # noqa: E402
from dlpy.layers import (  # noqa: E402
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
from dlpy.lr_scheduler import CyclicLR, ReduceLROnPlateau, StepLR  # noqa: E402
from dlpy.model import Optimizer, VanillaSolver  # noqa: E402

mpl.use("Agg")

SIDE = 12


def shade(level: int, seed: int) -> bytes:
    """A grey picture that is dark or light, with some noise."""
    noise = np.random.default_rng(seed).integers(0, 40, (SIDE, SIDE))
    out = io.BytesIO()
    Image.fromarray((level + noise).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve dark and twelve light pictures in two folders, where the server may read."""
    root = tmp_path_factory.mktemp("shades")
    for label, level in (("dark", 20), ("light", 180)):
        (root / label).mkdir()
        for number in range(12):
            (root / label / f"{number}.png").write_bytes(shade(level, number))
    return root


@pytest.fixture
def shades(cas: Any, folder: Path) -> Any:
    cas.loadactionset("image")
    cas.retrieve("table.addcaslib", name="shades", path=str(folder), activeonadd=False)
    cas.retrieve(
        "image.loadimages",
        path="",
        caslib="shades",
        labellevels=-1,
        casout={"name": "shades", "replace": True},
    )
    return cas.CASTable("shades")


def lenet(cas: Any, name: str = "LeNet") -> Any:
    model = Sequential(cas, model_table=name)
    model.add(InputLayer(1, SIDE, SIDE, scale=1 / 255))
    model.add(Conv2d(4, 3, act="identity", include_bias=False))
    model.add(BN(act="relu"))
    model.add(Pooling(2))
    model.add(Conv2d(8, 3, act="identity", include_bias=False))
    model.add(BN(act="relu"))
    model.add(Pooling(2))
    model.add(Dense(16))
    model.add(OutputLayer(act="softmax", n=2))
    return model


def fit(model: Any, table: Any, **more: Any) -> Any:
    settings = {"max_epochs": 8, "mini_batch_size": 6, "lr": 0.05, "seed": 12345, **more}
    answer = model.fit(data=table, inputs="_image_", target="_label_", **settings)
    assert answer.severity <= 1, answer.messages
    return answer


def numbers(model: Any) -> pd.DataFrame:
    """What a summary tells of the layers."""
    summary: pd.DataFrame = model.summary
    return summary[["Layer", "Type", "Output Size"]].astype(str)


class TestLeNet:
    def test_it_learns_goes_on_and_tells_its_history(self, cas: Any, shades: Any) -> None:
        model = lenet(cas)
        fit(model, shades)
        first = model.training_history.copy()
        fit(model, shades, max_epochs=3)

        assert first["Epoch"].tolist() == list(range(1, 9))
        assert model.training_history["Epoch"].tolist() == list(range(1, 12))
        assert model.training_history["Loss"].iloc[-1] < first["Loss"].iloc[0]
        model.plot_training_history()

    def test_it_predicts_and_evaluates(self, cas: Any, shades: Any) -> None:
        model = lenet(cas)
        fit(model, shades, max_epochs=12)

        scored = model.predict(shades)
        assert scored.severity == 0
        rows = model.valid_res_tbl.to_frame(to=100)
        assert (rows["I__label_"].str.strip() == rows["_label_"].str.strip()).mean() >= 0.9
        np.testing.assert_allclose(rows["P__label_dark"] + rows["P__label_light"], 1, rtol=1e-5)

        model.evaluate(shades)
        crossed = model.valid_conf_mat["Crosstab"]
        assert int(crossed[["Col1", "Col2"]].to_numpy().sum()) == 24
        assert model.valid_res["Image"].iloc[0].size == (SIDE, SIDE)

    def test_its_summary_is_the_same_once_its_table_is_read(self, cas: Any) -> None:
        model = lenet(cas)
        model.print_summary()

        again = Model.from_table(cas.CASTable("LeNet"), display_note=False)

        left, right = numbers(model), numbers(again)
        assert left["Layer"].str.lower().tolist() == right["Layer"].tolist()
        pd.testing.assert_frame_equal(left.drop(columns="Layer"), right.drop(columns="Layer"))
        again.print_summary()

    def test_it_goes_to_files_and_comes_back(
        self, cas: Any, shades: Any, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        model = lenet(cas)
        fit(model, shades)
        before = model.predict(shades)["ScoreInfo"]
        place = tmp_path_factory.mktemp("saved")

        model.save_to_table(str(place))
        loaded = Model(cas)
        loaded.load(str(place / "LeNet.sashdat"), display_note=False)

        names = {each.name for each in place.iterdir()}
        assert names == {"LeNet.sashdat", "LeNet_weights.sashdat", "LeNet_weights_attr.sashdat"}
        after = loaded.predict(shades)["ScoreInfo"]
        assert after["Value"].tolist() == before["Value"].tolist()
        fit(loaded, shades, max_epochs=1)

    def test_it_becomes_a_functional_model(self, cas: Any) -> None:
        model = lenet(cas).to_functional_model()
        model.compile()

        assert numbers(model)["Output Size"].iloc[-1] == "2"

    def test_its_maps_can_be_looked_at(self, cas: Any, shades: Any) -> None:
        model = lenet(cas)
        fit(model, shades)

        model.get_feature_maps(data=shades, label="dark", image_id=1)
        model.feature_maps.display(layer_id=1)

        assert model.feature_maps is not None


class TestShapes:
    def test_a_residual_block_and_two_inputs(self, cas: Any) -> None:
        left = Input(n_channels=1, width=SIDE, height=SIDE, name="left")
        right = Input(n_channels=1, width=SIDE, height=SIDE, name="right")
        trunk = Conv2d(4, 3, act="identity", include_bias=False)(left)
        trunk = BN(act="relu")(trunk)
        branch = BN()(Conv2d(4, 3, act="identity", include_bias=False)(trunk))
        joined = Res(act="relu")([branch, trunk])
        both = Concat()([joined, Conv2d(4, 3)(right)])
        model = Model(cas, inputs=[left, right], outputs=OutputLayer(n=2)(both), model_table="two")
        model.compile()

        again = Model.from_table(cas.CASTable("two"), display_note=False)

        assert sorted(each.type for each in again.layers) == sorted(
            each.type for each in model.layers
        )
        assert [len(each.src_layers or []) for each in again.layers] == [
            len(each.src_layers or []) for each in model.layers
        ]

    def test_a_resnet18_of_the_library_is_declared(self, cas: Any) -> None:
        from dlpy.applications import ResNet18_Caffe

        model = ResNet18_Caffe(cas, model_table="resnet", n_classes=3, width=64, height=64)

        again = Model.from_table(cas.CASTable("resnet"), display_note=False)
        left, right = (numbers(each).drop(columns="Layer") for each in (model, again))
        # Summed up from a table, the client takes the global pooling, last but one, for windows.
        last = left.index[-2]
        pd.testing.assert_frame_equal(left.drop(last), right.drop(last))


class TestTraining:
    @pytest.mark.parametrize("kind", ["step", "plateau", "cyclic"])
    def test_learning_rates_follow_a_schedule(self, cas: Any, shades: Any, kind: str) -> None:
        makers = {
            "step": lambda: StepLR(learning_rate=0.05, gamma=0.5, step_size=2),
            "plateau": lambda: ReduceLROnPlateau(
                conn=cas, learning_rate=0.05, gamma=0.5, cool_down_iters=1, patience=1
            ),
            "cyclic": lambda: CyclicLR(
                conn=cas, data=shades, max_lr=0.1, batch_size=6, factor=2, learning_rate=0.01
            ),
        }
        solver = VanillaSolver(lr_scheduler=makers[kind]())
        model = lenet(cas)

        fit(model, shades, optimizer=Optimizer(algorithm=solver, max_epochs=5, mini_batch_size=6))

        rates = model.training_history["LearningRate"].tolist()
        assert len(rates) == 5
        if kind == "step":
            np.testing.assert_allclose(rates, [0.05, 0.05, 0.025, 0.025, 0.0125])

    def test_padding_may_be_equal_on_all_sides(self, cas: Any, shades: Any) -> None:
        model = Sequential(cas, model_table="padded")
        model.add(InputLayer(1, SIDE, SIDE))
        model.add(Conv2d(2, 4, stride=2))
        model.add(OutputLayer(n=2))

        fit(model, shades, max_epochs=1, force_equal_padding=True)

    @pytest.mark.complains
    def test_what_goes_wrong_is_told(self, cas: Any, shades: Any) -> None:
        model = Sequential(cas, model_table="wrong")
        model.add(InputLayer(1, 7, 7))
        model.add(OutputLayer(n=2))

        answer = model.fit(data=shades, inputs="_image_", target="_label_", max_epochs=1)

        assert answer.severity == 2
        assert "expected 7 x 7 as the input layer declares" in answer.status
