import sys
from pathlib import Path

import pytest

from engine.errors import NotSupportedError
from server.jobs.events import JobSignals
from server.settings import Settings
from server.store import SqlStores
from server.wiring import runner_for
from tests.server.conftest import Start


def test_a_caslib_is_added_inside_an_allowed_folder_alone(start: Start, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "inner").mkdir(parents=True)
    served = start(caslib_roots=(shelf,))

    def add(path: Path) -> dict[str, object]:
        body = {"name": "books", "path": str(path)}
        answer: dict[str, object] = served.client.post(
            "/v1/actions/table.addCaslib", json=body
        ).json()
        return answer

    assert add(tmp_path)["code"] == "path.forbidden"
    assert add(shelf / "inner")["ok"] is True


def test_a_runner_that_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch, stores: SqlStores
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("ray_runner", "ray_worker"):
        monkeypatch.delitem(sys.modules, f"server.jobs.{name}", raising=False)

    with pytest.raises(
        NotSupportedError,
        match=r"^setting 'runner' got 'ray', which is not installed; install "
        r"castorch-server\[ray\]$",
    ):
        runner_for(Settings(runner="ray"), stores.jobs, JobSignals())
