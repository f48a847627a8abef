from pathlib import Path

import pytest
from pydantic import ValidationError

from server.settings import Settings, is_worker_environment, processors, worker_environment


def test_defaults_serve_this_machine_alone_from_one_file() -> None:
    settings = Settings()

    assert settings.database == "sqlite:///castorch.db"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.is_loopback
    assert settings.threads == processors()


def test_the_environment_sets_what_no_option_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTORCH_PORT", "9000")
    monkeypatch.setenv("CASTORCH_WORKERS", "3")

    assert Settings().port == 9000
    assert Settings(workers=2).workers == 2


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings(prot=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_addresses_are_known(host: str) -> None:
    assert Settings(host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104
def test_everything_else_is_the_network(host: str) -> None:
    assert not Settings(host=host).is_loopback


def test_processors_are_shared_between_the_workers() -> None:
    assert Settings(workers=processors() * 2).threads == 1
    assert Settings(workers=4, worker_threads=7).threads == 7


@pytest.mark.parametrize(
    ("database", "shown"),
    [
        ("postgresql://ann:secret@db:5432/x", "postgresql://ann@db:5432/x"),
        ("postgresql://ann:p@ss@db/x", "postgresql://ann@db/x"),
        ("sqlite:///castorch.db", "sqlite:///castorch.db"),
    ],
)
def test_a_database_is_shown_without_its_password(database: str, shown: str) -> None:
    assert Settings(database=database).shown_database == shown


def test_a_worker_gets_the_same_settings_with_absolute_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        workers=2,
        worker_threads=3,
        extensions=("a.b", "c"),
        heartbeat_s=0.25,
        caslib_roots=(Path("shelf"), Path("/else")),
    )

    environment = worker_environment(settings)
    for name, value in environment.items():
        if name.startswith("CASTORCH_"):
            monkeypatch.setenv(name, value)
    again = Settings()

    assert again == settings.absolute
    assert again.data == tmp_path / "castorch-data"
    assert again.caslib_roots == (tmp_path / "shelf", Path("/else"))
    assert again.database == f"sqlite:///{tmp_path / 'castorch.db'}"
    assert environment["OMP_NUM_THREADS"] == "3"


def test_a_worker_keeps_its_memory_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "1")

    environment = worker_environment(Settings())

    assert environment["MALLOC_MMAP_MAX_"] == "0"
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert environment["ARROW_DEFAULT_MEMORY_POOL"] == "system"
    assert environment["MALLOC_TOP_PAD_"] == "1"
    assert not is_worker_environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_worker_environment()
    plain = worker_environment(Settings(without=("kept-memory",)))
    monkeypatch.undo()
    assert "MALLOC_MMAP_MAX_" not in worker_environment(Settings(without=("kept-memory",)))
    assert plain["CASTORCH_WITHOUT"] == '["kept-memory"]'


def test_frozen_networks_are_kept_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).frozen_folder == tmp_path / "castorch-frozen"
    assert Settings(frozen=tmp_path / "else").frozen_folder == tmp_path / "else"


def test_fast_paths_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValidationError, match="Input should be 'channels-last', 'cuda-graphs'"):
        Settings(without=("magic",))


def test_a_database_on_a_server_has_no_path_to_be_made_absolute() -> None:
    settings = Settings(database="postgresql://ann@db/x")

    assert settings.absolute.database == "postgresql://ann@db/x"


def test_graphics_processors_are_those_that_were_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Settings().visible_gpus is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8a1")
    assert Settings().visible_gpus == ("2", "GPU-8a1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Settings().visible_gpus == ()
    assert Settings(gpus=("7",)).visible_gpus == ("7",)


def test_a_worker_sees_the_graphics_processor_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")

    seen = [worker_environment(Settings(), gpu)["CUDA_VISIBLE_DEVICES"] for gpu in ("1", "", None)]

    assert seen == ["1", "", "0,1"]


def test_the_memory_of_a_job_is_given_in_mb() -> None:
    assert Settings().job_memory_bytes is None
    assert Settings(job_memory_mb=3).job_memory_bytes == 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "expected it with runner 'ray' alone"),
        (
            {"runner": "ray"},
            "expected it with a PostgreSQL database, which all its machines reach",
        ),
    ],
)
def test_the_address_of_a_cluster_needs_what_a_cluster_needs(
    values: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValidationError, match=f"Value error, {reason}"):
        Settings(ray_address="head:6379", **values)  # type: ignore[arg-type]


def test_a_cluster_has_an_address_and_a_database_on_a_server() -> None:
    settings = Settings(runner="ray", ray_address="head:6379", database="postgresql://ann@db/x")

    assert settings.ray_address == "head:6379"
    assert Settings(runner="ray", ray_address=None).ray_address is None
