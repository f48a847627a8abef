"""What the service adds to a call: declare a DenseNet-121 layer by layer over one connection.

It begins when the worker is warm: one that still loads torch takes a processor for itself.
Every call is timed at the caller, and at the server by its own clock (``elapsed_s``). The last line
is a ratio of medians, first quarter of the calls over the last: 1 when a call costs the same in a
large model, less when it costs more.

python benchmarks/service_overhead.py
"""

import json
import tempfile
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from service import report, running_server, wait_for_worker

from engine.zoo.densenet import densenet


def declared() -> list[dict[str, object]]:
    """Return the parameters of every addLayer."""
    calls = []
    graph = densenet(121)
    for node in graph.nodes:
        layer = {k: v for k, v in node.layer.model_dump(by_alias=True).items() if v is not None}
        sources = list(node.sources)
        call: dict[str, object] = {"modelTable": "densenet", "name": node.name, "layer": layer}
        calls.append({**call, "srcLayers": sources} if sources else call)
    return calls


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as session:
        session.run("deepLearn.buildModel", model_table="densenet", type="CNN")
        address = urlsplit(session._transport.url)
        wait_for_worker(session._transport.url)
        connection = HTTPConnection(str(address.hostname), address.port)

        def call(params: dict[str, object]) -> tuple[float, float]:
            """Return the seconds that the caller and the server saw."""
            begin = time.perf_counter()
            body = json.dumps(params).encode()
            connection.request("POST", "/v1/actions/deepLearn.addLayer", body, HEAD)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != HTTPStatus.OK:
                raise SystemExit(text.decode())
            return time.perf_counter() - begin, float(json.loads(text)["elapsed_s"])

        seen = [call(params) for params in declared()]
    for place, seconds in zip(("caller", "server"), zip(*seen, strict=True), strict=True):
        print(
            f"addLayer, {len(seconds)} calls, at the {place}: "
            f"median {median(seconds) * 1e3:.2f} ms, "
            f"p95 {quantiles(seconds, n=20)[-1] * 1e3:.2f} ms"
        )
    servers = [server for _, server in seen]
    quarter = len(servers) // 4
    report("add_layer_growth", servers[-quarter:], servers[:quarter], 1)


HEAD = {"Content-Type": "application/json"}

if __name__ == "__main__":
    main()
