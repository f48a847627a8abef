"""The action set ``image``."""

from actions.image import load_images

__all__ = ["load_images"]
