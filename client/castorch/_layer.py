"""What every layer type of :mod:`castorch.layers` is."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from castorch._spelling import camel, to_wire


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer before it has a name and a place: its type and its options.

    An option that is None is left to the server's default.
    """

    type: ClassVar[str]

    def to_wire(self) -> dict[str, Any]:
        """Return the layer as a parameter of ``deepLearn.addLayer``."""
        given = {
            camel(field.name): to_wire(getattr(self, field.name), field.name)
            for field in fields(self)
            if getattr(self, field.name) is not None
        }
        return {"type": self.type} | given
