from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.errors import (
    FileNotFound,
    InvalidParameters,
    TableExists,
    TableNotFound,
    WrongKind,
)
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import DataError, EngineError, NotSupportedError, WeightsError
from tests.actions.conftest import Run
from tests.actions.house import SMALL_CNN, build, nothing_changes, picture, put, rows_of

DRAW = np.random.default_rng(3)
KERNEL = DRAW.normal(size=(2, 1, 3, 3)).astype(np.float32) / 100
DENSE = DRAW.normal(size=(2, 8)).astype(np.float32) / 100
IMPORT: dict[str, Any] = {"modelTable": "net", "modelWeights": "w", "caslib": "CASUSER"}


@pytest.fixture
def folder(ctx: Context) -> Path:
    """The folder of CASUSER, with the weights of ``net`` as Keras and as Caffe has them."""
    folder = ctx.caslibs.find("CASUSER").path
    with h5py.File(folder / "net.kerasmodel.h5", "w") as file:
        file.attrs["layer_names"] = [b"Conv1", b"out"]
        for name, kernel in (("Conv1", KERNEL), ("out", DENSE)):
            group = file.create_group(name)
            group.create_dataset(f"{name}/kernel:0", data=kernel)
            group.create_dataset(f"{name}/bias:0", data=np.zeros(2, np.float32))
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
    with h5py.File(folder / "net.caffemodel.h5", "w") as file:
        for name, kernel in (("conv1", KERNEL), ("out", DENSE)):
            file.create_dataset(f"data/{name}/0", data=kernel)
            file.create_dataset(f"data/{name}/1", data=np.zeros(2, np.float32))
        file.create_group("data/pool1")
    return folder


@pytest.fixture
def pictures(ctx: Context, run: Run, folder: Path) -> None:
    """Pictures ``pictures`` of two levels, names ``labels`` for them, and the network ``net``."""
    del folder
    found = [picture(DRAW.integers(0, 256, (4, 4))) for _ in range(8)]
    put(ctx, "pictures", {"_image_": found, "_label_": ["cat", "dog"] * 4})
    put(ctx, "labels", {"label_id": [1, 0], "label": ["dog", "cat"]})
    build(run, SMALL_CNN)


def score(run: Run, ctx: Context, out: str = "scored") -> list[dict[str, Any]]:
    raw = {"table": "pictures", "modelTable": "net", "initWeights": "w"}
    run("deepLearn.dlScore", **raw, casOut={"name": out, "replace": True})
    return rows_of(ctx, out)


