import json
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.errors import (
    InvalidFile,
    InvalidParameters,
    PathForbidden,
    TableExists,
    TableNotFound,
)
from actions.memory import MemoryStores
from engine.errors import EngineError, GraphError, WeightsError
from engine.interchange.model_file import read_model
from engine.interchange.pieces import Pieces
from tests.actions.conftest import Run
from tests.actions.house import SMALL_CNN, SMALL_DNN, build, nothing_changes, picture, put, rows_of

EXPORT: dict[str, Any] = {"modelTable": "net", "initWeights": "w"}


@pytest.fixture
def trained(ctx: Context, run: Run) -> None:
    """A network ``net`` of one input, and its weights ``w``."""
    draw = np.random.default_rng(7)
    put(ctx, "points", {"x": draw.normal(size=16), "y": draw.normal(size=16)})
    build(run, SMALL_DNN)
    raw = {"table": "points", "modelTable": "net", "inputs": "x", "target": "y"}
    run("deepLearn.dlTrain", **raw, modelWeights="w", seed=1, optimizer={"maxEpochs": 1})


@pytest.mark.usefixtures("trained")
class TestPoints:
    def test_a_file_of_a_caslib_holds_the_bytes_of_a_store(self, run: Run, ctx: Context) -> None:
        folder = ctx.caslibs.find("CASUSER").path
        answer = run("deepLearn.dlExportModel", **EXPORT, file="models/net.safetensors")
        run("deepLearn.dlExportModel", **EXPORT, casOut="store")

        blob = (folder / "models" / "net.safetensors").read_bytes()
        assert blob == run("astore.download", rstore="store").values["blob"]
        assert answer.values == {"caslib": "CASUSER", "name": "models/net.safetensors"}
        assert [path.name for path in (folder / "models").iterdir()] == ["net.safetensors"]

    def test_weights_sent_back_as_columns_of_images_get_a_schema_by_themselves(
        self, run: Run, ctx: Context
    ) -> None:
        layers = [{**SMALL_CNN[0]}, {**SMALL_CNN[3], "srcLayers": "data"}]
        build(run, layers, "pixels")
        pictures = [picture(np.full((4, 4), shade)) for shade in (10, 200)]
        put(ctx, "pictures", {"_image_": pictures})
        put(
            ctx,
            "columns",
            {
                "_LayerID_": np.ones(34, np.int64),
                "_WeightID_": np.arange(34),
                "_Weight_": np.linspace(-0.01, 0.01, 34),
            },
        )
        raw = {"modelTable": "pixels", "initWeights": "columns"}
        run("deepLearn.dlScore", table="pictures", **raw, casOut="first")

        run("deepLearn.dlExportModel", **raw, casOut="store")
        run("astore.score", table="pictures", rstore="store", casOut="second")

        assert rows_of(ctx, "first") == rows_of(ctx, "second")

    def test_what_the_weights_know_of_their_making_goes_along(self, run: Run, ctx: Context) -> None:
        run("deepLearn.dlExportModel", **EXPORT, file="net")
        blob = (ctx.caslibs.find("CASUSER").path / "net").read_bytes()

        lineage = read_model(Pieces("it", len(blob), [blob])).declaration.lineage

        assert lineage["table"]["name"] == "points"
        assert "layers" not in lineage
        assert json.dumps(dict(lineage))

    BAD: tuple[tuple[dict[str, Any], type[EngineError], str], ...] = (
        (
            {},
            InvalidParameters,
            "parameters 'casOut' and 'file' got no value, expected exactly one",
        ),
        (
            {"casOut": "a", "file": "b"},
            InvalidParameters,
            "parameters 'casOut' and 'file' got two values, expected exactly one",
        ),
        (
            {"casOut": "points"},
            TableExists,
            "the table 'points' exists in caslib 'CASUSER'; set replace to overwrite it",
        ),
        (
            {"casOut": "a", "initWeights": "none"},
            TableNotFound,
            "no table is named 'none' in caslib 'CASUSER'",
        ),
        (
            {"casOut": "a", "layers": ["fc2"]},
            GraphError,
            "the layer 'fc2' does not exist in model 'net'; did you mean 'fc1'?",
        ),
        (
            {"file": "../net"},
            PathForbidden,
            "the path '../net' climbs with '..', expected a path inside caslib 'CASUSER'",
        ),
    )

    @pytest.mark.parametrize(("more", "error", "message"), BAD)
    def test_what_cannot_be_exported_leaves_nothing(
        self,
        run: Run,
        stores: MemoryStores,
        more: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        with nothing_changes(stores), pytest.raises(error) as caught:
            run("deepLearn.dlExportModel", **{**EXPORT, **more})

        assert caught.value.message == message

    def test_a_file_that_exists_is_kept_unless_it_may_be_replaced(
        self, run: Run, ctx: Context
    ) -> None:
        path = ctx.caslibs.find("CASUSER").path / "net"
        path.write_text("mine")

        with pytest.raises(InvalidFile) as caught:
            run("deepLearn.dlExportModel", **EXPORT, file="net")

        assert caught.value.message == (
            "the file 'net' exists in caslib 'CASUSER'; set replace to overwrite it"
        )
        assert path.read_text() == "mine"
        run("deepLearn.dlExportModel", **EXPORT, file={"name": "net", "replace": True})
        blob = path.read_bytes()
        assert read_model(Pieces("it", len(blob), [blob])).declaration.graph.name == "net"

    def test_columns_of_weights_of_a_model_without_images_are_refused(self, run: Run) -> None:
        run("table.partition", table={"name": "w", "where": "_LayerID_ >= 0"}, casOut="columns")

        with pytest.raises(WeightsError) as caught:
            run("deepLearn.dlExportModel", modelTable="net", initWeights="columns", casOut="a")

        assert caught.value.message == (
            "weights 'columns' carry no data schema, expected a weight table made by dlTrain, or "
            "a model of images with a number of neurons and a column '_image_'"
        )
