"""What the commands of the command line do; each returns the text to be printed."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from castorch._client import Client
from castorch._errors import InvalidInput
from castorch._model import Model
from castorch._results import ResultTable
from castorch._session import Session
from castorch._table import Table

Command = Callable[[Client, Namespace], str]
CATALOGUE = ("Name", "Kind", "Rows", "Columns", "Caslib", "Created", "Label")
MODEL_ENDINGS = frozenset({".json", ".yaml", ".yml"})


def models(client: Client, args: Namespace) -> str:
    """List the models the session sees."""
    return _catalogue(session_of(client, args).tables(), {"model"}, as_json=args.json)


def tables(client: Client, args: Namespace) -> str:
    """List the tables the session sees: data and weights."""
    return _catalogue(session_of(client, args).tables(), {"data", "weights"}, as_json=args.json)


def declare(client: Client, args: Namespace) -> str:
    """Make a model from a declaration in a JSON or YAML file."""
    session = session_of(client, args)
    model = session.declare(args.file, name=args.name, replace=args.replace)
    return f"model {model.name!r} was declared"


def upload(client: Client, args: Namespace) -> str:
    """Send a file, or a folder of images, to the server as a table."""
    name = args.name or Path(args.path).stem
    table = session_of(client, args).upload(
        name, args.path, replace=args.replace, promote=args.promote
    )
    return f"table {table.name!r} has {table.rows:,} rows"


def fetch(client: Client, args: Namespace) -> str:
    """Show rows of a table, or save all of it to a CSV, Arrow or Parquet file."""
    table = session_of(client, args).table(args.table)
    if args.out:
        return f"wrote {table.save(args.out, where=args.where)}"
    columns = _split(args.columns)
    page = table.fetch(columns, where=args.where, order_by=_split(args.order_by), limit=args.limit)
    return show(page, as_json=args.json)


def train(client: Client, args: Namespace) -> str:
    """Train a model on a table, and write a weight table."""
    session = session_of(client, args)
    model, table = _model(session, args.model), _table(session, args.table)
    history = model.train(
        table,
        target=_split(args.target) or None,
        inputs=_split(args.inputs),
        nominals=_split(args.nominals),
        weights=args.out or f"{model.name}_weights",
        valid=_table(session, args.valid) if args.valid else None,
        optimizer=_optimizer(args),
        progress=not args.quiet,
        seed=args.seed,
        record_seed=args.record_seed,
    )
    if args.json:
        return _json(history.table.records())
    written = f"weights: {history.weights.name}" if history.weights else ""
    return f"{history}\n{written}".rstrip()


def score(client: Client, args: Namespace) -> str:
    """Score a table with a trained model."""
    session = session_of(client, args)
    scored = _model(session, args.model).score(
        _table(session, args.table),
        weights=args.weights,
        out=args.out,
        copy_vars=_split(args.copy_vars),
        progress=not args.quiet,
    )
    return _json(scored.info) if args.json else str(scored)


def jobs(client: Client, args: Namespace) -> str:
    """List your latest jobs, the newest first."""
    rows = [job.info for job in client.jobs()]
    if args.json:
        return _json([dict(row) for row in rows])
    names = ("id", "action", "state", "created", "finished")
    facts = [
        (row["id"], row["action"], row["state"], *map(_moment, map(row.get, names[3:])))
        for row in rows
    ]
    return str(ResultTable(names, tuple(facts)))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def cancel(client: Client, args: Namespace) -> str:
    """Ask a job to stop."""
    job = client.job(args.job).cancel()
    return f"job {job.id} was asked to stop; it is {job.state}"


def actions(client: Client, args: Namespace) -> str:
    """List the actions of the server, or show the parameters of one."""
    if args.name:
        return _json(client.action(args.name))
    listed = client.actions()
    if args.json:
        return _json(listed)
    rows = tuple((each["name"], each.get("summary", "")) for each in listed)
    return str(ResultTable(("action", "summary"), rows))


def session_of(client: Client, args: Namespace) -> Session:
    """Return the session a command works in."""
    return client.session(session_id=args.session)


def is_file(text: str) -> bool:
    """Return whether a model is named by the file that declares it."""
    return Path(text).suffix.lower() in MODEL_ENDINGS or Path(text).is_file()


def _model(session: Session, text: str) -> Model:
    """Return a model by its name, or declare the one a file holds."""
    return session.declare(text, replace=True) if is_file(text) else session.open_model(text)


def _table(session: Session, text: str) -> Table:
    """Return a table by its name, or upload the file or folder of that path."""
    path = Path(text)
    if not path.exists():
        return session.table(text)
    return session.upload(path.stem, path, replace=True)


def _optimizer(args: Namespace) -> dict[str, Any]:
    """Return the optimizer of the options; ``--optimizer`` gives what they do not say.

    Raises:
        InvalidInput: ``--optimizer`` is not a JSON object.
    """
    optimizer = _object(args.optimizer)
    algorithm = dict(optimizer.get("algorithm") or {})
    chosen = {"method": args.method, "learningRate": args.learning_rate}
    algorithm |= {name: value for name, value in chosen.items() if value is not None}
    sizes = {"maxEpochs": args.epochs, "miniBatchSize": args.batch}
    optimizer |= {name: value for name, value in sizes.items() if value is not None}
    return optimizer | ({"algorithm": algorithm} if algorithm else {})


def _object(text: str | None) -> dict[str, Any]:
    value = _parse(text or "{}")
    if not isinstance(value, Mapping):
        raise InvalidInput(f"--optimizer got {text!r}, expected a JSON object")
    return dict(value)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _catalogue(listed: ResultTable, kinds: set[str], *, as_json: bool) -> str:
    records = [each for each in listed if str(each["Kind"]).lower() in kinds]
    if as_json:
        return _json(records)
    names = tuple(name for name in CATALOGUE if name in listed.names)
    return str(ResultTable(names, tuple(tuple(each[name] for name in names) for each in records)))


def show(table: ResultTable, *, as_json: bool) -> str:
    """Return a table as text for people, or as JSON."""
    return _json(table.records()) if as_json else str(table)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)
