"""Commands that take models and histories out of the server, and models in."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from castorch._client import Client
from castorch._commands import session_of
from castorch._errors import InvalidInput


def export(client: Client, args: Namespace) -> str:
    """Write a trained model to a model file, or a job's history for TensorBoard.

    Raises:
        InvalidInput: neither or both of ``--out`` and ``--tensorboard`` are given.
    """
    if (args.out is None) == (args.tensorboard is None):
        raise InvalidInput(
            f"options --out and --tensorboard got {'no value' if args.out is None else 'two'}, "
            "expected exactly one"
        )
    if args.tensorboard is not None:
        return f"wrote {client.job(args.name).export_events(args.tensorboard)}"
    model = session_of(client, args).open_model(args.name)
    return f"wrote {model.export(args.out, weights=args.weights)}"


def import_model(client: Client, args: Namespace) -> str:
    """Make a model and its weights of a model file."""
    name = args.name or Path(args.file).stem
    model = session_of(client, args).import_model(
        name, args.file, weights=args.weights, replace=args.replace
    )
    return f"model {model.name!r} was imported"
