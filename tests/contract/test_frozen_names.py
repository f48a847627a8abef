"""The names callers depend on: adding one is a visible line here, removing one breaks somebody."""

from inspect import isclass

import actions.errors
import engine.errors
from actions import ACTIONS
from actions.spelling import layer_types
from engine.errors import EngineError

ACTION_NAMES = {
    "aggregation.aggregate",
    "astore.describe",
    "astore.download",
    "astore.score",
    "astore.upload",
    "builtins.about",
    "builtins.actionSetInfo",
    "builtins.casCommon",
    "builtins.dropActionSet",
    "builtins.getLicenseInfo",
    "builtins.help",
    "builtins.listActions",
    "builtins.loadActionSet",
    "builtins.ping",
    "builtins.queryActionSet",
    "builtins.queryName",
    "builtins.reflect",
    "builtins.serverStatus",
    "builtins.userInfo",
    "castorch.buildArchitecture",
    "castorch.checkModel",
    "castorch.declareModel",
    "castorch.fcToConv",
    "castorch.featureMaps",
    "castorch.filters",
    "castorch.foldBatchNorm",
    "castorch.heatMap",
    "castorch.listArchitectures",
    "castorch.loadAnnotations",
    "castorch.loadIdx",
    "castorch.loadWordVectors",
    "castorch.modelGraph",
    "castorch.replaceHead",
    "castorch.summary",
    "castorch.tokenizeText",
    "dataPreprocess.highCardinality",
    "dataPreprocess.impute",
    "dataStep.runCode",
    "deduplication.deduplicate",
    "deepLearn.addLayer",
    "deepLearn.buildModel",
    "deepLearn.dlExportModel",
    "deepLearn.dlImportModelWeights",
    "deepLearn.dlJoin",
    "deepLearn.dlLabelTarget",
    "deepLearn.dlPrune",
    "deepLearn.dlScore",
    "deepLearn.dlTrain",
    "deepLearn.dlTune",
    "deepLearn.modelInfo",
    "deepLearn.removeLayer",
    "fcmpact.addRoutines",
    "fedSql.execDirect",
    "image.augmentImages",
    "image.fetchImages",
    "image.flattenImages",
    "image.loadImages",
    "image.processImages",
    "image.saveImages",
    "image.summarizeImages",
    "percentile.assess",
    "percentile.percentile",
    "sampling.srs",
    "sampling.stratified",
    "session.endSession",
    "session.listSessions",
    "session.metrics",
    "session.sessionId",
    "session.sessionName",
    "session.sessionStatus",
    "session.setCaslib",
    "session.setLocale",
    "session.timeout",
    "sessionProp.getSessOpt",
    "sessionProp.listSessOpts",
    "sessionProp.setSessOpt",
    "simple.correlation",
    "simple.crossTab",
    "simple.distinct",
    "simple.freq",
    "simple.groupBy",
    "simple.groupByInfo",
    "simple.numRows",
    "simple.summary",
    "simple.topK",
    "table.addCaslib",
    "table.alterTable",
    "table.append",
    "table.attribute",
    "table.caslibInfo",
    "table.columnInfo",
    "table.copyTable",
    "table.deleteRows",
    "table.deleteSource",
    "table.dropCaslib",
    "table.dropTable",
    "table.fetch",
    "table.fileInfo",
    "table.loadTable",
    "table.partition",
    "table.promote",
    "table.queryCaslib",
    "table.recordCount",
    "table.save",
    "table.shuffle",
    "table.tableDetails",
    "table.tableExists",
    "table.tableInfo",
    "table.update",
    "table.upload",
    "table.view",
    "timeData.timeSeries",
    "transpose.transpose",
}

ALIASES = {"deepLearn.train", "deepLearn.score", "percentile.pctl", "simple.corr"}

LAYER_TYPES = {
    "input",
    "convo",
    "convolution",
    "pool",
    "pooling",
    "fc",
    "fcmp",
    "fullconnect",
    "output",
    "batchnorm",
    "residual",
    "concat",
    "scale",
    "reshape",
    "transconvo",
    "groupconvo",
    "channelshuffle",
    "layernorm",
    "mhattention",
    "split",
    "localconvo",
}
"""The types of the first version; more may come, none may go."""

ERROR_CODES = {
    "action.error",
    "action.unknown",
    "auth.forbidden",
    "auth.required",
    "caslib.not_found",
    "column.not_found",
    "data.invalid",
    "device.memory",
    "device.unavailable",
    "engine.error",
    "expression.invalid",
    "file.invalid",
    "file.not_found",
    "graph.invalid",
    "graph.shape",
    "job.cancelled",
    "job.failed",
    "job.not_found",
    "layer.option",
    "not_supported",
    "params.invalid",
    "path.forbidden",
    "request.key_reused",
    "request.too_large",
    "request.unfinished",
    "session.not_found",
    "store.conflict",
    "store.full",
    "store.unavailable",
    "table.exists",
    "table.kind",
    "table.not_found",
    "train.failed",
    "weights.mismatch",
}


def test_the_names_of_actions_are_these() -> None:
    assert set(ACTIONS) == ACTION_NAMES
    assert {alias for each in ACTIONS.values() for alias in each.aliases} == ALIASES


def test_training_tuning_scoring_and_importing_run_as_jobs() -> None:
    jobs = {name for name, each in ACTIONS.items() if each.runs == "job"}
    assert jobs == {
        "astore.score",
        "deepLearn.dlImportModelWeights",
        "deepLearn.dlScore",
        "deepLearn.dlTrain",
        "deepLearn.dlTune",
    }


def test_the_names_of_layer_types_are_at_least_these() -> None:
    assert set(layer_types()) >= LAYER_TYPES


def test_the_codes_of_errors_are_these() -> None:
    codes = {
        each.code
        for module in (engine.errors, actions.errors)
        for each in vars(module).values()
        if isclass(each) and issubclass(each, EngineError)
    }
    assert codes == ERROR_CODES
