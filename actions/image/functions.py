"""The functions of image.processImages: what each is asked, and what it does."""

from typing import Annotated, Literal

from PIL import Image
from pydantic import Field

from actions.params import ActionParams
from engine.data import retouch
from engine.data.retouch import LONGEST_SIDE, FixedMutation
from engine.layers.base import Aliases, Synonyms

Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]


class Resize(ActionParams):
    """RESIZE: bilinear, smoothed where the picture shrinks."""

    function_type: Literal["RESIZE"] = "RESIZE"
    """The function."""
    width: Annotated[Side, Aliases("w")]
    """Pixels across."""
    height: Annotated[Side, Aliases("h")]
    """Pixels down."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.resize(image, self.width, self.height)


class GetPatch(ActionParams):
    """GET_PATCH: a window of the picture."""

    function_type: Literal["GET_PATCH"] = "GET_PATCH"
    """The function."""
    x: Annotated[int, Field(ge=0)] = 0
    """Left edge of the window, in pixels."""
    y: Annotated[int, Field(ge=0)] = 0
    """Upper edge of the window, in pixels."""
    width: Annotated[Side, Aliases("w")]
    """Pixels across."""
    height: Annotated[Side, Aliases("h")]
    """Pixels down."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        return retouch.crop(image, (self.x, self.y, self.width, self.height), place)


class ConvertColor(ActionParams):
    """CONVERT_COLOR: to grey (0.299 R + 0.587 G + 0.114 B), or from grey to three channels."""

    function_type: Literal["CONVERT_COLOR"] = "CONVERT_COLOR"
    """The function."""
    type: Annotated[
        Literal["COLOR2GRAY", "GRAY2COLOR"],
        Synonyms({"BGR2GRAY": "COLOR2GRAY", "RGB2GRAY": "COLOR2GRAY", "GRAY2BGR": "GRAY2COLOR"}),
        Aliases("convType"),
    ] = "COLOR2GRAY"
    """To what."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return image.convert("L" if self.type == "COLOR2GRAY" else "RGB")


class HistEqualization(ActionParams):
    """HIST_EQUALIZATION: the histogram of every channel is made even."""

    function_type: Literal["HIST_EQUALIZATION"] = "HIST_EQUALIZATION"
    """The function."""
    method: Literal["GLOBAL"] = "GLOBAL"
    """Over the whole picture."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.equalize(image)


class Normalize(ActionParams):
    """NORMALIZE: values range from ``alpha`` to ``beta``."""

    function_type: Literal["NORMALIZE"] = "NORMALIZE"
    """The function."""
    type: Literal["MINMAX"] = "MINMAX"
    """By the least and the largest value of the picture, all channels together."""
    alpha: Annotated[float, Field(ge=0, le=255)] = 0.0
    """What the least value becomes."""
    beta: Annotated[float, Field(ge=0, le=255)] = 255.0
    """What the largest value becomes."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.normalize(image, self.alpha, self.beta)


class Rescale(ActionParams):
    """RESCALE: alpha · value + beta, rounded and held in 0 to 255."""

    function_type: Literal["RESCALE"] = "RESCALE"
    """The function."""
    alpha: float = 1.0
    """Factor."""
    beta: float = 0.0
    """Added."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.rescale(image, self.alpha, self.beta)


class Threshold(ActionParams):
    """THRESHOLD: two values are left."""

    function_type: Literal["THRESHOLD"] = "THRESHOLD"
    """The function."""
    type: Literal["BINARY", "BINARY_INV"] = "BINARY"
    """BINARY gives ``maxValue`` to values above ``value`` and 0 to others, BINARY_INV turns it
    round."""
    value: Annotated[float, Field(ge=0, le=255), Aliases("threshold")] = 127.0
    """The limit."""
    max_value: Annotated[float, Field(ge=0, le=255)] = 255.0
    """What is given."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.threshold(
            image, self.value, self.max_value, inverted=self.type == "BINARY_INV"
        )


class Mutations(ActionParams):
    """MUTATIONS: one change of image.augmentImages that leaves nothing to chance."""

    function_type: Literal["MUTATIONS"] = "MUTATIONS"
    """The function."""
    type: Annotated[FixedMutation, Synonyms({"INVERT": "invertPixels"})]
    """Which."""

    def change(self, image: Image.Image, place: str) -> Image.Image:
        del place
        return retouch.mutate(image, self.type)


class ImageFunction(ActionParams):
    """One step of image.processImages."""

    options: Annotated[
        Resize
        | GetPatch
        | ConvertColor
        | HistEqualization
        | Normalize
        | Rescale
        | Threshold
        | Mutations,
        Field(discriminator="function_type"),
        Aliases("functionOptions"),
    ]
    """What is done."""
