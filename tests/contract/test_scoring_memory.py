"""Scoring takes the same memory whatever the size of the table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from actions import run_action
from actions.context import Context
from actions.ports import Name, Output
from server.store import SqlStores
from tests.actions.house import SMALL_DNN, build

COLUMNS, BLOCK = [f"c{n}" for n in range(64)], 4096

def peak():
    # of this program alone: ru_maxrss would begin with the peak of the process that forked it
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

def put(name, blocks):
    draw = np.random.default_rng(blocks)
    schema = pa.schema([(column, pa.float64()) for column in COLUMNS])
    with bound.tables.stage(schema) as staged:
        for _ in range(blocks):
            values = draw.normal(size=(len(COLUMNS), BLOCK))
            staged.write(pa.record_batch(list(values), schema=schema))
        bound.tables.publish((staged, Output(Name(name))))

stores = SqlStores.open(sys.argv[1], data=Path(sys.argv[2]))
session = stores.sessions.default("ann")
bound = stores.for_session(session)
ctx = Context(session=session, sessions=stores.sessions, tables=bound.tables,
              models=bound.models, weights=bound.weights, caslibs=bound.caslibs)
build(lambda action, /, **raw: run_action(ctx, action, raw), SMALL_DNN)
put("small", 25)
run_action(ctx, "deepLearn.dlTrain", {"table": "small", "modelTable": "net", "inputs": COLUMNS[1:],
    "target": "c0", "modelWeights": "w", "seed": 1, "nThreads": 1,
    "optimizer": {"miniBatchSize": 512}})
put("large", 150)
peaks = []
for name in ("small", "large"):
    run_action(ctx, "deepLearn.dlScore", {"table": name, "modelTable": "net", "initWeights": "w",
        "casOut": f"{name}_scored", "copyVars": COLUMNS, "layerOut": f"{name}_layers",
        "nThreads": 1})
    peaks.append(peak())
rows = bound.tables.find(Name("large_scored")).rows
print(json.dumps([*peaks, rows]))
stores.close()
"""


@pytest.mark.slow
def test_a_table_of_six_times_the_rows_is_scored_in_the_same_memory(
    database_url: str, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", PROGRAM, database_url, str(tmp_path)]

    done = subprocess.run(  # noqa: S603 - our own program
        arguments, check=True, capture_output=True, text=True
    )

    small, large, rows = json.loads(done.stdout)
    assert rows == 150 * 4096
    # 25 blocks fill all places where rows wait; the others are 250 MiB, and as many copied
    assert large - small < 48
