"""The server's commands: serve, worker, migrate, token.

Heavy imports are inside the commands, so that help and mistakes are quick to answer.
"""

import argparse
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pydantic import ValidationError

from engine.errors import EngineError
from server.settings import (
    WORKER_COMMAND,
    Settings,
    is_worker_environment,
    worker_environment,
)

if TYPE_CHECKING:
    from server.store import SqlStores

Command = Callable[[Sequence[str]], int]

FAILED = 1
REFUSED = 2
"""Exit code of a command that was called wrongly."""

SETTINGS = frozenset(Settings.model_fields)


def main(argv: Sequence[str]) -> int:
    """Run a command by its name."""
    commands: dict[str, Command] = {each.__name__: each for each in (serve, worker, migrate, token)}
    if argv and argv[0] in commands:
        return commands[argv[0]](argv[1:])
    lines = [f"  {name:<8} {_summary(command)}" for name, command in commands.items()]
    text = "\n".join(["usage: python -m server COMMAND [OPTION ...]", "", "commands:", *lines])
    wants_help = bool(argv) and argv[0] in ("-h", "--help")
    _say(text, sys.stdout if wants_help else sys.stderr)
    return 0 if wants_help else REFUSED


def serve(argv: Sequence[str]) -> int:
    """Serve the HTTP interface and run jobs in worker processes."""
    parser = _parser(serve)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, help="port to listen on, 0 for a free one (default: 8080)"
    )
    parser.add_argument("--workers", type=int, help="worker processes; 0: none here (default: 1)")
    parser.add_argument("--data", type=Path, help="folder of the caslibs (default: castorch-data)")
    parser.add_argument(
        "--caslib-root",
        type=Path,
        action="append",
        dest="caslib_roots",
        metavar="DIR",
        help="folder inside which callers may add caslibs; may be given again (none)",
    )
    return _run(parser, argv, _serve)


def worker(argv: Sequence[str]) -> int:
    """Run jobs from the database, for servers on this or other machines."""
    parser = _parser(worker)
    parser.add_argument("--data", type=Path, help="folder of the caslibs (default: castorch-data)")
    parser.add_argument("--threads", type=int, dest="worker_threads", help="processor threads")
    parser.add_argument("--check", action="store_true", help="only check that a worker could run")
    parser.add_argument("--piped", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--owner", help=argparse.SUPPRESS)
    return _run(parser, argv, _work)


def migrate(argv: Sequence[str]) -> int:
    """Create or update the tables of the database."""
    return _run(_parser(migrate), argv, _migrate)


def token(argv: Sequence[str]) -> int:
    """Add, list or remove the tokens that callers identify themselves with."""
    parser = _parser(token)
    parser.add_argument("what", choices=("add", "list", "remove"))
    parser.add_argument("name", nargs="?", help="user the token belongs to")
    return _run(parser, argv, _token)


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    del options
    from server.lean import spare_pandas
    from server.logs import start_logging
    from server.serving import run_server

    start_logging(settings.log_level)
    spare_pandas()
    run_server(settings, _say)
    return 0


def _work(settings: Settings, options: argparse.Namespace) -> int:
    if options.check:
        with opened(settings) as stores:
            stores.ping()
        return 0
    if not options.piped and not is_worker_environment():
        # The C library reads its memory settings when a process starts; so start once more.
        os.execve(WORKER_COMMAND[0], WORKER_COMMAND, worker_environment(settings))  # noqa: S606
    from server.jobs.piped import listen
    from server.jobs.slots import new_owner
    from server.jobs.worker import Bell, WorkerStopped, warm
    from server.lean import spare_pandas
    from server.logs import start_logging
    from server.wiring import worker_for

    start_logging(settings.log_level)
    spare_pandas()
    bell = listen() if options.piped else Bell()
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: bell.stop())
        with opened(settings) as stores, warm(settings.threads):
            bell.tell("ready")
            worker_for(settings, stores, options.owner or new_owner(), bell).work()
    except WorkerStopped:
        return 0
    return 0


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    del options
    with opened(settings):
        _say(f"the database is up to date: {settings.shown_database}")
    return 0


def _token(settings: Settings, options: argparse.Namespace) -> int:
    if options.what != "list" and not options.name:
        _say(f"castorch token {options.what}: expected a NAME", sys.stderr)
        return REFUSED
    with opened(settings) as stores:
        if options.what == "add":
            _say(stores.tokens.add(options.name))
            return 0
        known = stores.tokens.list()
        if options.what == "list":
            for each in known:
                _say(f"{each.user}  {each.id}  made {each.created:%Y-%m-%d %H:%M} UTC")
            return 0
        mine = [each for each in known if options.name in (each.user, each.id)]
        for each in mine:
            stores.tokens.revoke(each.id)
        if not mine:
            _say(f"castorch token remove: {options.name!r} has no token", sys.stderr)
            return FAILED
        _say(f"removed {len(mine)} token{'s' if len(mine) > 1 else ''} of {options.name!r}")
    return 0


@contextmanager
def opened(settings: Settings) -> "Iterator[SqlStores]":
    """Open the stores of the settings, with all tables up to date."""
    from server.wiring import open_stores

    stores = open_stores(settings)
    try:
        yield stores
    finally:
        stores.close()


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"castorch {command.__name__}", description=_summary(command))
    parser.add_argument(
        "--database",
        help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME (default: castorch.db)",
    )
    return parser


def _run(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    command: Callable[[Settings, argparse.Namespace], int],
) -> int:
    """Read options and settings, run the command, and say in one line what went wrong."""
    try:
        options = parser.parse_args(argv)
    except SystemExit as left:
        return int(left.code or 0)
    given = {name: value for name, value in vars(options).items() if value is not None}
    try:
        settings = Settings(**{name: given[name] for name in given if name in SETTINGS})
        return command(settings, options)
    except ValidationError as error:
        first = error.errors()[0]
        name, problem = first["loc"][0], str(first["msg"])
        _say(f"{parser.prog}: setting {name!r} got {first['input']!r}: {problem}", sys.stderr)
        return REFUSED
    except EngineError as error:
        _say(f"{parser.prog}: {error.message}", sys.stderr)
        return FAILED
    except OSError as error:
        _say(f"{parser.prog}: {error.strerror or error}", sys.stderr)
        return FAILED


def _summary(command: Command) -> str:
    return (inspect.getdoc(command) or "").partition("\n")[0]


def _say(text: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
