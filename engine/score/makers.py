"""Which report is made for which task."""

from collections.abc import Mapping

from engine.data.schema import Schema
from engine.errors import DataError
from engine.graph.spec import Graph
from engine.layers.base import Task
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


def make_reports(
    graph: Graph,
    schema: Schema,
    tasks: Mapping[str, Task],
    *,
    encode_name: bool,
    top_probs: int | None,
) -> dict[str, Report]:
    """Return a report for every target, by name of task layer, without any row yet.

    Args:
        graph: bound to the schema.
        schema: says what is predicted.
        tasks: by name of task layer.
        encode_name: see :func:`engine.score.outputs.output_layout`.
        top_probs: likewise.

    Raises:
        DataError: top_probs is below one, or a target is no nominal one.
    """
    several = len(schema.targets) > 1
    return {
        target.layer: make_report(
            ReportRequest(
                tasks[target.layer],
                target,
                encode_name,
                top_probs,
                str(graph.node(target.layer).id) if several else "",
                graph.shapes[target.layer] or (),
            )
        )
        for target in schema.targets
    }


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
