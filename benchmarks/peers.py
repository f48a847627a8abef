"""The plain hand-written PyTorch program, as a process of its own; prints seconds as JSON.

python benchmarks/peers.py train NETWORK FILE BATCH EPOCHS
python benchmarks/peers.py score NETWORK FILE BATCH OUT
"""

import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from networks import MODULES
from pictures import read_pictures
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


def _loader(path: Path, batch: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    pixels, labels = read_pictures(path)
    images = torch.from_numpy(pixels).float() / 255
    return DataLoader(TensorDataset(images, torch.from_numpy(labels)), batch_size=batch)


def train(network: str, path: Path, batch: int, epochs: int) -> list[float]:
    """Return the seconds of each epoch of plain eager training with momentum."""
    loader = _loader(path, batch)
    model = MODULES[network]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    seconds = []
    for _ in range(epochs):
        begin = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)
    return seconds


def score(network: str, path: Path, batch: int, out: Path) -> list[float]:
    """Return the seconds of reading, decoding, scoring and writing the file once."""
    model = MODULES[network]().eval()
    begin = time.perf_counter()
    parts = []
    with torch.no_grad():
        for images, _ in _loader(path, batch):
            parts.append(functional.softmax(model(images), dim=1))
    levels = torch.cat(parts).numpy()
    pq.write_table(pa.table({f"P_{k}": levels[:, k] for k in range(levels.shape[1])}), out)
    return [time.perf_counter() - begin]


if __name__ == "__main__":
    task, network_name, file, batch_rows, last = sys.argv[1:]
    if task == "train":
        result = train(network_name, Path(file), int(batch_rows), int(last))
    else:
        result = score(network_name, Path(file), int(batch_rows), Path(last))
    print(json.dumps(result))
