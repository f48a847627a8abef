"""The layers of a model as a table with totals."""

from collections.abc import Mapping
from dataclasses import dataclass

from castorch._results import ResultTable
from castorch._text import format_table

COUNTED = (
    "Weights",
    "Biases",
    "Statistics",
    "MultiplyAdds",
    "Activations",
    "ActivationMemory",
    "TrainingMemory",
)
HEADINGS = {
    "ReceptiveField": "Receptive field",
    "MultiplyAdds": "Multiply-adds",
    "ActivationMemory": "Activation bytes",
    "TrainingMemory": "Training bytes",
}
MEGABYTE = 1 << 20


class Summary(ResultTable):
    """One row per layer; what depends on data that has not been seen is None."""

    @property
    def totals(self) -> Mapping[str, int | None]:
        """Sums over the layers of every column of numbers, and Parameters: weights and biases.

        A sum is None while a part of it is not known. Memory is in bytes.
        """
        sums: dict[str, int | None] = {}
        for name in COUNTED:
            values = self.column(name)
            sums[name] = None if None in values else sum(values)
        weights, biases = sums["Weights"], sums["Biases"]
        both = None if weights is None or biases is None else weights + biases
        return sums | {"Parameters": both}

    def __str__(self) -> str:
        totals = self.totals
        footer = [totals.get(name, "total" if name == "Name" else "") for name in self.names]
        headings = [HEADINGS.get(name, name) for name in self.names]
        text = format_table(headings, self.rows, title=self.title, footer=footer)
        parameters = totals["Parameters"]
        shown = "not known before data is seen" if parameters is None else f"{parameters:,}"
        memory = totals["TrainingMemory"]
        needs = "" if memory is None else f"\nMemory to train: {memory / MEGABYTE:,.1f} MiB"
        return f"{text}\n\nTotal parameters: {shown}{needs}"


@dataclass(frozen=True)
class Check:
    """Whether training a model fits into memory, and what speaks against its layers.

    Attributes:
        fits: None, like what follows, while sizes depend on data that has not been seen.
        needed: bytes that training needs.
        memory: bytes there are.
        largest_batch: rows of the largest mini-batch that fits.
        advice: layer, rule and reason.
    """

    fits: bool | None
    needed: int | None
    memory: int
    largest_batch: int | None
    advice: ResultTable

    def __str__(self) -> str:
        return f"{self._fit()}\n\n{self.advice}" if len(self.advice) else self._fit()

    def _fit(self) -> str:
        if self.needed is None:
            return "Memory to train: not known before data is seen"
        answer = "fits" if self.fits else "does not fit"
        return (
            f"Memory to train: {self.needed / MEGABYTE:,.1f} MiB of {self.memory / MEGABYTE:,.1f} "
            f"MiB, {answer}; the largest mini-batch that fits has {self.largest_batch:,} rows"
        )
