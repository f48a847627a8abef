import pytest

from server.settings import KEEP_MEMORY, Settings

ray_worker = pytest.importorskip("server.jobs.ray_worker")


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (
            "It died.\nWorker exit detail: Worker unexpectedly exits. Some common causes",
            "Ray worker died: Worker unexpectedly exits.",
        ),
        (
            "The actor died\nbecause of its node.",
            "Ray worker died: The actor died because of its node.",
        ),
        ("x" * 400, "Ray worker died: " + "x" * 300),
    ],
)
def test_a_death_is_told_in_one_line(account: str, reason: str) -> None:
    assert ray_worker.how_it_died(ray_worker.RayError(account)) == reason


def test_lines_are_heard_in_order_and_no_line_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_worker, "HEAR_S", 0.0)
    worker = ray_worker.RayWorker(Settings(), "me")

    worker._bell.tell("ready")
    worker._bell.tell("state j1")

    assert worker.hear() == ["ready", "state j1"]
    assert worker.hear() == []


def test_a_worker_is_rung_at_and_closed_by_calls() -> None:
    worker = ray_worker.RayWorker(Settings(), "me")

    worker.wake()
    assert worker._bell.rung.is_set()
    assert not worker._bell.is_closing()
    worker.close()
    assert worker._bell.is_closing()
    assert not worker.hands_back()


def test_a_worker_is_given_its_processors_and_the_memory_settings_of_every_worker() -> None:
    found = ray_worker.reserved(Settings(worker_threads=3, ray_gpus=0.5))

    assert (found["num_cpus"], found["num_gpus"]) == (3, 0.5)
    environment = found["runtime_env"]["env_vars"]
    assert environment["OMP_NUM_THREADS"] == "3"
    assert "MALLOC_MMAP_MAX_" in environment
    assert not any(name.startswith("CASTORCH_") for name in environment)


def test_a_worker_that_is_not_to_keep_memory_is_given_no_such_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in KEEP_MEMORY:
        monkeypatch.delenv(name, raising=False)
    found = ray_worker.reserved(Settings(without=("kept-memory",)))
    assert set(found["runtime_env"]["env_vars"]) == {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}
