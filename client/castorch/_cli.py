"""The command line ``castorch``: the client's commands, and those of the server if it is here."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from inspect import getdoc

import castorch
from castorch import _commands, _export_commands, _network_commands
from castorch._errors import CastorchError

GROUP = "castorch.commands"
SERVER_COMMANDS = ("serve", "worker", "migrate", "token")
FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Option = tuple[tuple[str, ...], dict[str, object]]


def _option(*names: str, **facts: object) -> Option:
    return names, facts


JSON = _option("--json", action="store_true", help="print JSON")
QUIET = _option("--quiet", action="store_true", help="show no progress")
REPLACE = _option("--replace", action="store_true", help="replace one of that name")
WHERE = _option("--where", help="condition rows must meet")
MODEL = _option("--model", required=True, help="model, or JSON or YAML file that declares it")
TABLE = _option("--table", required=True, help="table, or file or folder to upload")

COMMANDS: dict[str, tuple[_commands.Command, tuple[Option, ...]]] = {
    "models": (_commands.models, (JSON,)),
    "tables": (_commands.tables, (JSON,)),
    "architectures": (_network_commands.architectures, (JSON,)),
    "build": (
        _network_commands.build,
        (
            _option("architecture", help="name, see architectures"),
            _option("--name", help="name of the model; left out: that of the architecture"),
            _option(
                "--set",
                dest="choices",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="a choice, for example classes=10; may be repeated",
            ),
            REPLACE,
        ),
    ),
    "check": (
        _network_commands.check,
        (
            _option("model", help="name, architecture or file"),
            _option("--batch-size", type=int, help="rows of a mini-batch (1)"),
            _option("--memory", type=int, help="bytes there are; left out: those of the device"),
            _option("--device", help="device of the server, for example cpu or cuda:0"),
        ),
    ),
    "graph": (
        _network_commands.graph,
        (
            _option("model", help="name, architecture or file"),
            _option("--out", help="file to write; left out: print the SVG"),
        ),
    ),
    "summary": (
        _network_commands.summary,
        (
            _option("model", help="name, architecture or file"),
            _option("--batch-size", type=int, help="rows of a mini-batch, for the memory (1)"),
            JSON,
        ),
    ),
    "declare": (
        _commands.declare,
        (
            _option("file", help="JSON or YAML file"),
            _option("--name", help="name of the model, instead of the one declared"),
            REPLACE,
        ),
    ),
    "upload": (
        _commands.upload,
        (
            _option("path", help="CSV, Parquet, Arrow, JSON or ZIP file, or folder of images"),
            _option("--name", help="name of the table; left out: that of the file"),
            REPLACE,
            _option("--promote", action="store_true", help="make it visible to all sessions"),
        ),
    ),
    "fetch": (
        _commands.fetch,
        (
            _option("table", help="name of the table"),
            _option("--columns", help="a,b,c; left out: all"),
            WHERE,
            _option("--order-by", help="a,b desc"),
            _option("--limit", type=int, default=20, help="rows to show (20)"),
            _option("--out", help="save all rows to this .csv, .arrow or .parquet file"),
            JSON,
        ),
    ),
    "train": (
        _commands.train,
        (
            TABLE,
            MODEL,
            _option("--target", help="column, or columns a,b, to predict (_label_)"),
            _option("--inputs", help="columns a,b,c to predict from (_image_)"),
            _option("--nominals", help="columns a,b whose values are categories"),
            _option("--valid", help="table, or file, to validate on"),
            _option("--epochs", type=int, help="passes over the data"),
            _option("--batch", type=int, help="rows of a mini-batch"),
            _option("--method", help="solver, for example ADAM"),
            _option("--learning-rate", type=float, help="learning rate at the start"),
            _option("--optimizer", metavar="JSON", help="any further option of the optimizer"),
            _option("--seed", type=int, help="a positive seed makes the run reproducible"),
            _option("--record-seed", type=int, help="a new order of the rows in every epoch"),
            _option("--out", help="weight table to write; left out: MODEL_weights"),
            QUIET,
            JSON,
        ),
    ),
    "score": (
        _commands.score,
        (
            TABLE,
            MODEL,
            _option("--weights", help="weight table; left out: MODEL_weights"),
            _option("--out", help="table of scored rows to write"),
            _option("--copy-vars", help="columns a,b to carry over to it"),
            QUIET,
            JSON,
        ),
    ),
    "export": (
        _export_commands.export,
        (
            _option("name", help="model, or with --tensorboard the id of a job"),
            _option("--weights", help="weight table; left out: MODEL_weights"),
            _option("--out", help="model file to write, in .safetensors"),
            _option("--tensorboard", metavar="FOLDER", help="log folder to write events to"),
        ),
    ),
    "import": (
        _export_commands.import_model,
        (
            _option("file", help="model file, in .safetensors"),
            _option("--name", help="name of the model; left out: that of the file"),
            _option("--weights", help="weight table to write; left out: NAME_weights"),
            REPLACE,
        ),
    ),
    "jobs": (_commands.jobs, (JSON,)),
    "cancel": (_commands.cancel, (_option("job", help="id of the job"),)),
    "actions": (
        _commands.actions,
        (_option("name", nargs="?", help="an action, to see its parameters"), JSON),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0 well, 1 failed, 2 misused, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else ""
    try:
        if name in SERVER_COMMANDS or name in _plugins():
            return _run_plugin(name, arguments[1:])
        return _run(arguments)
    except CastorchError as error:
        print(f"castorch: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return MISUSED
    command, _ = COMMANDS[args.command]
    with castorch.connect(args.url, args.token) as client:
        text = command(client, args)
    print(text)
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of the client's commands."""
    parser = ArgumentParser(
        prog="castorch",
        description="Declare, train and score deep-learning models on a castorch server.",
        epilog=_describe_plugins(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=castorch.__version__)
    common = ArgumentParser(add_help=False)
    common.add_argument("--url", help="server (CASTORCH_URL, else http://127.0.0.1:8080)")
    common.add_argument("--token", help="bearer token (CASTORCH_TOKEN)")
    common.add_argument("--session", metavar="ID", help="session; left out: your default session")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (command, options) in COMMANDS.items():
        said = getdoc(command) or ""
        child = commands.add_parser(name, help=said, description=said, parents=[common])
        for names, facts in options:
            child.add_argument(*names, **facts)  # type: ignore[arg-type]
    return parser


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _run_plugin(name: str, arguments: list[str]) -> int:
    found = _plugins().get(name)
    if found is None:
        print(
            f"castorch: the command {name!r} is part of the distribution castorch-server, "
            "which is not installed here",
            file=sys.stderr,
        )
        return FAILED
    command: Callable[[list[str]], int] = found.load()
    return command(arguments)


def _describe_plugins() -> str:
    lines = []
    for name, entry in _plugins().items():
        said = (getdoc(entry.load()) or "").partition("\n")[0]
        lines.append(f"  {name:<18}{said}")
    if not lines:
        return "Install castorch-server for: " + ", ".join(SERVER_COMMANDS) + "."
    return "\n".join(["server commands:", *lines])
