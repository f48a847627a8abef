"""How long the demo's training takes from its call to its first mini-batch, and with what.

A server on SQLite with one warm worker; the data, the network and the call of `make demo`. Timed
at the caller, from the call of dlTrain to the event of the first mini-batch. The parts are those of
the job's event ``begun``; *waiting* is the time in the queue, *around* what is left: HTTP, the
start of the action, the event's way back.

python benchmarks/first_batch.py [--calls N]
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from service import started_server, wait_for_worker
from turns import HOUSE, keep

import castorch

sys.path.insert(0, str(HOUSE / "examples"))
from digits_lenet import OPTIMIZER, declare_lenet, upload_digits

TARGET_S = 1.5


def call(model: castorch.Model) -> dict[str, float]:
    """Train as the demo does and return the seconds of the parts up to the first mini-batch."""
    start = time.perf_counter()
    job = model.train_async(
        "digits",
        target="label",
        inputs=["_image_"],
        nominals=["label"],
        valid="digits_test",
        optimizer=OPTIMIZER,
        seed=1,
        record_seed=1,
    )
    parts: dict[str, float] = {}
    whole = 0.0
    for event in job.follow():
        if event.kind == "begun":
            parts = dict(event.data)
        if event.kind == "batch" and not whole:
            whole = time.perf_counter() - start
    waited = waiting(job.refresh().info)
    return {
        "whole": whole,
        "waiting": waited,
        **parts,
        "around": whole - waited - sum(parts.values()),
    }


def waiting(info: Mapping[str, Any]) -> float:
    """Return the seconds a job was queued."""
    created, started = (datetime.fromisoformat(info[each]) for each in ("created", "started"))
    return (started - created).total_seconds()


def shown(name: str, found: Mapping[str, float]) -> str:
    parts = ", ".join(f"{part} {s * 1e3:.0f}" for part, s in found.items() if part != "whole")
    return f"{name}: {found['whole'] * 1e3:.0f} ms ({parts})"


def measure(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder, started_server(Path(folder)) as url:
        start = time.perf_counter()
        wait_for_worker(url)
        print(f"the worker was warm {time.perf_counter() - start:.1f} s after the server")
        with castorch.connect(url) as client, redirect_stdout(io.StringIO()):
            session = client.session()
            upload_digits(session)
            model = declare_lenet(session)
            first, *others = [call(model) for _ in range(1 + calls)]
    middle = {part: median(each[part] for each in others) for part in first}
    print(shown("first call of a worker", first))
    print(shown(f"later calls, median of {calls}", middle))
    keep("first_batch", {"first": first, "median": middle, "calls": others, "target_s": TARGET_S})
    wholes = [each["whole"] for each in others]
    print(
        f"first_batch: {middle['whole']:.2f} s from the call to the first mini-batch "
        f"({min(wholes):.2f} to {max(wholes):.2f}), "
        f"{first['whole']:.2f} s in a worker's first call; below {TARGET_S} s is wanted",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5)
    measure(parser.parse_args().calls)
