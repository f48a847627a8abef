"""Images made for the benchmarks: files in a Parquet table for us, pixels as they are for peers."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


class Pictures(NamedTuple):
    """The same images twice.

    Attributes:
        table: Parquet file of ``_image_`` (png, jpeg, or ppm: unpacked) and ``_label_`` (0-9).
        pixels: uint8 (N, C, H, W) in an ``.npy`` file, colours in the order of ours: BGR.
        labels: int64 (N,) in an ``.npy`` file.
    """

    table: Path
    pixels: Path
    labels: Path


def write_pictures(
    folder: Path, rows: int, channels: int, side: int, kind: str = "png"
) -> Pictures:
    """Write images of noise with a bright bar at a place that the label decides."""
    draw = np.random.default_rng(0)
    labels = np.arange(rows) % 10
    wide = max(1, side // 10)
    noise = draw.integers(0, 80, (rows, side, side, channels), dtype=np.uint8)
    images = []
    for pixels, label in zip(noise, labels, strict=True):
        pixels[label * wide : (label + 1) * wide] += 150
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels).save(buffer, kind)
        images.append(buffer.getvalue())
    if kind == "jpeg":  # which loses a little
        noise = np.stack([np.asarray(Image.open(io.BytesIO(image))) for image in images])
        noise = noise.reshape(rows, side, side, channels)
    made = Pictures(folder / "pictures.parquet", folder / "pixels.npy", folder / "labels.npy")
    columns = {"_image_": pa.array(images, pa.binary()), "_label_": [str(each) for each in labels]}
    pq.write_table(pa.table(columns), made.table, compression="none")
    np.save(made.pixels, np.ascontiguousarray(noise[..., ::-1].transpose(0, 3, 1, 2)))
    np.save(made.labels, labels.astype(np.int64))
    return made
