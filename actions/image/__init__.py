"""The action set ``image``."""

from actions.image import fetch_images, load_images

__all__ = ["fetch_images", "load_images"]
