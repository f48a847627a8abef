"""A file of a caslib that is trained on where it lies, over HTTP."""

from pathlib import Path

import pytest

import castorch
from castorch import Session
from tests.journeys.conftest import circle, optimizer, points


def test_a_linked_file_is_trained_on_scored_and_found_changed(session: Session) -> None:
    table = session.upload("points", points())
    session.run("table.save", table="points", name="points.parquet", caslib="PUBLIC", replace=True)
    listed = session.run("table.caslibInfo")["CASLibInfo"].records()
    folder = Path(next(row["Path"] for row in listed if row["Name"] == "PUBLIC"))
    source = {"path": "points.parquet", "caslib": "PUBLIC", "cas_out": "linked"}
    session.run("table.loadTable", **source, link=True)
    linked = session.table("linked")

    assert linked.info["SourceName"] == "points.parquet"
    assert linked.info["SourceCaslib"] == "PUBLIC"
    assert linked.to_arrow() == table.to_arrow()

    model = circle(session)
    for name in ("points", "linked"):
        model.train(
            name,
            target="label",
            inputs=["x", "y"],
            seed=5,
            weights=f"{name}_weights",
            optimizer=optimizer(3),
            progress=False,
        )
    first, second = (session.table(f"{name}_weights").to_arrow() for name in ("points", "linked"))
    assert first == second
    assert (
        model.score("linked", weights="linked_weights").info["Number of Observations Read"] == 400
    )

    with (folder / "points.parquet").open("ab") as file:
        file.write(b"more")
    with pytest.raises(
        castorch.Conflict, match=r"^the table 'linked' is a link to 'points.parquet' and got a file"
    ):
        linked.to_arrow()
    with pytest.raises(castorch.Conflict, match=r"^the table 'linked' is a link to 'points.parqu"):
        model.train("linked", target="label", inputs=["x", "y"], progress=False)

    (folder / "points.parquet").unlink()
    with pytest.raises(castorch.FileNotFound, match=r"^the table 'linked' is a link to ") as caught:
        session.run("table.fetch", table="linked")
    assert caught.value.code == "file.not_found"
    assert caught.value.status == 404
