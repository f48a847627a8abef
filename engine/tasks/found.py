"""What tasks that find objects have in common."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from engine.losses import Task


@dataclass(frozen=True)
class Limits:
    """Which predictions are told.

    Attributes:
        threshold: least confidence of an object, its class probability included.
        overlap: most intersection over union of two objects of a class.
        boxes: most objects of a row.
    """

    threshold: float
    overlap: float
    boxes: int


@runtime_checkable
class Finder(Task, Protocol):
    """A task that predicts (N, B, 5 + K): boxes, confidences and class probabilities.

    A box is centre, width and height as fractions of the image.
    """

    @property
    def limits(self) -> Limits:
        """Which of them are told."""
