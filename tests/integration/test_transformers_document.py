"""The documentation of SAM 2 in `transformers`: each of its examples runs with its import lines changed, and with small
random checkpoints in place of the published ones, and pictures and a video of ours served at its addresses."""

import io
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.transformers import (
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VideoProcessor,
    Sam2VideoVideoProcessor,
)
from masklet.compat.transformers.native_config import from_native
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.io.video_file import VideoFile
from masklet.io.video_writer import VideoWriter

IMPORTS = {
    "from transformers import": "from masklet.compat.transformers import",
    "from transformers.video_utils import": "from masklet.compat.transformers import",
}
PUBLISHED = r'"facebook/sam2\.1-hiera-\w+"|"danelcsb/sam2\.1_hiera_tiny"'
"""The ids of checkpoints in the examples."""

NUM_FRAMES = 52
"""Of the clip; the examples refine a mask on frame 50."""

CONFIG = ModelConfig(
    image_size=64,
    dim=64,
    trunk=TrunkConfig(
        embed_dim=8, stage_depths=(1, 1, 1, 1), window_sizes=(8, 4, 4, 2), global_blocks=(0,), position_grid=(4, 4)
    ),
    decoder=DecoderConfig(depth=1, num_heads=2, mlp_dim=32),
    memory=MemoryConfig(attention_layers=1, attention_mlp_dim=32, fuser_layers=1),
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights as files: of a model for videos, as the published ones are, and of one for still images."""
    size = {"height": CONFIG.image_size, "width": CONFIG.image_size}
    pixels, root = Sam2ImageProcessor(size=size), tmp_path_factory.mktemp("checkpoints")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        image = Sam2Model(from_native(CONFIG, Sam2Config))
        video = Sam2VideoModel(from_native(CONFIG, Sam2VideoConfig))
    image.save_pretrained(root / "image")
    Sam2Processor(pixels).save_pretrained(root / "image")
    video.save_pretrained(root / "video")
    Sam2VideoProcessor(pixels, Sam2VideoVideoProcessor(size=size)).save_pretrained(root / "video")
    return {"image": root / "image", "video": root / "video"}


@pytest.fixture(scope="module")
def media(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the examples' addresses lead to, by name: the fixtures' pictures, noise, and the video's first frames."""
    noise = np.random.default_rng(0).integers(0, 255, (700, 1000, 4), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "PNG")
    clip = tmp_path_factory.mktemp("clip") / "bedroom.mp4"
    bedroom = VideoFile(shared / "data" / "bedroom.mp4")
    with VideoWriter(clip, (480, 854)) as writer:
        for index in range(NUM_FRAMES):
            writer.write(cv2.resize(bedroom[index], (854, 480)))
    bedroom.close()
    pictures = {name: (shared / "data" / name).read_bytes() for name in ("truck.jpg", "groceries.jpg")}
    return pictures | dict.fromkeys(("dog-sam.png", "sam-car.png"), encoded.getvalue()) | {clip.name: clip.read_bytes()}


@pytest.fixture(autouse=True)
def libraries(media: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, but `media` at any address; and stand-ins for the other libraries that the examples use."""

    def serve(url: Any, **kwargs: Any) -> io.BytesIO:
        address = url if isinstance(url, str) else url.full_url
        return io.BytesIO(media[address.rpartition("/")[2]])

    @contextmanager
    def stream(method: str, url: str) -> Iterator[io.BytesIO]:
        yield serve(url)

    stand_ins = {
        "requests": {"get": lambda url, stream: SimpleNamespace(raw=serve(url))},
        "httpx": {"stream": stream},
        "accelerate": {"Accelerator": lambda: SimpleNamespace(device=torch.device("cpu"))},
    }
    for name, members in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(urllib.request, "urlopen", serve)


class Example:
    """Code, and what it is said to print or to show."""

    def __init__(self, code: str, output: str = "") -> None:
        self.code = code
        self.output = output

    def run(self, names: dict[str, Any], checkpoint: Path) -> str:
        """What it prints."""
        code = self.code
        for theirs, ours in IMPORTS.items():
            code = code.replace(theirs, ours)
        code = re.sub(PUBLISHED, repr(str(checkpoint)), code).replace("device=0", 'device="cpu"')
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        return printed.getvalue().strip()


def image_examples(page: str) -> list[Example]:
    """Those of a page in Markdown. What is printed follows the code that prints it."""
    examples = []
    for block in re.findall(r"```python\n(.+?)```", page, re.DOTALL):
        code, print_it, rest = re.sub(r"^(>>>|\.\.\.) ?", "", block, flags=re.MULTILINE).partition("\nprint(")
        printing, _, output = rest.partition("\n")
        examples.append(Example(code + print_it + printing, output.strip()))
    return examples


def video_examples(page: str) -> list[Example]:
    """Those of a page in plain text, whose examples have lost their indentation, up to what they print.

    Blocks begin after a colon, and end with the statement; those inside others with an empty line.
    """
    examples, lines, depth = [], [], 0
    for line in page.splitlines():
        prompt, _, code = line.partition(" ")
        if line.startswith("from accelerate"):  # which has lost its prompt as well
            prompt, code = ">>>", line
        if prompt == ">>>":
            depth = 0
        elif prompt == "...":
            depth -= depth > 1 and not code
        else:
            if lines:
                output = line if lines[-1].startswith("print(") else ""
                examples.append(Example("\n".join(lines), output))
            lines = []
            continue
        lines.append("    " * depth + code)
        depth += code.partition(" #")[0].endswith(":")
    return examples


def test_images(shared: Path, checkpoints: dict[str, Path]) -> None:
    """All examples with images, in the order of the page, each of which goes on where the one before it ended."""
    page = (shared / "reference" / "hf_sam2.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"Sam2Config": Sam2Config}  # which one example does not import
    shapes = []
    for example in image_examples(page):
        names |= {"masks": [], "all_masks": None}
        printed = example.run(names, checkpoints["image" if "danelcsb" in example.code else "video"])
        assert printed == example.output.replace("torch.Size(1, 3, 1500, 2250)", "torch.Size([1, 3, 1200, 1800])")
        masks = names["masks"] if names["all_masks"] is None else names["all_masks"]
        shapes.append([tuple(mask.shape) for mask in masks])
        assert all(mask.dtype == torch.bool for mask in masks)
    truck, dog, groceries = (1200, 1800), (700, 1000), (534, 800)
    assert shapes == [
        [],
        *[[(3, *truck)]] * 3,
        [(1, *truck)] * 2,
        *[[(num_objects, 1, *truck), (num_objects, 1, *dog)] for num_objects in (1, 2)],
        *[[(num_objects, 1, *truck), (num_objects, 1, *groceries)] for num_objects in (2, 4)],
        *[[]] * 2,
        [(1, 3, *dog)],
    ]
    assert len(names["outputs"]) == 4
    assert names["refined_outputs"].pred_masks.shape == (1, 1, 1, 16, 16)
    assert names["config"] == Sam2Config()


def test_videos(shared: Path, checkpoints: dict[str, Path]) -> None:
    """All examples with videos, in the order of the page."""
    page = (shared / "reference" / "hf_sam2_video.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    tracked = []
    for example in video_examples(page):
        printed = example.run(names, checkpoints["video"])
        if "video_frames[:10]" in example.code:
            expected = [f"Frame {index}: mask shape torch.Size([1, 1, 480, 854])" for index in range(10)]
            assert printed.splitlines() == expected
        else:
            assert printed == example.output.replace("180", str(NUM_FRAMES))
        tracked.append(names.get("video_segments"))
    assert [masks and len(masks) for masks in tracked] == [None, *[NUM_FRAMES] * 6]
    first, both, refined, *_, batched = tracked[1:]
    assert first[51].shape == (1, 1, 480, 854)
    assert both[51].keys() == batched[51].keys() == {2, 3}
    assert refined[51].shape == (2, 1, 480, 854)
    assert refined[51].dtype == torch.bfloat16
    same = [torch.equal(refined[50][index], both[50][object_id]) for index, object_id in enumerate((2, 3))]
    assert same == [False, True], "the click on frame 50 refines the first object alone"
