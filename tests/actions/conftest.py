from collections.abc import Callable
from pathlib import Path

import pytest

from actions import run_action
from actions.context import Context
from actions.memory import MemoryStores
from actions.results import ActionResult, Json

Run = Callable[..., ActionResult]


@pytest.fixture
def stores(tmp_path: Path) -> MemoryStores:
    return MemoryStores(tmp_path / "data")


@pytest.fixture
def ctx(stores: MemoryStores) -> Context:
    return stores.context()


@pytest.fixture
def run(ctx: Context) -> Run:
    """Run an action in the default session: ``run("table.fetch", table="t")``."""

    def call(action: str, /, **raw: Json) -> ActionResult:
        return run_action(ctx, action, raw)

    return call
