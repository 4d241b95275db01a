"""Learning one batch by heart: what fits falls, what does not is said."""

from dataclasses import replace

import pytest

from masklet.io.images import read_image
from masklet.training.assemble import prepare_run
from masklet.training.check import LEAST_RATE, NUM_STEPS, PICTURE, raised
from masklet.training.lora import LoraConfig
from masklet.training.optimise import OptimiserConfig


def test_a_run_that_fits_falls(make_run):
    config = make_run()
    config = replace(config, optimiser=replace(config.optimiser, learning_rate=5e-3, layer_decay=1.0))
    report = prepare_run(config).check()
    assert report.falls
    assert len(report.losses) == NUM_STEPS
    assert report.losses[-1] < 0.8 * report.losses[0]
    assert "Data, prompts and losses fit together" in report.text
    assert "2 clips with 4 objects" in report.text
    assert "first answers from" in report.text
    height, width = read_image(config.run.output / PICTURE).shape[:2]
    assert 768 <= width < 820  # true masks, and beside them what was found
    assert 3 * 384 <= height < 3 * 384 + 40  # the curve, and a row for each clip
    assert [path.name for path in config.run.output.iterdir()] == [PICTURE]


def test_what_cannot_learn_is_said(make_run, monkeypatch):
    monkeypatch.setattr("masklet.training.check.NUM_STEPS", 10)
    config = make_run()
    only = tuple(
        f"{part}*" for part in ("trunk.", "neck.", "prompt_", "mask_decoder.", "pointer", "memory_e", "absence")
    )
    config = replace(config, optimiser=replace(config.optimiser, frozen=only))
    report = prepare_run(config).check()
    assert not report.falls
    assert "should have fallen" in report.text
    assert "check.png" in report.text


def test_losses_that_are_no_numbers_are_no_success(make_run):
    config = make_run()
    report = prepare_run(replace(config, optimiser=replace(config.optimiser, learning_rate=1e30))).check()
    assert not report.falls
    assert len(report.losses) < NUM_STEPS
    assert (config.run.output / PICTURE).is_file()


def test_low_rates_are_raised_together_and_it_is_said(make_run, monkeypatch):
    monkeypatch.setattr("masklet.training.check.NUM_STEPS", 2)
    config, times = raised(OptimiserConfig(), 5e-6)
    assert times == pytest.approx(20)
    assert config.learning_rate == pytest.approx(LEAST_RATE)
    assert config.rates == pytest.approx({"trunk.*": 6e-5, "neck.*": 6e-5})
    assert {config.schedule.factor(where) for where in (0, 0.5, 1)} == {1.0}
    enough, times = raised(OptimiserConfig(learning_rate=1e-3, rates={}), 1e-3)
    assert (enough.learning_rate, times) == (1e-3, 1.0)
    low = make_run()
    low = replace(low, optimiser=replace(low.optimiser, learning_rate=1e-6))
    assert "raised 100 times" in prepare_run(low).check().text


def test_rates_of_what_stays_as_it_is_do_not_count(make_run, monkeypatch):
    """Beside adapters most layers are frozen, whatever rate they would have."""
    monkeypatch.setattr("masklet.training.check.NUM_STEPS", 2)
    config = make_run()
    lora = LoraConfig(rank=2, also_train=("mask_decoder.iou_head.*",))
    slow = replace(config.optimiser, rates={"*.lora_*": 1e-6, "mask_decoder.*": 1e-6}, layer_decay=1.0)
    run = prepare_run(replace(config, model=replace(config.model, lora=lora), optimiser=slow))
    assert "raised 100 times" in run.check().text
