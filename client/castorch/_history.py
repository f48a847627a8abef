"""What training and scoring tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from castorch._results import Result, ResultTable
from castorch._spelling import snake
from castorch._table import Table

if TYPE_CHECKING:
    import pandas as pd


class History:
    """The epochs of a training run, and what it left on the server.

    Attributes:
        table: one row per epoch: Epoch, LearningRate, Loss, FitError, and where they apply L1Norm,
            L2Norm, ValidLoss, ValidError.
        result: the whole answer of the action.
        weights: the weight table; None when its name was not asked for.
    """

    def __init__(self, result: Result, weights: Table | None = None) -> None:
        self.result = result
        self.table: ResultTable = result["OptIterHistory"]
        self.weights = weights

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the epochs as dictionaries in snake_case: ``epoch``, ``loss``, ..."""
        for record in self.table:
            yield {snake(name[:1].lower() + name[1:]): value for name, value in record.items()}

    def __str__(self) -> str:
        return str(self.table)

    def column(self, name: str) -> list[Any]:
        """Return one number of every epoch: ``"Loss"``, ``"valid_error"``, ...

        Raises:
            InvalidInput: the history has no such column.
        """
        return self.table.column(name.replace("_", ""))

    def to_pandas(self) -> pd.DataFrame:
        """Return the history as a data frame."""
        return self.table.to_pandas()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


class Scored:
    """What scoring a table found.

    Attributes:
        info: the rows of ``ScoreInfo``, such as ``Misclassification Error (%)``.
        result: the whole answer of the action.
        table: the scored rows; None when no output table was asked for.
    """

    def __init__(self, result: Result, table: Table | None = None) -> None:
        self.result = result
        self.info: dict[str, float] = {
            name: float(value) for name, value in result.facts("ScoreInfo").items()
        }
        self.table = table

    @property
    def error(self) -> float | None:
        """Misclassified rows in percent, or the mean squared error; None when neither was told."""
        for name, value in self.info.items():
            if name.startswith(("Misclassification Error", "Mean Squared Error")):
                return value
        return None

    def __str__(self) -> str:
        return str(self.result["ScoreInfo"])
