"""Commands about networks: architectures by name, and what a model costs and looks like."""

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from castorch._client import Client
from castorch._commands import is_file, session_of, show
from castorch._errors import InvalidInput, TableNotFound
from castorch._model import Model
from castorch._picture import Picture
from castorch._results import ResultTable

LISTED = ("Name", "Title", "Layers", "Parameters", "Choices")


def architectures(client: Client, args: Namespace) -> str:
    """List the networks that can be built by name."""
    table = session_of(client, args).architectures()
    if args.json:
        return show(table, as_json=True)
    rows = tuple(tuple(each[name] for name in LISTED) for each in table)
    return str(ResultTable(LISTED, rows))


def build(client: Client, args: Namespace) -> str:
    """Make a model of an architecture that is known by name."""
    model = session_of(client, args).build(
        args.architecture, name=args.name, replace=args.replace, **_choices(args.choices)
    )
    return f"model {model.name!r} was built"


def summary(client: Client, args: Namespace) -> str:
    """Show the layers of a model, an architecture, or a declaration in a JSON or YAML file."""

    def shown(model: Model) -> str:
        return show(model.summary(batch_size=args.batch_size), as_json=args.json)

    return _told(client, args, shown)


def check(client: Client, args: Namespace) -> str:
    """Tell whether training fits into memory, and what speaks against the layers of a model."""

    def shown(model: Model) -> str:
        return str(model.check(batch_size=args.batch_size, memory=args.memory, device=args.device))

    return _told(client, args, shown)


def graph(client: Client, args: Namespace) -> str:
    """Draw a model, an architecture, or a declaration in a file, as SVG."""
    picture = Picture(_told(client, args, Model.graph))
    return f"wrote {picture.save(args.out)}" if args.out else picture


def _told(client: Client, args: Namespace, tell: Callable[[Model], str]) -> str:
    """Return what is told of a model; that of a file or an architecture does not stay."""
    name: str = args.model
    if is_file(name):
        with client.session(name=f"look at {Path(name).name}") as passing:
            return tell(passing.declare(name))
    session = session_of(client, args)
    try:
        return tell(session.open_model(name))
    except TableNotFound:
        if name.strip().lower() not in session.architectures().column("Name"):
            raise
    with client.session(name=f"look at {name}") as passing:
        return tell(passing.build(name))


def _choices(given: Sequence[str]) -> Any:
    """Return ``name=value`` pairs; a value is JSON, or a list a,b,c.

    Raises:
        InvalidInput: there is no value.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, sign, text = each.partition("=")
        if not sign or not text:
            raise InvalidInput(f"--set got {each!r}, expected name=value, for example classes=10")
        values = [_number(part) for part in text.split(",")]
        found[name.strip()] = values[0] if len(values) == 1 else values
    return found


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
