"""The loop: what it writes, that it goes on exactly however it ended, and what stops it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from masklet.checkpoint.files import read
from masklet.training.assemble import prepare_run
from masklet.training.data.transforms import SQUARE_ONLY
from masklet.training.prompts import PromptConfig
from masklet.training.run_file import read_run, write_run
from masklet.training.trainer import RunStopped

PROGRAM = """
import sys
from masklet.training.assemble import prepare_run
from masklet.training.data.transforms import SQUARE_ONLY
from masklet.training.prompts import PromptConfig
from masklet.training.run_file import read_run
prepare_run(read_run(sys.argv[1])).train()
"""

CENTRES = PromptConfig(box_probability=0.0, centre_click_probability=1.0, num_corrections=0)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are rounded differently when they are shared out among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_of(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {name: read(folder / f"{name}.safetensors").state for name in ("model", "average", "best")}


def assert_same(one: Path, other: Path) -> None:
    ones, others = weights_of(one), weights_of(other)
    for name, state in ones.items():
        assert all(torch.equal(tensor, others[name][key]) for key, tensor in state.items()), name


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def _timeless(line: dict) -> dict:
    return {name: value for name, value in line.items() if not name.endswith("_seconds")}


def test_writes_all_that_a_run_leaves(make_run):
    config = make_run(pictures_every=2, keep_every=3)
    told = []
    folder = prepare_run(config).train(lambda step, steps, _: told.append((step, steps)))
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "state.pt", "log.jsonl", "tensorboard", "pictures"),
        *("model.safetensors", "average.safetensors", "best.safetensors", "weights_000003.safetensors"),
    }
    assert {path.name for path in (folder / "pictures").iterdir()} == {"step_000002.png", "step_000004.png"}
    lines = log_of(folder)
    assert [line["step"] for line in lines if "loss/total" in line] == [1, 2, 3, 4]
    assert [line["step"] for line in lines if "validation/chosen_iou" in line] == [0, 4]
    expected = {"loss/total", "loss/mask", "loss/dice", "loss/iou", "loss/class", "iou/first", "iou/corrected"}
    assert lines[1].keys() == expected | {"step", "rate", "gradient_norm", "step_seconds", "data_seconds"}
    assert set(told) == {(step, 4) for step in range(5)}
    assert read_run(folder / "config.yaml", output=folder) == config


def test_learns_and_follows_the_schedule(make_run):
    before = prepare_run(make_run()).model.state_dict()
    folder = prepare_run(make_run()).train()
    after = weights_of(folder)["model"]
    assert any(not torch.equal(before[name], after[name]) for name in before)
    rates = [line["rate"] for line in log_of(folder) if "rate" in line]
    assert rates == pytest.approx([1e-3, 8.68198e-4, 5.5e-4, 2.31802e-4])


def test_goes_on_to_the_same_bits_after_it_was_told_to_stop(make_run, tmp_path):
    settings = {"steps": 8, "accumulate": 2, "validate_every": 3}
    whole = prepare_run(make_run(**settings, output=tmp_path / "whole")).train()

    told: list[int] = []

    def stop(step: int, _: int, __: object) -> None:
        if step == 3 and 3 not in told:
            os.kill(os.getpid(), signal.SIGTERM)
        told.append(step)

    config = make_run(**settings, output=tmp_path / "stopped", save_every=100)
    with pytest.raises(RunStopped, match="stopped after step 4"):
        prepare_run(config).train(stop)
    assert (tmp_path / "stopped" / "model.safetensors").is_file()
    with pytest.warns(UserWarning, match="save_every was 100, now 2"):
        prepare_run(make_run(**settings, output=tmp_path / "stopped")).train()
    assert_same(whole, tmp_path / "stopped")
    ones, others = ([line for line in log_of(folder) if "step" in line] for folder in (whole, tmp_path / "stopped"))
    assert [_timeless(line) for line in others] == [_timeless(line) for line in ones]


def test_goes_on_to_the_same_bits_after_it_was_killed(make_run, tmp_path):
    """At a random moment, perhaps while something is written."""
    seed = random.randrange(1000)
    print("seed", seed)
    rng = random.Random(seed)
    settings = {"steps": 24, "save_every": 3, "log_every": 7, "validate_every": 10}
    whole = prepare_run(make_run(**settings, output=tmp_path / "whole")).train()
    config = make_run(**settings, output=tmp_path / "killed")
    write_run(config, tmp_path / "killed.yaml")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / "killed.yaml")], env=environment)
    deadline = time.monotonic() + 100
    while not (tmp_path / "killed" / "state.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.6))
    process.kill()
    process.wait()
    assert (tmp_path / "killed" / "state.pt").exists()
    prepare_run(config).train()
    assert_same(whole, tmp_path / "killed")


def test_a_run_that_is_done_stays_as_it_is(make_run, tmp_path):
    folder = prepare_run(make_run()).train()
    kept = weights_of(folder)
    log = (folder / "log.jsonl").read_text()
    prepare_run(make_run()).train()
    assert all(torch.equal(tensor, kept["model"][name]) for name, tensor in weights_of(folder)["model"].items())
    assert (folder / "log.jsonl").read_text() == log


def test_another_run_in_the_folder_is_refused_and_stays(make_run):
    folder = prepare_run(make_run()).train()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    config = make_run()
    other = replace(config, optimiser=replace(config.optimiser, frozen=("trunk.*",)))
    with pytest.raises(ValueError, match="another run"):
        prepare_run(other).train()
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_batches_whose_gradients_are_added_up_are_learned_from_together(make_run, tmp_path):
    """Two batches of one picture, for each step, are as one of two: every picture here has two objects."""
    results = []
    for name, accumulate, batch_size in (("one", 1, 2), ("two", 2, 1)):
        config = make_run(steps=2, accumulate=accumulate, output=tmp_path / name)
        source = replace(config.data.train[0], batch_size=batch_size)
        run = prepare_run(
            replace(
                config,
                data=replace(config.data, train=(source,), transforms=SQUARE_ONLY),
                prompts=CENTRES,
                optimiser=replace(config.optimiser, betas=(0.9, 0.9)),
            )
        )
        results.append(weights_of(run.train())["model"])
    one, two = results
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 2e-4


def test_numbers_that_are_none_stop_the_run_and_are_explained(make_run, tmp_path):
    config = make_run(steps=50)
    config = replace(config, optimiser=replace(config.optimiser, learning_rate=1e30))
    run = prepare_run(config)
    with pytest.raises(FloatingPointError, match=r"step \d+ of 50 .* learning rate of 9.99\d*e\+29") as caught:
        run.train()
    assert "items" in str(caught.value) or "gradient" in str(caught.value)
    assert not (config.run.output / "model.safetensors").exists()


def test_names_the_part_that_is_no_number_and_its_clips(make_run, monkeypatch):
    run = prepare_run(make_run())
    with torch.no_grad():
        run.model.mask_decoder.iou_head.layers[-1].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"at step 1 of 4 the loss is nan \(iou.*\) on items \d+, \d+ of"):
        run.train()


def test_learns_in_mixed_precision(make_run):
    lines = log_of(prepare_run(make_run(precision="bf16-mixed")).train())
    assert all(line["loss/total"] < 100 for line in lines if "loss/total" in line)


def test_the_best_is_kept_though_it_was_before_the_end(make_run, monkeypatch):
    scores = iter([0.2, 0.9, 0.3, 0.1])
    monkeypatch.setattr("masklet.training.trainer.score", lambda found: scores_now[0])
    scores_now = [0.0]

    def measure(self, run, destination):
        scores_now[0] = next(scores)
        return {"chosen_iou": scores_now[0]}

    monkeypatch.setattr("masklet.training.validate.Validator.measure", measure)
    config = make_run(steps=3, validate_every=1, keep_every=1)
    folder = prepare_run(config).train()
    best, then = read(folder / "best.safetensors").state, read(folder / "weights_000001.safetensors").state
    assert all(torch.equal(best[name], then[name]) for name in best)
    assert torch.load(folder / "state.pt", weights_only=True)["best"] == 0.9
