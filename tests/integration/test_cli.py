"""The program as it is started in a shell: on the photographs of the examples, with a tiny random model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from masklet.io.files import read_mask_png

REPOSITORY = Path(__file__).resolve().parents[2]
MEDIA = REPOSITORY / "examples" / "media"


def masklet(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program, without a terminal and without a network."""
    environment = {**os.environ, "PYTHONWARNINGS": "error", "HF_HUB_OFFLINE": "1", "HF_HOME": str(cwd / "hub")}
    command = [sys.executable, "-m", "masklet", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_folder_of_photographs(tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = masklet(
        "segment", MEDIA, "--box", "20,20,300,250", "--box", "-5,0,100,100", "--model", tiny_checkpoint, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "coco.json",
        *(f"{name}.{end}" for name in ("coffee", "chelsea") for end in ("mask1.png", "mask2.png", "coco.json")),
        *(f"{name}.overlay.jpg" for name in ("coffee", "chelsea")),
    }
    assert read_mask_png(out / "coffee.mask2.png").shape == (400, 600)
    sizes = {
        Path(i["file_name"]).name: (i["width"], i["height"])
        for i in json.loads((out / "coco.json").read_text())["images"]
    }
    assert sizes == {"chelsea.jpg": (451, 300), "coffee.jpg": (600, 400)}
    assert len(run.stdout.splitlines()) == 5


def test_a_text_file_among_pictures(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    run = masklet(
        "segment", "text.jpg", MEDIA / "coffee.jpg", "--point", "290,160", "--model", tiny_checkpoint, cwd=tmp_path
    )
    assert run.returncode == 1
    assert (tmp_path / "out" / "coffee.mask3.png").exists()
    assert "text.jpg" in run.stderr.splitlines()[0]
    assert "Traceback" not in run.stderr


def test_an_uncached_model_offline(tmp_path: Path) -> None:
    run = masklet("segment", MEDIA / "coffee.jpg", "--point", "1,1", "--model", "sam2.1_hiera_tiny", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "sam2.1_hiera_tiny" in run.stderr
    assert not (tmp_path / "out").exists()


def test_debug_shows_a_traceback(tmp_path: Path) -> None:
    run = masklet("models", "inspect", "none.pt", "--debug", cwd=tmp_path)
    assert run.returncode == 1
    assert "Traceback" in run.stderr


def test_the_bundled_model_needs_no_name(tmp_path: Path) -> None:
    run = masklet("segment", MEDIA / "coffee.jpg", "--box", "170,16,412,312", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    cup = read_mask_png(tmp_path / "out" / "coffee.mask1.png")
    box = np.zeros_like(cup)
    box[16:312, 170:412] = True
    assert (cup & box).sum() > 0.5 * (cup | box).sum()
