"""Which report is made for which task."""

from engine.errors import DataError
from engine.score.detections import DetectionReport, ProposalReport
from engine.score.reports import (
    ClassificationReport,
    Maker,
    RegressionReport,
    Report,
    ReportRequest,
)
from engine.score.segments import PixelValuesReport, SegmentationReport
from engine.score.steps import LabelsReport, steps_report
from engine.score.unlabelled import ClusteringReport, EmbeddingReport, SurvivalReport

REPORTS: dict[str, Maker] = {
    "classification": ClassificationReport,
    "regression": RegressionReport,
    "detection": DetectionReport,
    "proposals": ProposalReport,
    "segmentation": SegmentationReport,
    "pixel regression": PixelValuesReport,
    "embedding": EmbeddingReport,
    "clustering": ClusteringReport,
    "survival": SurvivalReport,
    "steps": steps_report,
    "labels": LabelsReport,
}
"""By the name a task gives of its report."""


def make_report(request: ReportRequest) -> Report:
    """Return the report of a task, without any row yet.

    Raises:
        DataError: top_probs is below one, or the target is no nominal one.
    """
    if request.top_probs is not None and request.top_probs < 1:
        raise DataError(
            f"topProbs got {request.top_probs}, expected at least 1", got=request.top_probs
        )
    return REPORTS[request.task.report](request)
