"""The action set ``image``."""

from actions.image import (
    augment_images,
    fetch_images,
    flatten_images,
    load_images,
    process_images,
    save_images,
    summarize_images,
)

__all__ = [
    "augment_images",
    "fetch_images",
    "flatten_images",
    "load_images",
    "process_images",
    "save_images",
    "summarize_images",
]
