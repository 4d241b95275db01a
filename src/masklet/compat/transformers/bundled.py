"""The model that comes with masklet, as the folder that `transformers` would have of it."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from masklet.checkpoint.load import load_weights
from masklet.checkpoint.locate import BUNDLED
from masklet.checkpoint.names import Layout
from masklet.checkpoint.save import save_model
from masklet.io.files import write_json


@cache
def bundled_folder() -> Path:
    """A folder with weights, configuration and the settings of processors, for `from_pretrained("nano")`.

    It is written when it is asked for the first time, and goes when the process ends.
    """
    model = load_weights(BUNDLED)
    folder = Path(tempfile.mkdtemp(prefix="masklet-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save_model(model, folder, Layout.HF_VIDEO)
    side = model.config.image_size
    write_json(folder / "preprocessor_config.json", {"size": {"height": side, "width": side}})
    return folder
