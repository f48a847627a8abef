"""The page of facts: every fact that can be computed has a test, and the list is whole."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = json.loads((ROOT / "scripts" / "facts.json").read_text())


@pytest.fixture
def facts_page(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.delitem(sys.modules, "facts_page", raising=False)
    return __import__("facts_page")


def test_the_list_holds_every_fact_once() -> None:
    assert [each["id"] for each in DATA["facts"]] == [f"F{number}" for number in range(1, 110)]


def test_every_fact_that_can_be_computed_is_held_by_a_test(facts_page: object) -> None:
    complaints = getattr(facts_page, "complaints")  # noqa: B009 - of a script

    assert complaints() == []


def test_a_fact_without_a_test_is_told(
    facts_page: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "facts.json"
    fact = {"id": "F200", "kind": "test", "statement": "", "value": ""}
    listed.write_text(json.dumps({"facts": [fact], "rules": [{"test": "test_of_nothing"}]}))
    monkeypatch.setattr(facts_page, "DATA", listed)

    complaints = getattr(facts_page, "complaints")  # noqa: B009 - of a script

    assert complaints() == [
        "docs/facts.md: no test holds F200",
        "docs/facts.md: there is no test_of_nothing",
    ]
