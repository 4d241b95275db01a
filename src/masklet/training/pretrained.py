"""Weights that are there already, for training to begin with and for finding regions."""

from masklet.checkpoint.files import read
from masklet.checkpoint.locate import locate
from masklet.checkpoint.recognise import recognise_contents
from masklet.checkpoint.strict import load_into
from masklet.model import Sam2


def load_pretrained(weights: str, image_size: int | None = None) -> Sam2:
    """A model on the CPU with the weights of a name or file, as `masklet.load_model` finds them, and its errors.

    image_size: side of its input in pixels; None is the weights' own.
    """
    path = locate(weights)
    contents = read(path)
    recognised = recognise_contents(contents)
    model = Sam2(recognised.config.with_image_size(image_size))
    load_into(model, contents.state, recognised.layout, path)
    return model
