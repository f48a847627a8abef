"""What follows a layer's own computation: activation, then dropout."""

from collections.abc import Callable

from torch import Tensor, nn

from engine.modules.dropout import Dropout

Activation = Callable[[Tensor], Tensor]


class Finish(nn.Module):
    """Base of modules that end with an activation and dropout; None leaves either out."""

    def __init__(self, activation: Activation | None, dropout: Dropout | None = None) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout

    def finish(self, y: Tensor) -> Tensor:
        """Return the activated output; ``y`` is the caller's own and may be overwritten."""
        if self.activation is not None:
            y = self.activation(y)
        return y if self.dropout is None else self.dropout(y)
