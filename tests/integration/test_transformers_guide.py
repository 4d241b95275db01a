"""The guide for those who come from `transformers`, and the longer examples that it names, on the bundled model."""

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from masklet.compat import transformers as compat
from masklet.io.decode import open_picture
from masklet.io.video import open_video
from masklet.io.video_writer import VideoWriter

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
GUIDE = (REPOSITORY / "docs" / "transformers.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("placement", "mask_generation"):
        monkeypatch.setattr(f"masklet.compat.transformers.{module}.default_device", lambda: torch.device("cpu"))


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example by itself, with the first frames of the clip."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "media" / "chelsea.jpg", "truck.jpg")
    frames = open_video(EXAMPLES / "media" / "bunny.mp4")
    with VideoWriter("clip.mp4", (270, 480)) as writer:
        for index in range(4):
            writer.write(frames[index])
    found = []
    for example in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        names: dict[str, Any] = {}
        exec(re.sub(r'"facebook/[^"]+"', '"nano"', example), names)
        found.append(names)
    image, video, everything = found
    assert image["masks"].shape == (1, 3, 300, 451)
    assert (video["output"].frame_idx, video["masks"].shape) == (3, (1, 1, 270, 480))
    assert all(mask.shape == (300, 451) for mask in everything["masks"])


def test_all_names_are_told() -> None:
    told = set(re.findall(r"`(\w+)`", GUIDE))
    parts = {name for name in compat.__all__ if name.endswith("Config")} - {"Sam2Config", "Sam2VideoConfig"}
    assert set(compat.__all__) - parts <= told | {"MaskGenerationPipeline"}


COFFEE, CAT = (600, 400), (451, 300)


@pytest.mark.parametrize(
    ("example", "pictures", "says"),
    [
        ("image", {"click": COFFEE, "boxes": COFFEE, "coffee": COFFEE, "cat": CAT, "everything": COFFEE}, "IoU 0."),
        ("video", {"video": (996, 576)}, "2 objects followed through 32 frames"),
    ],
)
def test_longer_examples_run(
    example: str,
    pictures: dict[str, tuple[int, int]],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = runpy.run_path(str(EXAMPLES / f"transformers_{example}.py"))["main"]
    main.__globals__["OUTPUT"] = tmp_path
    main()
    assert says in capsys.readouterr().out
    for name, size in pictures.items():
        assert open_picture(tmp_path / f"transformers-{name}.jpg").size == size
