"""Several processes: they agree, and learn what one would learn from all their clips; weights whole or shared out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.checkpoint.files import read
from masklet.training.assemble import prepare_run
from masklet.training.data.transforms import SQUARE_ONLY
from masklet.training.prompts import PromptConfig
from masklet.training.run_config import RunConfig
from masklet.training.run_file import write_run
from masklet.training.scenes.moving import MovingScenesConfig
from masklet.training.sharding import like, whole
from masklet.training.sources_config import DataSection, SourceConfig

PROGRAM = """
import os
import sys
import torch
from masklet.training.assemble import prepare_run
from masklet.training.run_file import read_run
from masklet.training.sharding import whole
for steps in (2, 3):  # stopped by its end, and resumed
    run = prepare_run(read_run(sys.argv[1], [f"run.steps={steps}"]))
    run.train()
state = {name: whole(tensor) for name, tensor in run.model.state_dict().items()}
torch.save(state, f"{sys.argv[1]}.{os.environ['RANK']}.pt")
"""


def run_in_two_processes(config: RunConfig, folder: Path) -> list[dict[str, Tensor]]:
    """Runs `PROGRAM`. Returns the weights that each process has in the end."""
    path, program = folder / "two.yaml", folder / "program.py"
    write_run(config, path)
    program.write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", program, path],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return [torch.load(f"{path}.{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_learn_what_one_does_from_as_many_clips(make_run, tmp_path, strategy):
    """The last steps are resumed ones. A learning rate that does not change makes runs of any length alike."""
    config = make_run(steps=3, accumulate=2, output=tmp_path / "one", validate_every=3)
    source = config.data.train[0]
    held_out = replace(config.data.validation[0], clips=source.clips)  # more clips than one, for each to have some
    config = replace(
        config,
        data=replace(config.data, validation=(held_out,), transforms=SQUARE_ONLY),
        prompts=PromptConfig(box_probability=0.0, centre_click_probability=1.0, num_corrections=0),
        optimiser=replace(
            config.optimiser,
            layer_decay=1.0,
            betas=(0.9, 0.9),
            schedule=replace(config.optimiser.schedule, kind="constant"),
        ),
    )
    prepare_run(config).train()
    shared = replace(
        config,
        data=replace(config.data, train=(replace(source, batch_size=1),)),
        run=replace(config.run, output=tmp_path / "two", strategy=strategy),
    )
    first, second = run_in_two_processes(shared, tmp_path)
    written = read(tmp_path / "two" / "model.safetensors").state
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(first[name], written[name]) for name in first)
    for name in ("model", "average"):
        one, two = (read(tmp_path / folder / f"{name}.safetensors").state for folder in ("one", "two"))
        assert max((one[key] - two[key]).abs().max().item() for key in one) < 3e-4
    one, two = (_measured(tmp_path / folder) for folder in ("one", "two"))
    assert {(0, "validation/chosen_iou"), (3, "validation/chosen_iou"), (3, "loss/total")} <= one.keys()
    assert {key: two[key] for key in one} == pytest.approx(one, rel=2e-2)


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_agree_on_clips_of_which_the_last_frames_have_losses(make_run, pictures, tmp_path, strategy):
    clips = MovingScenesConfig(root=pictures, image_size=64, num_frames=5)
    config = make_run(steps=3, output=tmp_path / "two", strategy=strategy)
    config = replace(
        config,
        data=DataSection(train=(SourceConfig(clips=clips, batch_size=1),), loader=config.data.loader),
        prompts=PromptConfig(click_probability=0.0, max_prompted_frames=1),
        loss=replace(config.loss, tracked_frames=2),
        run=replace(config.run, validate_every=None),
    )
    before = read(Path(str(config.model.weights))).state
    first, second = run_in_two_processes(config, tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], before[name])}
    assert {"trunk", "memory_attention", "memory_encoder", "mask_decoder"} <= changed


def _measured(folder: Path) -> dict[tuple[int, str], float]:
    """What the log says, by step and name, but for times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {
        (line["step"], name): value
        for line in lines
        if "step" in line
        for name, value in line.items()
        if not name.endswith("_seconds")
    }


def test_what_is_not_shared_out_is_as_it_is():
    tensor = torch.arange(3.0)
    assert whole(tensor) is tensor
    assert like(tensor, torch.zeros(3)) is tensor
