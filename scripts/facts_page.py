"""The page of facts: what the source document states, and the test that holds each."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(__file__).with_name("facts.json")
RUNS = ROOT / "benchmarks" / "long-runs.md"
UNSURE = {"skip", "skipif", "xfail"}
"""Marks of tests that may pass without having shown anything."""
IDS = re.compile(r"\bF(\d{1,3})\b(?:\s+to\s+F(\d{1,3})\b)?")

HEAD = """# Facts

What the documentation of the deepLearn action set, and the courses, tutorials and papers it builds
upon, state in numbers. Each fact that can be computed is held by a test that carries its id;
`scripts/facts.json` is the list, this page joins it with the tests, and `make check` fails when a
fact has no test. What takes a long training is held by a
[recorded run](../benchmarks/long-runs.md)."""

Fact = dict[str, str]
"""A fact of the list: id, kind, statement, value, and perhaps what is true."""
Held = dict[str, list[tuple[Path, str]]]
"""Tests by id: file and name."""


def page() -> str:
    data, held = json.loads(DATA.read_text()), found()
    errors = [each for each in data["facts"] if "truth" in each]
    parts = [HEAD, "## Facts", *_table(data["facts"], held)]
    parts += [
        "## Where the document errs, or needs a word more",
        *_truths(errors, data["rules"], held),
    ]
    return "\n\n".join(parts)


def complaints() -> list[str]:
    """Return a line for every fact that no test or recorded run holds."""
    data, held = json.loads(DATA.read_text()), found()
    recorded = recorded_runs()
    unrecorded = [
        f"{RUNS.relative_to(ROOT)}: has no run for {each['id']}"
        for each in data["facts"]
        if each["kind"] == "run" and each["id"] not in recorded
    ]
    lacking = [each["id"] for each in data["facts"] if each["kind"] == "test"]
    lines = [f"docs/facts.md: no test holds {name}" for name in lacking if name not in held]
    names = _places()
    lines += unrecorded
    return lines + [
        f"docs/facts.md: there is no {each['test']}"
        for each in data["rules"]
        if each["test"] not in names
    ]


def recorded_runs() -> set[str]:
    """Return the ids in the rows of the page of long runs."""
    rows = [line for line in RUNS.read_text().splitlines() if line.startswith("|")]
    return {f"F{number}" for number in _ids("\n".join(rows))}


def found() -> Held:
    """Return the tests that carry ids and always run, in the order of files."""
    held: Held = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        source = path.read_text()
        if IDS.search(source):
            for name, numbers in _tests(source):
                for number in numbers:
                    held.setdefault(f"F{number}", []).append((path, name))
    return held


def _tests(source: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the tests of a file with the ids in their comments, and those of what they name.

    Ids stand in comments: inside a test, right above it, or in a table or function it uses. A range
    such as F42 to F45 stands for all in it.
    """
    comments = _comments(source)
    tree = ast.parse(source)
    others = {
        name: _numbers(comments, node)
        for node in tree.body
        for name in _defined(node)
        if not name.startswith("test_")
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = {each.attr for at in node.decorator_list for each in _attributes(at)}
            if marks & UNSURE:
                continue
            used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            numbers = _numbers(comments, node)
            for name in sorted(used & others.keys()):
                numbers += others[name]
            yield node.name, sorted(set(numbers))


def _attributes(node: ast.expr) -> Iterator[ast.Attribute]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Attribute))


def _comments(source: str) -> dict[int, str]:
    """Return the comments of a file by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {each.start[0]: each.string for each in tokens if each.type == tokenize.COMMENT}


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _numbers(comments: dict[int, str], node: ast.stmt) -> list[int]:
    """Return the ids in the comments of a statement, of its decorators, and right above."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    while first - 1 in comments:
        first -= 1
    lines = range(first, (node.end_lineno or first) + 1)
    return _ids("\n".join(comments.get(at, "") for at in lines))


def _ids(text: str) -> list[int]:
    """Return the ids in a text; a range stands for all in it."""
    numbers: list[int] = []
    for start, end in IDS.findall(text):
        numbers += range(int(start), int(end or start) + 1)
    return numbers


def _places() -> dict[str, Path]:
    """Return the files of all tests by name."""
    return {
        name: path
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def _table(facts: list[Fact], held: Held) -> Iterator[str]:
    rows = ["| id | statement | value | held by |", "| --- | --- | --- | --- |"]
    for each in facts:
        cells = (each["id"], _cell(each["statement"]), _cell(each["value"]), _holders(each, held))
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows)


def _holders(fact: Fact, held: Held) -> str:
    tests = held.get(fact["id"], [])
    if not tests:
        run = f"[a recorded run](../{RUNS.relative_to(ROOT)})"
        return {"text": "a statement in words", "run": run}.get(fact["kind"], "")
    return ", ".join(_link(path, name) for path, name in tests[:2])


def _link(path: Path, name: str) -> str:
    return f"[{_words(name)}](../{path.relative_to(ROOT)})"


def _truths(errors: list[Fact], rules: list[Fact], held: Held) -> Iterator[str]:
    rows = ["| where | the document | what is true | shown by |", "| --- | --- | --- | --- |"]
    for each in errors:
        said = " → ".join(part for part in (each["statement"], each["value"]) if part)
        rows.append(_row(each["id"], said, each["truth"], _holders(each, held)))
    places = _places()
    for each in rules:
        test = each["test"]
        holder = _link(places[test], test) if test in places else ""
        rows.append(_row(each["where"], each["document"], each["truth"], holder))
    yield "\n".join(rows)


def _row(where: str, said: str, truth: str, holders: str) -> str:
    return f"| {where} | {_cell(said)} | {_cell(truth)} | {holders} |"


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
