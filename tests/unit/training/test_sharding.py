"""Several processes: they agree, and learn what one would learn from all their clips; weights whole or shared out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from masklet.checkpoint.files import read
from masklet.training.assemble import prepare_run
from masklet.training.data.transforms import SQUARE_ONLY
from masklet.training.prompts import PromptConfig
from masklet.training.run_file import write_run
from masklet.training.sharding import like, whole

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
    path, program = tmp_path / "two.yaml", tmp_path / "program.py"
    write_run(shared, path)
    program.write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", program, path],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    first, second = (torch.load(f"{path}.{rank}.pt", weights_only=True) for rank in range(2))
    written = read(tmp_path / "two" / "model.safetensors").state
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(first[name], written[name]) for name in first)
    for name in ("model", "average"):
        one, two = (read(tmp_path / folder / f"{name}.safetensors").state for folder in ("one", "two"))
        assert max((one[key] - two[key]).abs().max().item() for key in one) < 3e-4
    one, two = (_measured(tmp_path / folder) for folder in ("one", "two"))
    assert {(0, "validation/chosen_iou"), (3, "validation/chosen_iou"), (3, "loss/total")} <= one.keys()
    assert {key: two[key] for key in one} == pytest.approx(one, rel=2e-2)


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
