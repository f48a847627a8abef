"""List the ten longest functions; fail when a file written by hand is over the limit."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("server", "actions", "engine", "client/castorch")
MOST_LINES = 450
GENERATED = "not to be edited"
"""What the first lines of a generated file say."""


def main() -> int:
    functions: list[tuple[int, str]] = []
    long_files: list[str] = []
    for path in (p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))):
        text = path.read_text()
        place = path.relative_to(ROOT)
        if text.count("\n") > MOST_LINES and GENERATED not in text:
            long_files.append(f"{place}: {text.count(chr(10))} lines, at most {MOST_LINES}")
        functions += [
            ((node.end_lineno or 0) - node.lineno + 1, f"{place}:{node.lineno} {node.name}")
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    for lines, place in sorted(functions, reverse=True)[:10]:
        print(f"{lines:5d}  {place}")
    for complaint in long_files:
        print(complaint, file=sys.stderr)
    return 1 if long_files else 0


if __name__ == "__main__":
    sys.exit(main())
