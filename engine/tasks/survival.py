"""Times until an event, some of which are only known to be later than the last look."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.losses import Report, Target, Values

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cox(Values):
    """The negative logarithm of Cox's partial likelihood, ties taken as Breslow does.

    ``raw`` is (N, 1), the logarithm of a row's hazard ratio; the target (N, 2) is its time and
    whether the event was seen then (above 0.5) or not. A row with an event has the loss
    ln(sum of the hazard ratios of all rows whose time is not before) - raw, others have none: what
    a row is compared with are the rows of its mini-batch, in scoring of the whole table.

    The fit error of a row with an event is the share of the rows with a later time to which the
    model gives no smaller hazard (equal ones count half): the errors of concordance.

    Source: Cox (1972) "Regression models and life-tables"; Breslow (1974) on ties; Katzman et al.
    (2018) "DeepSurv".
    """

    report: ClassVar[Report] = "survival"

    target: Target

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        time, event = target[:, 0], target[:, 1] > 0.5
        hazard = raw[:, 0]
        at_risk = time.unsqueeze(0) >= time.unsqueeze(1)
        among = hazard.unsqueeze(0).masked_fill(~at_risk, -torch.inf)
        return (among.logsumexp(dim=1) - hazard) * event

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        time, event = target[:, 0], target[:, 1] > 0.5
        hazard = raw[:, 0]
        later = (time.unsqueeze(0) > time.unsqueeze(1)) & event.unsqueeze(1)
        gap = hazard.unsqueeze(0) - hazard.unsqueeze(1)
        wrong = ((gap > 0).to(raw.dtype) + (gap == 0).to(raw.dtype) / 2) * later
        return wrong.sum(dim=1) / later.sum(dim=1).clamp(min=1)

    def predict(self, raw: Tensor) -> Tensor:
        """Return the logarithm of the hazard ratio, (N, 1)."""
        return raw


@dataclass(frozen=True)
class Baseline:
    """The cumulative hazard of a row whose hazard ratio is one, and the loss of all rows.

    Attributes:
        times: of events, each once, ascending.
        hazard: cumulative, at each.
        loss: sum over the rows.
    """

    times: Float64
    hazard: Float64
    loss: float


def baseline(time: Float64, event: Float64, log_ratio: Float64) -> Baseline:
    """Return Breslow's estimate: at each time of events, events over the hazard ratios at risk.

    Args:
        time: (N,).
        event: (N,), above 0.5 where the event was seen.
        log_ratio: (N,), logarithms of hazard ratios.

    Source: Breslow (1974).
    """
    order = np.argsort(-time, kind="stable")
    time, is_event, log_ratio = time[order], event[order] > 0.5, log_ratio[order]
    at_risk = np.logaddexp.accumulate(log_ratio)
    # rows of one time are all at risk together
    last = np.searchsorted(-time, -time, side="right") - 1
    log_risk = at_risk[last]
    loss = float((log_risk - log_ratio)[is_event].sum())
    times, first, deaths = np.unique(time[is_event], return_index=True, return_counts=True)
    steps = deaths * np.exp(-log_risk[is_event][first])
    return Baseline(times, np.cumsum(steps), loss)
