"""From a configuration to a run: models of all beginnings, sources of all kinds, devices, and what is said of it."""

from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest
import torch

from masklet.checkpoint.convert import convert
from masklet.checkpoint.files import read
from masklet.checkpoint.strict import load_into
from masklet.config import preset
from masklet.model import Sam2
from masklet.runtime.load import load_model
from masklet.training.assemble import FUSER_SCALE, build_model, make_fabric, prepare_run
from masklet.training.data.loader import Destination
from masklet.training.data.transforms import Transforms
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.drift import DriftConfig
from masklet.training.lora import LoraConfig, load_lora, merge_lora
from masklet.training.prompts import PromptConfig
from masklet.training.run_config import ModelSection, RunSection
from masklet.training.scenes import MovingScenesConfig, ScenesConfig
from masklet.training.sources_config import SourceConfig

LORA = LoraConfig(rank=2, targets=("trunk.blocks.*.mlp.layers.*",), also_train=("mask_decoder.iou_head.*",))


def test_says_what_the_run_is(make_run):
    rows = prepare_run(make_run(accumulate=2)).describe()
    assert [name for name, _ in rows] == [
        "model",
        "trained",
        "learns from",
        "validated on",
        "steps",
        "runs on",
        "output",
    ]
    text = dict(rows)
    assert "at 64 px" in text["model"]
    assert text["learns from"].endswith("images: 7 items, 2 a batch")
    assert text["validated on"].endswith("images: 1 item")
    assert text["steps"] == "4 of 2 batches each; 2 are a pass over the data"
    assert text["runs on"] == "1 x cpu, float32"
    assert "resumed" not in text["output"]


def test_nothing_is_written_before_it_begins(make_run):
    config = make_run()
    run = prepare_run(config)
    run.describe()
    assert not config.run.output.exists()


