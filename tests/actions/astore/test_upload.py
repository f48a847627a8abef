from base64 import b64encode

import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from actions.memory import MemoryStores
from engine.errors import DataError
from tests.actions.conftest import Run
from tests.actions.house import nothing_changes, rows_of

pytestmark = pytest.mark.usefixtures("exported")


def blob_of(run: Run) -> bytes:
    blob = run("astore.download", rstore="net_store").values["blob"]
    assert isinstance(blob, bytes)
    return blob


def test_what_was_downloaded_can_be_uploaded_and_scores_the_same(run: Run, ctx: Context) -> None:
    sent = b64encode(blob_of(run)).decode()

    run("astore.upload", rstore="copy", store=sent)

    assert blob_of(run) == run("astore.download", rstore="copy").values["blob"]
    run("astore.score", table="pictures", rstore="net_store", casOut="first")
    run("astore.score", table="pictures", rstore="copy", casOut="second")
    assert rows_of(ctx, "first") == rows_of(ctx, "second")


def test_text_that_is_no_base64_is_refused(run: Run, stores: MemoryStores) -> None:
    with nothing_changes(stores), pytest.raises(InvalidParameters) as caught:
        run("astore.upload", rstore="copy", store="a*b")

    assert caught.value.message == (
        "parameter 'store' got bytes that are no base64: Only base64 data is allowed"
    )


def test_a_blob_that_was_cut_is_refused(run: Run, stores: MemoryStores) -> None:
    blob = blob_of(run)
    with nothing_changes(stores), pytest.raises(DataError) as caught:
        run("astore.upload", rstore="copy", store=b64encode(blob[:-4]).decode())

    # 18 + 2 in the convolution, 4 + 4 in the normalisation, 16 + 2 in the output
    assert caught.value.message == "the store has 180 bytes of arrays, expected 184"
