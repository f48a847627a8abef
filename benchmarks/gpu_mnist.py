"""LeNet on MNIST on a graphics processor to a test error of 0.93 %, in seconds.

The Theano tutorial took 32.52 minutes on a GTX 480. The time is that of the training job as its
caller sees it: start, reading and encoding too. Without a CUDA device one line says so; ``--device
cpu`` runs the same on a processor.

python benchmarks/gpu_mnist.py --data DIRECTORY [--epochs N]

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


def measure(data: Path, epochs: int, *, gpu: bool) -> None:
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
            gpu=gpu,
            progress=False,
        )
        seconds = time.perf_counter() - begin
        error = model.score(test, gpu=gpu).error
    found = {"seconds": seconds, "error_percent": error, "epochs": epochs, "gpu": gpu}
    keep("gpu_mnist", found)
    print(f"gpu_mnist: test error {error} % (at most {MOST_ERROR_PERCENT}) after {seconds:.1f} s")
    print(f"gpu_mnist: the document's time / ours = {DOCUMENT_MINUTES * 60 / seconds:.1f}")
    if error is None or error > MOST_ERROR_PERCENT:
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    on_gpu = arguments.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        print("gpu_mnist: no CUDA device here, nothing measured")
    elif arguments.data is None:
        print("gpu_mnist: give --data, the folder of MNIST's four files; nothing measured")
    else:
        measure(arguments.data, arguments.epochs, gpu=on_gpu)
