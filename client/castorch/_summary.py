"""The layers of a model as a table with totals."""

from collections.abc import Mapping

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
