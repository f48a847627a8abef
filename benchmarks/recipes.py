"""Hand-written training recipes, and the search for the fastest of them on this machine.

python benchmarks/recipes.py [NETWORK ...] [--rounds N] [--threads N]

``CANDIDATES`` names those that training through the service is measured against.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from networks import IMAGES
from pictures import Pictures, write_pictures
from turns import KEEP, SPIN, Peer, keep, opened

Options = Mapping[str, Any]

PLAIN: Options = {"loader": True}
"""An eager loop with a DataLoader, nothing set."""

_TENSORS: Options = {"channels_last": True, "fused": True}

RECIPES: dict[str, tuple[Options, Mapping[str, str]]] = {
    "eager": (PLAIN, {}),
    "preloaded": ({}, {}),
    "last": ({"channels_last": True}, {}),
    "last+keep": ({"channels_last": True}, KEEP),
    "last+keep+fused": (_TENSORS, KEEP),
    "last+keep+fused+spin": (_TENSORS, {**KEEP, **SPIN}),
    "keep+fused": ({"fused": True}, KEEP),
    "compiled": ({"compile": True}, {}),
    "compiled+last+keep+fused": ({**_TENSORS, "compile": True}, KEEP),
    "compiled+last+keep+fused+spin": ({**_TENSORS, "compile": True}, {**KEEP, **SPIN}),
}
"""What the program does, and the environment it starts in."""

CANDIDATES = {
    "lenet": ("last+keep+fused", "last+keep+fused+spin"),
    "resnet18": ("last+keep+fused", "last+keep+fused+spin"),
    "mlp": ("last+keep+fused", "compiled+last+keep+fused"),
}
"""The fastest recipes. Which of them is fastest depends on what else the machine does: threads that
spin gain a little on quiet cores and lose most of their speed on shared ones. So training is
measured against each, and the bar is the faster in that run."""


class Workload(NamedTuple):
    """How much of a network's training is measured.

    Attributes:
        epochs: those of a window.
        threads: those each program gets.
    """

    network: str
    rows: int
    batch: int
    epochs: int
    threads: int

    def pictures(self, folder: Path, kind: str = "png") -> Pictures:
        """Write the images."""
        return write_pictures(folder, self.rows, *IMAGES[self.network], kind)


SIZES = {"lenet": (5000, 500, 3), "resnet18": (256, 128, 1), "mlp": (12800, 128, 3)}
"""Rows, batch, and epochs of a window."""


def add_options(parser: argparse.ArgumentParser, networks: Sequence[str] = tuple(SIZES)) -> None:
    """Add what says how much to measure."""
    parser.add_argument("networks", nargs="*", default=list(networks))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batches", type=int, help="mini-batches of an epoch; fewer are quicker")
    parser.add_argument("--epochs", type=int, help="epochs of a window")


def workload(network: str, options: argparse.Namespace) -> Workload:
    """Return a network's workload, as the options change it."""
    rows, batch, epochs = SIZES[network]
    rows = options.batches * batch if options.batches else rows
    return Workload(network, rows, batch, options.epochs or epochs, options.threads)


def peer_settings(name: str, work: Workload, files: Pictures, weights: Path | None) -> Options:
    """Return what every training peer is told."""
    return {
        "name": name,
        "network": work.network,
        "pixels": files.pixels,
        "labels": files.labels,
        "batch": work.batch,
        "epochs": work.epochs,
        "threads": work.threads,
        "weights": weights,
    }


def trained_by_hand(
    name: str, work: Workload, files: Pictures, weights: Path | None = None
) -> Peer:
    """Start the hand-written program with a recipe."""
    options, environment = RECIPES[name]
    settings = {**peer_settings(name, work, files, weights), **options}
    return Peer("peer_train.py", settings, environment=environment)


def measure(work: Workload, rounds: int, names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = work.pictures(Path(folder))
        makers = {name: partial(trained_by_hand, name, work, files) for name in names}
        rates: dict[str, list[float]] = {name: [] for name in names}
        with opened(makers) as peers:
            for _ in range(rounds):
                for name, peer in peers.items():
                    rates[name].append(work.rows / median(peer.turn()["seconds"]))
    first = rates[names[0]]
    for name, found in sorted(rates.items(), key=lambda item: -median(item[1])):
        ratio = median(mine / theirs for mine, theirs in zip(found, first, strict=True))
        print(f"{work.network} {name:<32} {median(found):10.1f}/s {ratio:6.2f}", flush=True)
    fastest = max(rates, key=lambda name: median(rates[name]))
    keep(f"recipes_{work.network}", {"per_s": rates, "fastest": fastest})
    print(f"{work.network}: fastest here is {fastest}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    arguments = parser.parse_args()
    for each in arguments.networks:
        measure(workload(each, arguments), arguments.rounds, arguments.recipes)
