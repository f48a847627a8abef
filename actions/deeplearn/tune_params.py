"""The optimizer of dlTrain with ranges in place of values.

Its classes are made from those of the engine, so an option and its bounds are declared once.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeAlias,
    Union,
    get_args,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo

from actions.errors import InvalidParameters
from actions.fields import camel
from actions.params import ActionParams
from engine.errors import NotSupportedError
from engine.layers.base import Synonyms
from engine.train.algorithms import Solver, not_built
from engine.train.config import Metric, Optimizer

TUNABLE = frozenset(
    {
        "mini_batch_size",
        "total_mini_batch_size",
        "reg_l1",
        "reg_l2",
        "dropout",
        "dropout_input",
        "learning_rate",
        "gamma",
        "step_size",
        "power",
        "max_learning_rate",
        "factor",
        "min_learning_rate",
        "warm_up",
        "clip_grad_max",
        "clip_grad_min",
        "momentum",
        "beta1",
        "beta2",
        "weight_decay",
        "decay",
        "m",
        "backtrack_ratio",
    }
)
"""Options that may be a range."""

Number = int | float


class Range(ActionParams):
    """Values to search an option in: all between two bounds, or those of a list."""

    lower_bound: Annotated[Number | None, Field(allow_inf_nan=False)] = None
    """Smallest value."""
    upper_bound: Annotated[Number | None, Field(allow_inf_nan=False)] = None
    """Largest value."""
    value_list: tuple[Number, ...] = ()
    """Values to choose from, in place of bounds."""
    value: Number | None = None
    """Value of the first trial; in a grid one more point."""
    log_scale: Annotated[
        bool | Literal["NONE", "LINEAR", "LOG10", "LN"],
        Synonyms({"LOG": "LN"}),
    ] = False
    """Whether to search evenly in the logarithm; so does LOG10 or LN, while NONE and LINEAR do
    not."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = (self.lower_bound, self.upper_bound)
        if self.value_list:
            if bounds != (None, None):
                raise ValueError("got 'valueList' and bounds, expected one of the two")
            return self
        low, high = bounds
        if low is None or high is None or low >= high:
            raise ValueError(
                f"got bounds {low} and {high}, expected a lower one and a higher one, or "
                "'valueList'"
            )
        if self.is_logarithmic and low <= 0:
            raise ValueError(f"got lowerBound {low} with a log scale, expected more than 0")
        if self.value is not None and not low <= self.value <= high:
            raise ValueError(f"got value {self.value}, expected one between {low} and {high}")
        return self

    @property
    def is_logarithmic(self) -> bool:
        """Whether the logarithm of the value is searched evenly."""
        return self.log_scale in (True, "LOG10", "LN")

    @property
    def corners(self) -> tuple[Number, ...]:
        """The values an option must be able to take: the bounds, or all of the list."""
        ends = [each for each in (self.lower_bound, self.upper_bound) if each is not None]
        return self.value_list or tuple(ends)


class _Made(ActionParams):
    """Base of the classes that are made; their options bring their descriptions with them."""

    model_config = ConfigDict(use_attribute_docstrings=False)


def _ranged(model: type[BaseModel], **more: Any) -> type[ActionParams]:
    """Return a class of the same options, of which those that can be tuned may be ranges."""
    fields: dict[str, Any] = {
        name: _field(name, info)
        for name, info in model.model_fields.items()
        if name not in more and name != "snapshot_freq"
    }
    made = create_model(
        f"Tune{model.__name__}", __base__=_Made, __doc__=model.__doc__, **fields, **more
    )
    if "snapshot_freq" in model.model_fields:
        made.later = {"snapshotFreq": "the weights of a trial are kept when it is the best"}
    made.partly = {name: "any other value: " + why for name, why in not_built(model).items()}
    return made


def _field(name: str, info: FieldInfo) -> tuple[Any, Any]:
    kind: Any = info.annotation
    if info.metadata:
        kind = Annotated[(kind, *info.metadata)]
    if name in TUNABLE:
        kind = Union[kind, Range]  # noqa: UP007 - made while running
    return kind, Field(default=info.default, description=info.description)


def _tune_optimizer() -> type[ActionParams]:
    solvers = [_ranged(each) for each in get_args(get_args(Solver)[0])]
    algorithm = (
        Union[tuple(solvers)],  # noqa: UP007 - made while running
        Field(
            default=solvers[0](),
            discriminator="method",
            description="The solver and its rate.",
        ),
    )
    iterations = (
        Annotated[int, Field(ge=1, le=10_000)],
        Field(default=10, description="Trials of RANDOM and LHS; a grid has as many as points."),
    )
    return _ranged(Optimizer, algorithm=algorithm, tune_iter=iterations)


if TYPE_CHECKING:
    TuneOptimizer: TypeAlias = Any
else:
    TuneOptimizer = _tune_optimizer()


