"""The Python SDK of castorch: declare, train and score deep-learning models over HTTP.

import castorch

with castorch.connect("http://127.0.0.1:8080") as client:
    session = client.session()
    table = session.upload("digits", frame)
    model = session.declare("lenet.yaml")
    history = model.train(table, target="label", inputs=["_image_"], nominals=["label"])
    print(model.score(table).error)
"""

from castorch import layers
from castorch._client import Client, connect
from castorch._errors import (
    ActionFailed,
    CallUnfinished,
    CaslibNotFound,
    CastorchError,
    ColumnNotFound,
    Conflict,
    ConnectionFailed,
    DataError,
    DeviceError,
    FileNotFound,
    GraphError,
    InvalidExpression,
    InvalidFile,
    InvalidInput,
    InvalidParameters,
    JobCancelled,
    JobFailed,
    JobNotFound,
    KeyReused,
    LayerError,
    MemoryExhausted,
    MissingExtra,
    NotAuthenticated,
    NotPermitted,
    NotSupported,
    PathForbidden,
    ProtocolFailed,
    SessionNotFound,
    ShapeError,
    StoreFull,
    StoreUnavailable,
    TableExists,
    TableNotFound,
    TimedOut,
    TooLarge,
    TrainingError,
    UnknownAction,
    WeightsError,
    WrongKind,
)
from castorch._history import History, Scored
from castorch._job import Job, JobEvent
from castorch._model import Model
from castorch._png import encode_png
from castorch._progress import Progress
from castorch._results import Message, Result, ResultTable
from castorch._session import Session
from castorch._summary import Summary
from castorch._table import Table

__version__ = "0.1.0"

__all__ = [
    "ActionFailed",
    "CallUnfinished",
    "CaslibNotFound",
    "CastorchError",
    "Client",
    "ColumnNotFound",
    "Conflict",
    "ConnectionFailed",
    "DataError",
    "DeviceError",
    "FileNotFound",
    "GraphError",
    "History",
    "InvalidExpression",
    "InvalidFile",
    "InvalidInput",
    "InvalidParameters",
    "Job",
    "JobCancelled",
    "JobEvent",
    "JobFailed",
    "JobNotFound",
    "KeyReused",
    "LayerError",
    "MemoryExhausted",
    "Message",
    "MissingExtra",
    "Model",
    "NotAuthenticated",
    "NotPermitted",
    "NotSupported",
    "PathForbidden",
    "Progress",
    "ProtocolFailed",
    "Result",
    "ResultTable",
    "Scored",
    "Session",
    "SessionNotFound",
    "ShapeError",
    "StoreFull",
    "StoreUnavailable",
    "Summary",
    "Table",
    "TableExists",
    "TableNotFound",
    "TimedOut",
    "TooLarge",
    "TrainingError",
    "UnknownAction",
    "WeightsError",
    "WrongKind",
    "connect",
    "encode_png",
    "layers",
]
