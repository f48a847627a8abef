"""Training through the service against peers that train the same network on the same images.

Ours is a server of the benchmark's own: ``dlTrain`` through HTTP, the seconds of the epochs as the
job records them, so without its start, decoding and first epoch. Peers are processes that take
turns with it, their first epoch outside, too. Hand-written programs and Keras start from the
weights that ours starts from and see the same batches, so that all losses must agree.

python benchmarks/train_throughput.py [NETWORK ...] [--peers NAME ...] [--rounds N] [--threads N]
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from networks import DECLARED, build, parameter_count
from pictures import Pictures
from recipes import (
    CANDIDATES,
    RECIPES,
    Workload,
    add_options,
    peer_settings,
    trained_by_hand,
    workload,
)
from service import running_server
from start import start_weights
from turns import Answer, Peer, is_installed, opened, report

import castorch

PROGRAMS = {
    "keras": ("peer_keras.py", ".venv-bench", "keras"),
    "lightning": ("peer_lightning.py", ".venv-bench", "lightning"),
    "ludwig": ("peer_ludwig.py", ".venv-ludwig", "ludwig"),
}
"""Script, environment and package of the peers that are no hand-written loops."""

PEERS = {
    "lenet": ["eager", *CANDIDATES["lenet"], "keras", "lightning", "ludwig"],
    "resnet18": ["eager", *CANDIDATES["resnet18"]],
    "mlp": ["eager", *CANDIDATES["mlp"]],
}

ONCE = {"ludwig": 2}
"""Peers that are so slow that they get fewer turns: how many."""

SAME_START = {*RECIPES, "keras", "lightning"}
"""Peers that start from our weights, and whose losses must therefore be ours."""

TOLERANCE = 0.02
"""How far such a loss may be from ours, as a share of it."""


def ours(session: castorch.Session, work: Workload, **more: Any) -> Answer:
    """Train once through the service; return the seconds and the losses of the epochs.

    Args:
        session: where the table and the model are.
        work: what is trained.
        more: parameters of dlTrain beside those.
    """
    answer = session.run(
        "deepLearn.dlTrain",
        table="pictures",
        model_table=work.network,
        init_weights="start",
        model_weights={"name": "trained", "replace": True},
        inputs=["_image_"],
        target=["_label_"],
        nominals=["_label_"],
        seed=1,
        optimizer={
            "totalMiniBatchSize": work.batch,
            "maxEpochs": 1 + work.epochs,
            "algorithm": {"method": "MOMENTUM", "learningRate": 0.01, "momentum": 0.9},
        },
        **more,
    )
    metrics = session.job(str(answer.job)).metrics()
    return {
        "seconds": [float(each["seconds"]) for each in metrics][1:],
        "losses": [float(each["loss"]) for each in metrics],
    }


def starter(name: str, work: Workload, files: Pictures, weights: Path) -> Callable[[], Peer]:
    """Return what starts a peer."""
    if name not in PROGRAMS:
        return partial(trained_by_hand, name, work, files, weights)
    script, venv, _ = PROGRAMS[name]
    return partial(Peer, script, peer_settings(name, work, files, weights), venv=venv)


def check(name: str, parameters: int, losses: dict[str, list[float]], network: str) -> float:
    """Hold a peer against ours: as many parameters, and losses that are the same, or fall alike."""
    expected = parameter_count(build(network))
    if parameters != expected:
        raise SystemExit(f"{name} has {parameters} parameters, ours {expected}")
    theirs, mine = losses[name], losses["ours"]
    if not all(math.isfinite(loss) for loss in theirs) or not theirs[-1] < theirs[0]:
        raise SystemExit(f"{name}: its losses do not fall: {theirs}")
    apart = max(abs(loss - our) / our for loss, our in zip(theirs, mine, strict=False))
    if name in SAME_START and apart > TOLERANCE:
        raise SystemExit(f"{name}: its losses {theirs} are not ours, {mine}")
    return apart


def measure(work: Workload, names: list[str], rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = work.pictures(folder)
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": work.network, "type": "CNN", "layers": DECLARED[work.network]()}
            weights = start_weights(session.declare(declared), folder, batch=work.batch)
            makers = {each: starter(each, work, files, weights) for each in names}
            with opened(makers) as peers:
                mine, theirs = take_turns(session, work, peers, rounds)
                losses = {"ours": mine[0]["losses"]} | {
                    each: [*peer.ready["losses"], *theirs[each][0]["losses"]]
                    for each, peer in peers.items()
                }
                apart = {
                    each: check(each, peer.ready["parameters"], losses, work.network)
                    for each, peer in peers.items()
                }
    everybody = {"ours": mine, **theirs}
    rates = {
        each: [work.rows / median(turn["seconds"]) for turn in turns]
        for each, turns in everybody.items()
    }
    report(
        f"train_{work.network}",
        rates.pop("ours"),
        rates,
        workload=work._asdict(),
        losses=losses,
        losses_apart=apart,
    )


def take_turns(
    session: castorch.Session, work: Workload, peers: dict[str, Peer], rounds: int
) -> tuple[list[Answer], dict[str, list[Answer]]]:
    """Measure ours and every peer, one window each in turn."""
    mine: list[Answer] = []
    theirs: dict[str, list[Answer]] = {name: [] for name in peers}
    for turn in range(rounds):
        mine.append(ours(session, work))
        for name, peer in peers.items():
            if turn < ONCE.get(name, rounds):
                theirs[name].append(peer.turn())
    return mine, theirs


def present(names: list[str]) -> list[str]:
    """Return those whose packages are installed; say which are left out."""
    found = []
    for name in names:
        _, venv, package = PROGRAMS.get(name, ("", "", ""))
        if package and not is_installed(venv, package):
            print(f"{name}: left out, {package} is not installed; `make bench` installs it")
        else:
            found.append(name)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--peers", nargs="+", choices=[*PROGRAMS, *RECIPES])
    arguments = parser.parse_args()
    for each in arguments.networks:
        chosen = present(arguments.peers or PEERS[each])
        measure(workload(each, arguments), chosen, arguments.rounds)
