"""Labels without places (CTC) by beam search over what they may begin with.

Shape letters: N rows, T steps, K neurons of a step, S steps of the target.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.losses import ABSENT
from engine.tasks.steps import Ctc

Labels = tuple[int, ...]


@dataclass(frozen=True)
class CtcBeam(Ctc):
    """Connectionist temporal classification that looks for the likeliest labels.

    The loss is that of ``Ctc``. The chance of labels is the sum over all the ways to place them,
    where greedy decoding sees the likeliest way alone. At every step the ``width`` likeliest
    beginnings are kept, and each may grow by one of the ``width`` likeliest levels.

    Source: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", 2006
    (prefix search); Hannun, Maas, Jurafsky and Ng, "First-pass large vocabulary continuous speech
    recognition using bi-directional recurrent DNNs", 2014 (beam). The deepLearn reference names
    CTC_ALT without saying what it does: that it is this is our reading.
    """

    width: int = 16

    def decode(self, likely: Tensor) -> Tensor:
        chances = self.predict(likely.double()).tolist()
        labels = torch.full(likely.shape[:2], ABSENT, dtype=torch.int64)
        for row, steps in enumerate(chances):
            best = likeliest(steps, self.width)
            labels[row, : len(best)] = torch.tensor(best, dtype=torch.int64)
        return labels.to(likely.device)


def likeliest(steps: Sequence[Sequence[float]], width: int) -> Labels:
    """Return the likeliest labels that a beam of a width finds.

    Args:
        steps: the chances (T, K) of levels and, last, of the blank.
        width: beginnings that are kept at every step.
    """
    beams: dict[Labels, tuple[float, float]] = {(): (1.0, 0.0)}
    for chances in steps:
        order = sorted(range(len(chances) - 1), key=lambda level: -chances[level])
        grown = _grown(beams, chances, order[:width])
        best = sorted(grown, key=lambda labels: -sum(grown[labels]))[:width]
        most = sum(grown[best[0]])  # chances of long sequences would vanish
        beams = {labels: (grown[labels][0] / most, grown[labels][1] / most) for labels in best}
    return max(beams, key=lambda labels: sum(beams[labels]))


def _grown(
    beams: dict[Labels, tuple[float, float]], chances: Sequence[float], levels: Sequence[int]
) -> dict[Labels, list[float]]:
    """Return beginnings after one more step: their chances with a blank last and with a label."""
    grown: dict[Labels, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for labels, (blank, label) in beams.items():
        both, last = blank + label, labels[-1] if labels else None
        grown[labels][0] += both * chances[-1]
        if last is not None:
            grown[labels][1] += label * chances[last]
        for level in levels:
            # the same label again is another one only after a blank
            before = blank if level == last else both
            grown[(*labels, level)][1] += before * chances[level]
    return grown