def test_the_bundled_model_is_found_and_takes_another_size():
    model = build_model(ModelSection(image_size=128), 0)
    assert model.config == preset("nano").with_image_size(128)
    state = load_model("nano", device="cpu").state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_from_scratch_follows_from_the_seed_and_leaves_others_alone():
    section = ModelSection(weights=None, preset="nano", image_size=64)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other, third = (build_model(section, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["mask_decoder.mask_tokens"], third["mask_decoder.mask_tokens"])


def test_memory_is_woken_if_asked(make_run):
    section = replace(make_run().model, wake_memory=True)
    scales = [block.get_parameter("scale") for block in build_model(section, 0).memory_encoder.fuser]
    assert all(torch.equal(scale, torch.full_like(scale, FUSER_SCALE)) for scale in scales)


def test_weights_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        build_model(ModelSection(weights=str(tmp_path / "none.pt")), 0)
    (tmp_path / "bad.pt").write_bytes(b"bad")
    with pytest.raises(ValueError, match=r"bad\.pt"):
        build_model(ModelSection(weights=str(tmp_path / "bad.pt")), 0)


def test_adapters_are_trained_and_come_out_merged(make_run, tmp_path):
    config = replace(make_run(), model=replace(make_run().model, lora=LORA, checkpoint_blocks=True))
    run = prepare_run(config)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    assert "of" in dict(run.describe())["trained"]
    folder = run.train()
    loaded = load_model(folder / "model.safetensors", device="cpu")
    assert loaded.config == run.model.config
    changed = {name for name, tensor in loaded.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all("mlp.layers" in name or "iou_head" in name for name in changed)
    for name in ("model", "average", "best"):
        base = load_model(config.model.weights, device="cpu")
        load_lora(base, folder / f"{name}_adapters.safetensors")
        merged, expected = merge_lora(base), read(folder / f"{name}.safetensors").state
        assert merged.keys() == expected.keys()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in merged.items())


@pytest.mark.parametrize("name", ["model", "average", "best"])
def test_results_load_and_convert_to_the_official_layout(make_run, tmp_path, name):
    folder = prepare_run(make_run()).train()
    source = folder / f"{name}.safetensors"
    model = load_model(source, device="cpu")
    assert model.config.image_size == 64
    target = tmp_path / "official.pt"
    convert(source, target, "official")
    contents = read(target)
    again = Sam2(model.config)
    load_into(again, contents.state, "official", target)
    ones, others = model.state_dict(), again.state_dict()
    assert all(torch.equal(ones[key], others[key]) for key in ones)


def test_sources_have_what_they_need(make_run, make_squares, pictures, tmp_path):
    config = make_run()
    make_squares(root=tmp_path / "videos")
    clicks = PromptConfig(centre_click_probability=0.5)
    sources = (
        config.data.train[0],
        SourceConfig(clips=VideoClipsConfig(folder=tmp_path / "videos", num_frames=3), prompts=clicks),
        SourceConfig(clips=ScenesConfig(root=pictures, image_size=64), objects_per_clip=2),
        SourceConfig(clips=MovingScenesConfig(root=pictures, image_size=64, num_frames=2)),
        SourceConfig(clips=ScenesConfig(root=pictures, image_size=128)),
    )
    sources = tuple(replace(source, weight=1.0) for source in sources)
    drift = DriftConfig(probability=0.5)
    run = prepare_run(replace(config, data=replace(config.data, train=sources), drift=drift))
    assert run.lessons.drift is drift
    made = run.lessons.sources
    assert [isinstance(source.transform, Transforms) for source in made] == [True, True, False, False, True]
    assert [source.with_centres for source in made] == [False, True, False, False, False]
    assert made[2].objects_per_clip == 2
    assert run.lessons.prompts[0] is config.prompts
    assert run.lessons.prompts[1] is clicks
    shapes = set()
    with torch.no_grad(), closing(run.lessons.batches(0, Destination())) as batches:
        for number, batch in enumerate(islice(batches, 5)):
            shapes.add((run.lessons.plan.batch(number).source, len(batch.pixels), batch.pixels.shape[-1]))
            assert run.lessons.losses(run.model, batch, number).total.isfinite()
    assert shapes == {(0, 1, 64), (1, 3, 64), (2, 1, 64), (3, 2, 64), (4, 1, 64)}


def test_videos_are_learned_from_and_validated(make_run, make_squares, tmp_path):
    config = make_run(validate_every=2)
    make_squares(root=tmp_path / "videos")
    clips = VideoClipsConfig(folder=tmp_path / "videos", num_frames=3)
    held_out = replace(config.data.validation[0], clips=clips, batch_size=1)
    data = replace(config.data, train=(SourceConfig(clips=clips),), validation=(held_out,))
    folder = prepare_run(replace(config, data=data)).train()
    assert "tracked_iou" in (folder / "log.jsonl").read_text()


def test_errors_come_before_anything_is_trained(make_run):
    config = make_run()
    with pytest.raises(ValueError, match="trunck"):
        prepare_run(replace(config, optimiser=replace(config.optimiser, frozen=("trunck.*",))))
    with pytest.raises(ValueError, match="nothing is left to train"):
        prepare_run(replace(config, optimiser=replace(config.optimiser, frozen=("*",))))
    source = config.data.train[0]
    missing = replace(source, clips=replace(source.clips, images=source.clips.images / "none"))
    with pytest.raises(FileNotFoundError, match="none"):
        prepare_run(replace(config, data=replace(config.data, train=(missing,))))


def test_torchrun_says_how_many_processes_there_are(monkeypatch):
    for name, value in {
        "TORCHELASTIC_RUN_ID": "1",
        "LOCAL_WORLD_SIZE": "2",
        "WORLD_SIZE": "6",
        "RANK": "5",
        "LOCAL_RANK": "1",
        "GROUP_RANK": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29400",
    }.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(RunSection(steps=1, accelerator="cpu"))
    assert (fabric.world_size, fabric.global_rank) == (6, 5)
    assert type(fabric.strategy).__name__ == "DDPStrategy"
    sharded = make_fabric(RunSection(steps=1, accelerator="cpu", strategy="fsdp"))
    assert type(sharded.strategy).__name__ == "ModelParallelStrategy"


def test_one_process_unless_told_otherwise():
    fabric = make_fabric(RunSection(steps=1, accelerator="cpu"))
    assert (fabric.world_size, fabric.device.type) == (1, "cpu")


def test_gpus_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"run.devices 8, but this machine has 1 GPU: set run.devices"):
        make_fabric(RunSection(steps=1, accelerator="cuda", devices=8))
