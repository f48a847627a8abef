import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from actions.context import Context
from tests.actions.house import put


@pytest.fixture
def frame() -> pd.DataFrame:
    """Sixty rows in three groups, with missing values of both kinds."""
    random = np.random.default_rng(5)
    x = random.normal(10, 3, 60)
    x[::7] = np.nan
    names = random.choice(["ant", "bee", "cat"], 60).astype(object)
    names[::11] = None
    whole = random.integers(0, 6, 60)
    return pd.DataFrame({"x": x, "name": names, "n": whole, "y": 2 * x + random.normal(0, 1, 60)})


@pytest.fixture
def data(ctx: Context, frame: pd.DataFrame) -> None:
    columns = {str(name): pa.array(frame[name], from_pandas=True) for name in frame}
    put(ctx, "data", columns)
