"""A model leaves one server in a file and scores the same on another."""

import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import castorch
from tests.journeys.conftest import circle, environment, optimizer, points
from tests.server.running import START_S, running, settings_in


@pytest.fixture
def trained(session: castorch.Session) -> castorch.Model:
    session.upload("points", points(8))
    model = circle(session)
    model.train(
        session.table("points"), target="label", inputs=["x", "y"], seed=3, optimizer=optimizer(2)
    )
    return model


def castorch_command(url: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "castorch", *arguments, "--url", url]
    ended = subprocess.run(  # noqa: S603 - our own command line
        command, capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_fresh_server_scores_an_imported_model_bit_for_bit(
    session: castorch.Session, trained: castorch.Model, tmp_path: Path
) -> None:
    here = trained.score(session.table("points"), out="scored").table
    assert here is not None
    before = {each["Name"] for each in session.tables()}
    path = trained.export(tmp_path / "circle.safetensors")
    assert {each["Name"] for each in session.tables()} == before

    with running(settings_in(tmp_path / "fresh", workers=1)) as fresh:
        assert fresh.resources.runner.wait_ready(START_S)
        with castorch.connect(fresh.url) as client:
            other = client.session()
            model = other.import_model("disc", path)
            other.upload("points", points(8))
            there = model.score(other.table("points"), out="scored").table
            assert there is not None

            assert there.fetch(limit=64).rows == here.fetch(limit=64).rows
            assert {each["Name"] for each in other.tables()} == {
                *("DISC", "DISC_WEIGHTS", "POINTS", "SCORED")
            }


def test_a_history_goes_to_tensorboard_and_a_model_to_a_file_by_command(
    url: str, session: castorch.Session, trained: castorch.Model, tmp_path: Path
) -> None:
    del trained
    job = session.submit(
        "deepLearn.dlTrain",
        table="points",
        model_table="circle",
        model_weights={"name": "more", "replace": True},
        inputs=["x", "y"],
        target="label",
        optimizer={**optimizer(3), "log_level": 3},
    )
    losses = job.wait()["OptIterHistory"].column("Loss")

    told = castorch_command(url, "export", job.id, "--tensorboard", str(tmp_path / "logs"))

    assert told == f"wrote {tmp_path / 'logs' / job.id}\n"
    found = EventAccumulator(str(tmp_path / "logs" / job.id))
    found.Reload()
    shown = [each.value for each in found.Scalars("epoch/loss")]
    assert shown == pytest.approx(losses, rel=1e-6)
    assert len(found.Scalars("batch/loss")) == 3 * 4  # 64 rows, 20 at a time

    path = tmp_path / "m.safetensors"
    mine = ["--session", session.id or ""]
    castorch_command(url, "export", "circle", "--weights", "more", "--out", str(path), *mine)
    told = castorch_command(url, "import", str(path), "--name", "again", *mine)
    assert told == "model 'again' was imported\n"
    assert session.open_model("again").info()["Model Name"] == "again"