class Tuner(ActionParams):
    """How values are searched (ours, after the tuner of the dialect's newer action set)."""

    later = dict.fromkeys(
        ("popSize", "maxFunc", "maxIterations"), "'tuneIter' of the optimizer counts the trials"
    )
    partly: ClassVar[Mapping[str, str]] = {"search_method": "EAGLS: its rules are not published"}

    search_method: Annotated[
        Literal["RANDOM", "GRID", "LHS", "EAGLS"], Synonyms({"LATINHYPERCUBE": "LHS"})
    ] = "RANDOM"
    """RANDOM draws every value by itself, LHS spreads the trials so that every value has its own
    slice of each range, GRID tries every combination; EAGLS is not supported yet."""
    grid_points: Annotated[int, Field(ge=2, le=1000)] = 3
    """Points of a range in a GRID, its bounds among them."""
    objective: Metric | None = None
    """What is to be small, of the weights a trial ends with; left out: the validation loss where
    there is a validation table, else the loss."""
    halving: bool = False
    """Whether trials that fall behind end early: after ``minEpochs`` epochs, and every time they
    are multiplied by ``reductionFactor``, only the best of each ``reductionFactor`` trials so far
    goes on."""
    min_epochs: PositiveInt = 1
    """Epochs every trial has."""
    reduction_factor: Annotated[int, Field(ge=2)] = 4
    """One of so many trials goes on."""
    max_time: PositiveFloat | None = None
    """Seconds after which no further trial begins; left out: no limit."""
    seed: float | None = None
    """Of the values drawn; left out: that of the action."""

    @model_validator(mode="after")
    def _refuse_unbuilt(self) -> Self:
        if self.search_method == "EAGLS":
            raise NotSupportedError(
                "option 'searchMethod' with EAGLS is not supported yet: its rules are not "
                "published; expected RANDOM, GRID or LHS"
            )
        return self


Ranges = dict[str, Range]
"""Ranges by the path of their option: ``reg_l1``, ``algorithm.learning_rate``."""
Values = dict[str, Number]


def ranges_of(optimizer: BaseModel, path: str = "") -> Ranges:
    """Return the ranges among the options."""
    found: Ranges = {}
    for name, value in optimizer:
        if isinstance(value, Range):
            found[path + name] = value
        elif name == "algorithm":
            found.update(ranges_of(value, f"{name}."))
    return found


def optimizer_at(optimizer: BaseModel, values: Values) -> Optimizer:
    """Return the optimizer of dlTrain with values in the places of ranges.

    Raises:
        InvalidParameters: the values do not go together.
    """
    try:
        return Optimizer.model_validate(_given(optimizer, values, ""))
    except ValueError as error:
        shown = ", ".join(f"{wire(path)} = {value!r}" for path, value in values.items())
        raise InvalidParameters(
            f"parameter 'optimizer' at {shown}: {_reason(error)}", parameter="optimizer"
        ) from None


def _given(optimizer: BaseModel, values: Values, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in optimizer.model_fields_set - {"tune_iter"}:
        value = getattr(optimizer, name)
        if name == "algorithm":
            value = {"method": value.method, **_given(value, values, "algorithm.")}
        found[name] = values.get(path + name, value)
    return found


def _reason(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    text = str(errors()[0]["msg"]) if errors is not None else str(error)
    return text.removeprefix("Value error, ")


def corners(ranges: Ranges) -> Iterator[Values]:
    """Yield values of all options that between them take every bound and every listed value."""
    most = max(len(each.corners) for each in ranges.values())
    for place in range(most):
        yield {p: each.corners[min(place, len(each.corners) - 1)] for p, each in ranges.items()}


def wire(path: str) -> str:
    """Return the path of an option as the wire spells it."""
    return ".".join(map(camel, path.split(".")))


def is_whole(path: str) -> bool:
    """Return whether an option takes whole numbers only."""
    head, _, name = path.rpartition(".")
    models = get_args(get_args(Solver)[0]) if head else (Optimizer,)
    kinds = [m.model_fields[name].annotation for m in models if name in m.model_fields]
    return kinds[0] in (int, int | None)


def check_ranges(optimizer: BaseModel, ranges: Ranges) -> None:
    """Check that there is something to search, and that the options can take it.

    Raises:
        InvalidParameters: there is no range, or one does not fit its option.
    """
    if not ranges:
        raise InvalidParameters(
            "parameter 'optimizer' got no range, expected an object with 'lowerBound' and "
            "'upperBound', or 'valueList', for one option or more",
            parameter="optimizer",
        )
    for path, each in ranges.items():
        numbers = [*each.corners, *([] if each.value is None else [each.value])]
        broken = [n for n in numbers if not isfinite(n) or (is_whole(path) and n != int(n))]
        if broken:
            raise InvalidParameters(
                f"parameter 'optimizer.{wire(path)}' got {broken[0]!r} in its range, expected "
                f"{'a whole' if is_whole(path) else 'a finite'} number",
                parameter=f"optimizer.{wire(path)}",
            )
    for values in corners(ranges):
        optimizer_at(optimizer, values)
