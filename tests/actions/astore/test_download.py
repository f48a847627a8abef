import json

import numpy as np
import pytest
from safetensors.numpy import load

import actions.model_files
from actions.context import Context
from actions.errors import TooLarge
from tests.actions.conftest import Run
from tests.actions.house import rows_of

pytestmark = pytest.mark.usefixtures("exported")


def test_the_blob_is_a_file_of_safetensors_with_the_weights(run: Run, ctx: Context) -> None:
    blob = run("astore.download", rstore="net_store").values["blob"]

    assert isinstance(blob, bytes)
    arrays = load(blob)
    assert {name: array.shape for name, array in arrays.items()} == {
        "conv1.weight": (2, 1, 3, 3),
        "conv1.bias": (2,),
        "bn.affine": (2, 2),
        "bn.statistics": (2, 2),
        "out.weight": (8, 2),
        "out.bias": (2,),
    }
    run("table.partition", table={"name": "w", "where": "_LayerID_ = 1"}, casOut="conv")
    weights = [row["_Weight_"] for row in rows_of(ctx, "conv")]
    flat = np.concatenate([arrays["conv1.weight"].ravel(), arrays["conv1.bias"]])
    assert flat.tolist() == weights


def test_the_metadata_declare_the_model(run: Run) -> None:
    blob = run("astore.download", rstore="net_store").values["blob"]

    assert isinstance(blob, bytes)
    length = int.from_bytes(blob[:8], "little")
    metadata = json.loads(blob[8 : 8 + length])["__metadata__"]
    assert (metadata["format"], metadata["version"]) == ("castorch.model", "1")
    model = json.loads(metadata["model"])
    assert (model["name"], model["family"]) == ("net", "CNN")
    assert [layer["name"] for layer in model["layers"]] == ["data", "conv1", "bn", "pool1", "out"]
    assert json.loads(metadata["lineage"])["seed"] == 5


def test_what_is_too_long_is_not_handed_out_in_one_piece(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions.model_files, "MOST_BLOB_BYTES", 10)
    size = len(run("table.fetch", table="net_store").tables["Fetch"].rows[0][1])  # type: ignore[arg-type]

    with pytest.raises(TooLarge) as caught:
        run("astore.download", rstore="net_store")

    assert caught.value.message == (
        f"the store 'net_store' has {size} bytes, expected at most 10 in one piece; read its "
        "rows, or export into a file of a caslib"
    )
