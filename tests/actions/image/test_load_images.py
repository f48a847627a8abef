"""Tables of the images in a folder."""

import numpy as np
import pytest

from actions.context import Context
from tests.actions.house import Run, picture, rows_of


@pytest.mark.parametrize("levels", [1, -1])
def test_the_folder_of_a_caslib_is_loaded_whole(run: Run, ctx: Context, levels: int) -> None:
    for label in ("cat", "dog"):
        folder = ctx.caslibs.find("PUBLIC").path / label
        folder.mkdir()
        (folder / "1.png").write_bytes(picture(np.zeros((2, 2))))

    run("image.loadImages", caslib="PUBLIC", path="", casOut="pets", labelLevels=levels)

    found = [(row["_label_"], row["_filename_0"], row["_id_"]) for row in rows_of(ctx, "pets")]
    assert found == [("cat", "1.png", 1), ("dog", "1.png", 2)]
