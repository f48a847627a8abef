"""The networks in Lightning, from our weights, with all that is optional switched off."""

import logging
import time
import warnings

import lightning
import numpy as np
import torch
from networks import build, parameter_count
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from turns import Answer, serve_turns, settings

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")


class Learner(lightning.LightningModule):
    """A network, its loss, and the seconds and mean losses of its epochs."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def training_step(self, batch: list[Tensor], place: int) -> Tensor:
        del place
        loss = functional.cross_entropy(self.model(batch[0]), batch[1])
        self.total += loss.detach() * len(batch[1])
        self.rows += len(batch[1])
        return loss

    def on_train_epoch_start(self) -> None:
        self.total, self.rows = torch.zeros(()), 0
        self.begin = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        self.seconds.append(time.perf_counter() - self.begin)
        self.losses.append(float(self.total) / self.rows)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the turn before, which goes on with its momentum."""
        return self.optimizer


def main() -> None:
    options = settings()
    torch.set_num_threads(options["threads"])
    learner = Learner(build(options["network"], dict(np.load(options["weights"]))))
    images = torch.from_numpy(np.load(options["pixels"])).float() / 255
    dataset = TensorDataset(images, torch.from_numpy(np.load(options["labels"])))
    loader = DataLoader(dataset, batch_size=options["batch"])

    def turn(epochs: int = options["epochs"]) -> Answer:
        learner.seconds, learner.losses = [], []
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(learner, loader)
        return {"seconds": learner.seconds, "losses": learner.losses}

    first = turn(1)["losses"]
    serve_turns({"losses": first, "parameters": parameter_count(learner.model)}, turn)


if __name__ == "__main__":
    main()
