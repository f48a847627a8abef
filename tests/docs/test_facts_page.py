"""The page of facts: every fact that can be computed has a test, and the list is whole."""

import json
import sys
from pathlib import Path
from textwrap import dedent

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


def test_the_kinds_are_those_of_the_reference() -> None:
    # three long runs; what can only be read: 20 statements; all others can be computed
    kinds = [each["kind"] for each in DATA["facts"]]

    assert [each["id"] for each in DATA["facts"] if each["kind"] == "run"] == ["F79", "F80", "F81"]
    assert (kinds.count("text"), kinds.count("test")) == (20, 86)


def test_a_test_that_may_be_skipped_holds_nothing(
    facts_page: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tests").mkdir()
    source = """
    @pytest.mark.skipif(True, reason="no card")
    def test_one():
        pass  # F1

    @pytest.mark.slow
    def test_two():
        pass  # F2 to F4
    """
    (tmp_path / "tests" / "test_it.py").write_text(dedent(source))
    monkeypatch.setattr(facts_page, "ROOT", tmp_path)

    found = getattr(facts_page, "found")  # noqa: B009 - of a script

    assert {name: [test for _, test in tests] for name, tests in found().items()} == {
        "F2": ["test_two"],
        "F3": ["test_two"],
        "F4": ["test_two"],
    }


def test_a_fact_without_a_test_is_told(
    facts_page: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "facts.json"
    facts = [
        {"id": id_, "kind": kind, "statement": "", "value": ""}
        for id_, kind in (("F200", "test"), ("F201", "run"), ("F79", "run"))
    ]
    listed.write_text(json.dumps({"facts": facts, "rules": [{"test": "test_of_nothing"}]}))
    monkeypatch.setattr(facts_page, "DATA", listed)

    complaints = getattr(facts_page, "complaints")  # noqa: B009 - of a script

    assert complaints() == [
        "docs/facts.md: no test holds F200",
        "benchmarks/long-runs.md: has no run for F201",
        "docs/facts.md: there is no test_of_nothing",
    ]