@pytest.mark.usefixtures("pictures")
class TestPictures:
    @pytest.mark.parametrize("format_", ["keras", "CAFFE"])
    def test_a_file_becomes_weights_that_score(self, run: Run, ctx: Context, format_: str) -> None:
        name = f"net.{format_.lower()}model.h5"
        run(
            "deepLearn.dlImportModelWeights",
            **IMPORT,
            weightFilePath=name,
            formatType=format_,
            gpuModel=False,
        )

        rows = score(run, ctx)
        assert list(rows[0])[:3] == ["P__label_0", "P__label_1", "I__label_"]
        weights = np.concatenate(
            [chunk.values for chunk in ctx.weights.chunks(ctx.tables.find(Name("w")))]
        )
        none = np.zeros(2, np.float32)
        flat = np.concatenate([KERNEL.ravel(), none, DENSE.T.ravel(), none])
        np.testing.assert_array_equal(weights, flat)

    def test_a_table_of_labels_names_the_levels(self, run: Run, ctx: Context) -> None:
        run(
            "deepLearn.dlImportModelWeights",
            **IMPORT,
            weightFilePath="net.kerasmodel.h5",
            labelTable="labels",
        )

        assert list(score(run, ctx)[0])[:3] == ["P__label_cat", "P__label_dog", "I__label_"]

    def test_imported_weights_are_exported_and_score_the_same(self, run: Run, ctx: Context) -> None:
        run("deepLearn.dlImportModelWeights", **IMPORT, weightFilePath="net.kerasmodel.h5")

        run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="store")
        run("astore.score", table="pictures", rstore="store", casOut="again")

        assert rows_of(ctx, "again") == score(run, ctx)

    def test_weights_know_the_file_they_come_from(self, run: Run, ctx: Context) -> None:
        run("deepLearn.dlImportModelWeights", **IMPORT, weightFilePath="net.kerasmodel.h5")

        _, header = ctx.weights.load(Name("w"))

        assert header.lineage["imported"] == {
            "file": "net.kerasmodel.h5",
            "store": None,
            "format": "KERAS",
        }

    BAD: tuple[tuple[dict[str, Any], type[EngineError], str], ...] = (
        (
            {},
            InvalidParameters,
            (
                "parameters 'weightFilePath' and 'rstore' got 0 values with formatType 'KERAS', "
                "expected the first alone"
            ),
        ),
        (
            {"rstore": "s"},
            InvalidParameters,
            (
                "parameters 'weightFilePath' and 'rstore' got 1 values with formatType 'KERAS', "
                "expected the first alone"
            ),
        ),
        (
            {"rstore": "s", "weightFilePath": "x", "formatType": "castorch"},
            InvalidParameters,
            (
                "parameters 'weightFilePath' and 'rstore' got 2 values with formatType 'CASTORCH', "
                "expected exactly one"
            ),
        ),
        (
            {"weightFilePath": "net.h5"},
            FileNotFound,
            "caslib 'CASUSER' has no file 'net.h5'",
        ),
        (
            {"weightFilePath": "net.caffemodel.h5"},
            DataError,
            (
                "the file 'net.caffemodel.h5' has no attribute 'layer_names', expected a file that "
                "was converted for CAS"
            ),
        ),
        (
            {"weightFilePath": "net.kerasmodel.h5", "modelTable": "pictures"},
            WrongKind,
            "the table 'pictures' in caslib 'CASUSER' is a data table, expected a model table",
        ),
        (
            {"weightFilePath": "net.kerasmodel.h5", "formatType": "castorch"},
            DataError,
            (
                "the file 'net.kerasmodel.h5' is no safetensors file: its header would have "
                "727905341903489161 bytes, expected 1 to 12896"
            ),
        ),
        (
            {"weightFilePath": "net.kerasmodel.h5", "modelWeights": "pictures"},
            TableExists,
            "the table 'pictures' exists in caslib 'CASUSER'; set replace to overwrite it",
        ),
        (
            {"weightFilePath": "net.kerasmodel.h5", "textEmbeddingDim": 3},
            NotSupportedError,
            (
                "parameter 'textEmbeddingDim' of deepLearn.dlImportModelWeights is not supported "
                "yet: textParms of dlTrain say how texts are read"
            ),
        ),
        (
            {"weightFilePath": "net.kerasmodel.h5", "labelTable": "names"},
            TableNotFound,
            "no table is named 'names' in caslib 'CASUSER'",
        ),
    )

    @pytest.mark.parametrize(("more", "error", "message"), BAD)
    def test_what_cannot_be_imported_leaves_nothing(
        self,
        run: Run,
        stores: MemoryStores,
        more: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        with nothing_changes(stores), pytest.raises(error) as caught:
            run("deepLearn.dlImportModelWeights", **{**IMPORT, **more})

        assert caught.value.message == message


class TestModelFiles:
    @pytest.fixture(autouse=True)
    def _trained(self, run: Run, pictures: None) -> None:
        del pictures
        run(
            "deepLearn.dlTrain",
            table="pictures",
            modelTable="net",
            modelWeights="w",
            seed=1,
            optimizer={"maxEpochs": 1, "miniBatchSize": 4, "algorithm": {"learningRate": 1e-4}},
        )

    def test_a_fresh_server_scores_the_same_bit_for_bit(
        self, run: Run, ctx: Context, folder: Path, tmp_path: Path
    ) -> None:
        run("deepLearn.dlExportModel", modelTable="net", initWeights="w", file="net.safetensors")
        other = MemoryStores(tmp_path / "other").context()
        there = other.caslibs.find("CASUSER").path / "net.safetensors"
        there.write_bytes((folder / "net.safetensors").read_bytes())
        put(other, "pictures", {"_image_": [row["_image_"] for row in rows_of(ctx, "pictures")]})

        def run_there(action: str, **raw: Any) -> Any:
            return run_action(other, action, raw)

        file: dict[str, Any] = {"weightFilePath": "net.safetensors", "formatType": "CASTORCH"}
        run_there("deepLearn.dlImportModelWeights", modelTable="net", modelWeights="w", **file)

        assert score(run_there, other) == score(run, ctx)
        assert other.models.load(Name("net")).graph == ctx.models.load(Name("net")).graph

    def test_a_store_becomes_a_model_of_another_name_and_trains_on(
        self, run: Run, ctx: Context
    ) -> None:
        run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="store")

        run(
            "deepLearn.dlImportModelWeights",
            modelTable="copy",
            modelWeights="copy_w",
            formatType="CASTORCH",
            rstore="store",
        )

        run(
            "deepLearn.dlTrain",
            table="pictures",
            modelTable="copy",
            modelWeights="more",
            initWeights="copy_w",
            optimizer={"maxEpochs": 1},
        )
        _, header = ctx.weights.load(Name("copy_w"))
        assert header.lineage["seed"] == 1

    def test_a_model_that_is_there_must_be_the_same(self, run: Run, stores: MemoryStores) -> None:
        run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="store")
        build(run, SMALL_CNN[:-1], "net")

        with nothing_changes(stores), pytest.raises(WeightsError) as caught:
            run(
                "deepLearn.dlImportModelWeights",
                modelTable="net",
                modelWeights="v",
                formatType="CASTORCH",
                rstore="store",
            )

        assert caught.value.message == (
            "the store 'store' holds another model than 'net', expected the same layers; "
            "import it under another name"
        )

    def test_weights_that_cannot_be_stored_leave_no_model(
        self, run: Run, stores: MemoryStores
    ) -> None:
        run("deepLearn.dlExportModel", modelTable="net", initWeights="w", casOut="store")

        with nothing_changes(stores), pytest.raises(TableExists):
            run(
                "deepLearn.dlImportModelWeights",
                modelTable="fresh",
                modelWeights="w",
                formatType="CASTORCH",
                rstore="store",
            )


