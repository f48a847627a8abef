"""Images made for the benchmarks, as PNG bytes in a Parquet file both sides read."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def write_pictures(path: Path, rows: int, channels: int, side: int) -> Path:
    """Write ``_image_`` (PNG) and ``_label_`` (0-9): a bright bar at a place its label decides."""
    draw = np.random.default_rng(0)
    images, labels = [], []
    for row in range(rows):
        label = row % 10
        pixels = draw.integers(0, 80, (side, side, channels), dtype=np.uint8)
        pixels[2 + 2 * label : 5 + 2 * label, :] += 150
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze() if channels == 1 else pixels).save(buffer, "png")
        images.append(buffer.getvalue())
        labels.append(str(label))
    table = pa.table({"_image_": pa.array(images, pa.binary()), "_label_": labels})
    pq.write_table(table, path, compression="none")
    return path


def read_pictures(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 pixels (N, C, H, W) and int64 labels (N,)."""
    table = pq.read_table(path)
    arrays = [
        np.asarray(Image.open(io.BytesIO(value.as_py()))) for value in table.column("_image_")
    ]
    pixels = np.stack(arrays)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), np.array([int(v.as_py()) for v in table["_label_"]])
