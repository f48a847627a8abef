"""Pictures of what a model sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from castorch._session import Session
    from castorch._table import Table


class Image(bytes):
    """A PNG file, which shows itself in a notebook."""

    __slots__ = ()

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def save(self, path: str | Path) -> Path:
        """Write the image to a file and return its path."""
        target = Path(path)
        target.write_bytes(self)
        return target


class Looking(ABC):
    """What of a model draws pictures of what it sees.

    ``weights`` are a weight table; None takes the one training writes by default.
    """

    _session: Session

    @abstractmethod
    def _weights(self, weights: Table | str | None) -> Any:
        """Return a weight table as a parameter of an action."""

    def feature_maps(
        self,
        table: Table | str,
        layer: str | None = None,
        *,
        maps: Sequence[int] = (),
        rows: int = 1,
        weights: Table | str | None = None,
    ) -> list[Image]:
        """Return what a layer makes of the first images of a table, a picture each.

        Args:
            table: the images; ``table.only("...")`` takes a part of it.
            layer: the layer; None takes the last whose output is maps.
            maps: which to draw, counted from 0; empty draws all.
            rows: most images to look at.
            weights: see the class.

        Raises:
            InvalidParameters: the layer gives no maps, or fewer.
        """
        return self._pictures(
            "featureMaps", weights, table=table, layer=layer, maps=list(maps), max_rows=rows
        )

    def heat_maps(
        self,
        table: Table | str,
        level: str | None = None,
        *,
        layer: str | None = None,
        rows: int = 1,
        weights: Table | str | None = None,
    ) -> list[Image]:
        """Return where in the first images of a table a level of the target comes from (Grad-CAM).

        Args:
            table: the images; ``table.only("...")`` takes a part of it.
            level: the level; None takes the likeliest of each image.
            layer: the layer; None takes the last whose output is maps.
            rows: most images to look at.
            weights: see the class.

        Raises:
            InvalidParameters: the layer gives no maps, or there is no such level.
        """
        return self._pictures(
            "heatMap", weights, table=table, level=level, layer=layer, max_rows=rows
        )

    def filters(
        self, layer: str, *, maps: Sequence[int] = (), weights: Table | str | None = None
    ) -> Image:
        """Return a picture of the filters of a convolution.

        Args:
            layer: the convolution.
            maps: which filters to draw, counted from 0; empty draws all.
            weights: see the class.

        Raises:
            InvalidParameters: it has fewer filters, or too many to draw.
        """
        return self._pictures("filters", weights, layer=layer, maps=list(maps))[0]

    def _pictures(self, action: str, weights: Table | str | None, **params: Any) -> list[Image]:
        result = self._session.run(
            f"castorch.{action}",
            model_table=self,
            init_weights=self._weights(weights),
            **params,
        )
        return [Image(each) for each in result["Images"].column("Image")]
