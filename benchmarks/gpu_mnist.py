"""LeNet on MNIST on a graphics processor to a test error of 0.93 %, in seconds.

The Theano tutorial took 32.52 minutes on a GTX 480. Without a CUDA device one line says so.

python benchmarks/gpu_mnist.py --data DIRECTORY

DIRECTORY holds the four files of MNIST as they are distributed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch
from service import running_server
from turns import HOUSE, keep

sys.path.insert(0, str(HOUSE / "examples"))
from mnist_lenet import MOST_ERROR_PERCENT, OPTIMIZER, declare_lenet, upload_mnist

DOCUMENT_MINUTES = 32.52
"""Source: deeplearning.net, "Convolutional Neural Networks (LeNet)", GTX 480."""


def measure(data: Path, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary, running_server(Path(temporary)) as session:
        train = upload_mnist(session, data, "train", "mnist_train")
        test = upload_mnist(session, data, "t10k", "mnist_test")
        model = declare_lenet(session)
        begin = time.perf_counter()
        model.train(
            train,
            target="_label_",
            inputs=["_image_"],
            nominals=["_label_"],
            optimizer={**OPTIMIZER, "max_epochs": epochs},
            seed=23455,
            record_seed=23455,
            gpu=True,
            progress=False,
        )
        seconds = time.perf_counter() - begin
        error = model.score(test, gpu=True).error
    keep("gpu_mnist", {"seconds": seconds, "error_percent": error, "epochs": epochs})
    print(f"gpu_mnist: test error {error} % (at most {MOST_ERROR_PERCENT}) after {seconds:.1f} s")
    print(f"gpu_mnist: the document's time / ours = {DOCUMENT_MINUTES * 60 / seconds:.1f}")
    if error is None or error > MOST_ERROR_PERCENT:
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_mnist: no CUDA device here, nothing measured")
    elif arguments.data is None:
        print("gpu_mnist: give --data, the folder of MNIST's four files; nothing measured")
    else:
        measure(arguments.data, arguments.epochs)
