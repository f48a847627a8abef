from pathlib import Path

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