def recurrent_file(folder: Path) -> None:
    with h5py.File(folder / "rnn.kerasmodel.h5", "w") as file:
        file.attrs["layer_names"] = ["gru", "out"]
        shapes = {
            "gru": {"kernel": (4, 6), "recurrent_kernel": (2, 6), "bias": (6,)},
            "out": {"kernel": (1, 2), "bias": (1,)},
        }
        for name, datasets in shapes.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{kind}:0" for kind in datasets]
            for kind, shape in datasets.items():
                group.create_dataset(f"{name}/{kind}:0", data=np.zeros(shape, np.float32))


RNN: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 4, "height": 3}},
    {"name": "gru", "layer": {"type": "recurrent", "n": 2, "rnnType": "GRU"}, "srcLayers": "data"},
    {"name": "out", "layer": {"type": "keypoints", "n": 1}, "srcLayers": "gru"},
]


def test_a_model_of_something_else_than_images_gets_weights_without_a_schema(
    run: Run, ctx: Context, folder: Path
) -> None:
    recurrent_file(folder)
    build(run, RNN)

    answer = run("deepLearn.dlImportModelWeights", **IMPORT, weightFilePath="rnn.kerasmodel.h5")

    assert [message.text for message in answer.messages] == [
        (
            "Model 'net' is none of images: its weights can start a training, and score once "
            "they were trained."
        ),
        (
            "layer 'gru' is a GRU whose reset gate works on the product with the state; scores "
            "are those of Keras only with reset_after"
        ),
    ]
    assert ctx.weights.load(Name("w"))[1].schema is None


def test_labels_for_a_model_of_something_else_are_refused(
    run: Run, ctx: Context, folder: Path
) -> None:
    recurrent_file(folder)
    build(run, RNN)
    put(ctx, "labels", {"label_id": [0], "label": ["x"]})

    with pytest.raises(InvalidParameters) as caught:
        run(
            "deepLearn.dlImportModelWeights",
            **IMPORT,
            weightFilePath="rnn.kerasmodel.h5",
            labelTable="labels",
        )

    assert caught.value.message == (
        "parameter 'labelTable' got a table, but model 'net' has no image input and output layer "
        "with a number of neurons; leave it out"
    )
