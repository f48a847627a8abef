"""Pictures of what a model sees, as the SDK asks for them."""

from base64 import b64encode
from pathlib import Path

from tests.client.fakes import FakeServer, answered, table


def test_pictures_are_asked_for_and_show_themselves(tmp_path: Path) -> None:
    actions = ("featureMaps", "heatMap", "filters")
    images = table("Image:binary", [b64encode(b"PNG").decode()])
    answer = answered(Images=images)
    server = FakeServer({f"POST /v1/actions/castorch.{each}": answer for each in actions})
    model = server.session().open_model("net")

    maps = model.feature_maps("looks", "conv1", maps=[0, 2], rows=3)
    heat = model.heat_maps("looks", "up", weights="w")
    filters = model.filters("conv1")

    assert maps == heat == [filters] == [b"PNG"]
    assert filters._repr_png_() == b"PNG"
    assert filters.save(tmp_path / "f.png").read_bytes() == b"PNG"
    own = {"modelTable": {"name": "net"}, "initWeights": {"name": "net_weights"}}
    assert [body for _, body in server.bodies()] == [
        {**own, "table": "looks", "layer": "conv1", "maps": [0, 2], "maxRows": 3},
        {**own, "initWeights": "w", "table": "looks", "level": "up", "maxRows": 1},
        {**own, "layer": "conv1", "maps": []},
    ]
