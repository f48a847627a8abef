"""JPEG images of 224x224 from a stored table through ResNet-18: decoding beside the forward pass.

Three things take turns: ours, from the stored table into a stored table; decoding alone, with
Pillow in as many threads as all have; the forward pass alone, the hand-written program's on pixels
that are decoded. The last line is our time over the larger of the two alone.

python benchmarks/score_jpeg.py [--rounds N] [--threads N] [--rows N]
"""

import argparse
import io
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
from networks import DECLARED, IMAGES
from pictures import write_pictures
from PIL import Image
from score_throughput import Workload, ours, start_peer
from service import running_server
from start import start_weights
from turns import keep

NETWORK = "resnet18_224"
BATCH = 32


def decoding(table: Path, threads: int) -> float:
    """Return the seconds of decoding every image of a table."""
    images = [each.as_py() for each in pq.read_table(table).column("_image_")]
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda image: np.asarray(Image.open(io.BytesIO(image))), images))
    return time.perf_counter() - begin


def measure(rows: int, rounds: int, threads: int) -> None:
    work = Workload(NETWORK, rows, rows, BATCH, threads)
    seconds: dict[str, list[float]] = {"ours": [], "decode": [], "forward": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_pictures(folder, rows, *IMAGES[NETWORK], kind="jpeg")
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": NETWORK, "type": "CNN", "layers": DECLARED[NETWORK]()}
            session.upload("few", pq.read_table(files.table).slice(0, BATCH))
            model = session.declare(declared)
            weights = start_weights(model, folder, batch=BATCH, table="few")
            ours(session, work)
            with start_peer("hand", work, files, weights, folder / "hand.npy") as peer:
                for _ in range(rounds):
                    seconds["ours"].append(ours(session, work))
                    seconds["decode"].append(decoding(files.table, threads))
                    seconds["forward"].append(peer.turn()["seconds"])
    turns = zip(*seconds.values(), strict=True)
    ratios = [mine / max(decode, forward) for mine, decode, forward in turns]
    for name, each in seconds.items():
        print(f"  {name:<8} {rows / median(each):8.1f}/s")
    keep("score_jpeg", {"seconds": seconds, "ratios": ratios, "ratio": median(ratios)})
    print(f"score_jpeg: ours / larger of the two alone = {median(ratios):.2f} (less is better)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, default=192)
    arguments = parser.parse_args()
    measure(arguments.rows, arguments.rounds, arguments.threads)
