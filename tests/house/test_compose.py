import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from server.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)["services"]
    return loaded


def test_the_compose_file_is_valid_under_the_compose_specification() -> None:
    compose = PyCompose.from_json(json.dumps(yaml.safe_load(TEXT)))

    assert compose.service_names() == [
        "server",
        "worker",
        "ray-server",
        "ray-head",
        "ray-worker",
        "db",
    ]


def test_every_password_is_asked_for_and_none_has_a_default() -> None:
    values = [
        value
        for service in services().values()
        for value in service["environment"].values()
        if "PASSWORD" in value
    ]

    assert len(values) == 6
    assert all("${POSTGRES_PASSWORD:?" in value for value in values)


def test_every_service_has_a_health_check() -> None:
    image_checks = "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()

    assert image_checks
    assert "healthcheck" in services()["worker"]
    assert "healthcheck" in services()["db"]
    assert "healthcheck" in services()["ray-head"]
    assert "healthcheck" in services()["ray-worker"]


def test_the_profile_of_ray_is_a_head_with_machines_and_a_server_that_uses_it() -> None:
    found = {name: each for name, each in services().items() if "ray" in each.get("profiles", ())}

    assert set(found) == {"ray-server", "ray-head", "ray-worker"}
    environment = found["ray-server"]["environment"]
    assert environment["CASTORCH_RUNNER"] == "ray"
    assert environment["CASTORCH_RAY_ADDRESS"] == "ray-head:6379"
    assert all(each["environment"]["RAY_AUTH_MODE"] == "token" for each in found.values())
    settings = {
        name.removeprefix("CASTORCH_").lower(): value
        for name, value in environment.items()
        if name.startswith("CASTORCH_")
    }
    assert Settings(**settings).threads == 1


def test_every_named_volume_is_declared() -> None:
    declared = set(yaml.safe_load(TEXT)["volumes"])
    used = {
        volume.partition(":")[0] for service in services().values() for volume in service["volumes"]
    }

    assert used == declared


def test_the_image_installs_what_the_makefile_installs_but_for_the_tools() -> None:
    image = (ROOT / "Dockerfile").read_text()
    makefile = (ROOT / "Makefile").read_text()

    for step in ("-m pip install --quiet --upgrade pip", "--constraint constraints.txt"):
        assert step in image
        assert step in makefile
    for built in ("hatch_build.py", "gcc"):  # for the loops in C
        assert built in image
    assert "!hatch_build.py" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "'./client[cli]' '.[ray]'" in image
    assert "'./client[cli]' --editable '.[dev]'" in makefile


def test_the_check_of_the_compose_file_can_fail() -> None:
    broken = yaml.safe_load(TEXT)
    broken["services"]["db"]["depends_on"] = {"server": {"condition": "sometimes"}}

    with pytest.raises(ValueError, match="sometimes"):
        PyCompose.from_json(json.dumps(broken))
