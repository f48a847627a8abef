"""Servers, workers and database connections that are killed at random moments."""

from pathlib import Path

import pytest

from tests.conftest import running_postgres
from tests.faults.house import Trials, trials

RUNS = 50
"""Of each database; together a hundred."""


def check(found: Trials) -> None:
    toll = found.toll
    assert (toll.lost, toll.stuck, toll.changed) == ([], [], []), str(toll)


def test_a_training_survives_its_worker_and_its_server(tmp_path: Path) -> None:
    with trials(tmp_path, f"sqlite:///{tmp_path / 'castorch.db'}", seed=1) as found:
        found.run(("worker", "stop"))
        check(found)

        assert found.toll.attempts > 1


@pytest.mark.slow
def test_a_training_outlives_a_minute_without_sqlite(tmp_path: Path) -> None:
    with trials(tmp_path, f"sqlite:///{tmp_path / 'castorch.db'}", seed=4) as found:
        found.run(("minute",))
        check(found)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_training_outlives_a_minute_without_postgresql(tmp_path: Path) -> None:
    with running_postgres() as (url, toggle), trials(tmp_path, url, 5, toggle) as found:
        found.run(("minute",))
        check(found)


@pytest.mark.slow
def test_fifty_faults_over_sqlite_lose_nothing(tmp_path: Path) -> None:
    with trials(tmp_path, f"sqlite:///{tmp_path / 'castorch.db'}", seed=2) as found:
        for _ in range(RUNS):
            found.run()
        check(found)


@pytest.mark.slow
@pytest.mark.postgres
def test_fifty_faults_over_postgresql_lose_nothing(tmp_path: Path) -> None:
    with running_postgres() as (url, toggle), trials(tmp_path, url, 3, toggle) as found:
        for _ in range(RUNS):
            found.run()
        check(found)
