"""Runs in files: what is read, from where, what is told to be wrong, and that what is written is read as the same."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masklet.training.data.images import CocoImagesConfig, ImageFolderConfig
from masklet.training.data.transforms import PUBLISHED
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.prompts import PromptConfig
from masklet.training.run_config import RunConfig
from masklet.training.run_file import find_run, read_run, write_run
from masklet.training.scenes import ScenesConfig
from masklet.training.settings import SettingsError

PHOTOS = """
data:
  train:
    - {kind: image_folder, images: photos, masks: masks}
run:
  steps: 10
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on data beside it, read from another folder."""
    for folder in ("photos", "masks", "away/photos"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "away")
    path = tmp_path / "mine.yaml"
    path.write_text(PHOTOS)
    return path


def problems_of(file: Path, text: str, *overrides: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_run(file, overrides)
    assert str(caught.value).startswith(f"{file} cannot be run:\n")
    return list(caught.value.problems)


def test_what_is_not_said_is_as_published(file: Path) -> None:
    config = read_run(file)
    assert config.prompts == PromptConfig()
    assert config.data.transforms == PUBLISHED
    assert config.data.validation == ()


def test_paths_start_from_where_they_are_given(file: Path, tmp_path: Path) -> None:
    clips = read_run(file, ["data.train.0.images=photos"]).data.train[0].clips
    assert clips == ImageFolderConfig(images=tmp_path / "away/photos", masks=tmp_path / "masks")
    whole = "data.train=[{kind: image_folder, images: photos, masks: photos}]"
    clips = read_run(file, [whole]).data.train[0].clips
    assert clips == ImageFolderConfig(images=tmp_path / "away/photos", masks=tmp_path / "away/photos")


def test_output(file: Path, tmp_path: Path) -> None:
    assert read_run(file).run.output == tmp_path / "away/runs/mine"
    assert read_run(file, ["run.output=there"]).run.output == tmp_path / "away/there"
    assert read_run(file, ["run.output=there"], output="a: b").run.output == tmp_path / "away/a: b"
    file.write_text(PHOTOS + "  output: out")
    assert read_run(file).run.output == tmp_path / "out"
    Path("config.yaml").write_text(PHOTOS.replace("photos", "../photos").replace(" masks}", " ../masks}"))
    assert read_run("config.yaml").run.output == tmp_path / "away/runs/config"


def test_output_is_no_file(file: Path) -> None:
    problems = problems_of(file, PHOTOS + "  output: mine.yaml")
    assert problems == ["run.output is mine.yaml, but that is a file: name a folder"]


def test_a_run_of_a_folder_goes_on_in_it(file: Path) -> None:
    config = read_run(file)
    config.run.output.mkdir(parents=True)
    write_run(config, config.run.output / "config.yaml")
    assert read_run(config.run.output / "config.yaml") == config


def test_weights_are_names_or_files(file: Path, tmp_path: Path) -> None:
    (tmp_path / "own.pt").touch()
    (tmp_path / "nano").touch()
    assert read_run(file, ["model.weights=../own.pt"]).model.weights == str(tmp_path / "away/../own.pt")
    assert read_run(file, ["model.weights=facebook/sam2.1-hiera-tiny"]).model.weights == "facebook/sam2.1-hiera-tiny"
    file.write_text(PHOTOS + "model: {weights: nano}")
    assert read_run(file).model.weights == "nano"
    file.write_text(PHOTOS + "model: {weights: own.pt}")
    assert read_run(file).model.weights == str(tmp_path / "own.pt")
    (problem,) = problems_of(file, PHOTOS + "model: {weights: sam2.1_hiera_tny}")
    assert "did you mean sam2.1_hiera_tiny" in problem


def test_held_out_parts_validate(file: Path) -> None:
    train, validation = _train_and_validation(read_run(file, ["data.train.0.held_out=0.2"]))
    assert (train.part, validation.part) == ("train", "held_out")
    assert (train.held_out, validation.held_out) == (0.2, 0.2)
    assert read_run(file, ["data.train.0.held_out=0.2", "data.validation=[]"]).data.validation == ()


def test_held_out_videos_are_seen_once(file: Path) -> None:
    text = "data: {train: [{kind: video_folder, folder: photos, held_out: 0.5, repeat: 9}]}\nrun: {epochs: 1}"
    file.write_text(text)
    train, validation = _train_and_validation(read_run(file))
    assert (train.repeat, validation.repeat) == (9, 1)


def _train_and_validation(config: RunConfig) -> tuple[Any, Any]:
    return config.data.train[0].clips, config.data.validation[0].clips


def test_data_sets_of_videos_are_kinds(file: Path, tmp_path: Path) -> None:
    for kind, name in (("mose", "mose"), ("video_folder", "folder")):
        config = read_run(file, [f"data.train=[{{kind: {kind}, folder: photos}}]"])
        assert config.data.train[0].clips == VideoClipsConfig(folder=tmp_path / "away/photos", kind=name)


def test_sources_differ_from_the_rest_in_what_they_say(file: Path) -> None:
    config = read_run(
        file,
        [
            "prompts.num_corrections=2",
            "data.train.0.prompts.click_probability=1",
            "data.transforms.affine.degrees=3",
            "data.train.0.transforms.flip_probability=0",
        ],
    )
    source = config.data.train[0]
    assert source.prompts == PromptConfig(num_corrections=2, click_probability=1.0)
    assert source.transforms is not None
    assert (source.transforms.flip_probability, source.transforms.affine.degrees) == (0.0, 3.0)
    assert source.transforms.affine.shear == PUBLISHED.affine.shear
    assert config.prompts.click_probability == 0.5


def test_scenes_are_of_the_models_size(file: Path) -> None:
    given = ["data.train=[{kind: scenes}]", "model.image_size=128"]
    assert read_run(file, given).data.train[0].clips == ScenesConfig(image_size=128)
    assert read_run(file, ["data.train=[{kind: scenes, image_size: 64}]"]).data.train[0].clips == ScenesConfig(
        image_size=64
    )


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    text = """
modle: {}
data:
  train:
    - {kind: image_folder, images: foto, masks: masks, batch_sise: 3}
    - {kind: cooc}
    - {kind: coco, folder: photos}
    - photos
  transforms: {flip_probability: 2}
  loader: {num_workers: -1}
optimiser:
  learning_rate: fast
  schedule: {kind: cosin}
run: {steps: 10, epochs: 3}
"""
    found = sorted(problems_of(file, text, "loss.mask", "prompts.box_probability=often"))
    expected = [
        "'loss.mask' sets nothing",
        "data.loader: num_workers is -1",
        r"data.train\[0\].batch_sise is no setting: did you mean batch_size",
        r"data.train\[0\].images is foto, but there is no .*foto",
        r"data.train\[1\].kind is 'cooc', .* did you mean coco",
        r"data.train\[2\].annotation_file is missing: it must be a path",
        r"data.train\[2\].folder is no setting",
        r"data.train\[2\].images is missing",
        r"data.train\[3\] is 'photos', but a source is a mapping",
        "data.transforms: flip_probability is .*, but it must be a probability",
        "modle is no setting: did you mean model",
        "optimiser.learning_rate is 'fast', but it must be a number",
        r"optimiser.schedule.kind is 'cosin', .* \(did you mean cosine\?\)",
        "prompts.box_probability is 'often', but it must be a number",
        "run: steps is 10 and epochs 3.0, but exactly one",
    ]
    assert len(found) == len(expected)
    for problem, words in zip(found, expected, strict=True):
        assert re.match(words, problem), problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "data is missing"),
        ("data: {train: []}", "run: steps is None and epochs None, but exactly one"),
        ("data: {train: []}\nrun:", "run: steps is None and epochs None, but exactly one"),
        ("data:\nrun: {steps: 1}", "data is null|data.train is missing"),
        ("data: {train: {}}\nrun: {steps: 1}", r"data.train is \{\}, but it must be a list of sources"),
        ("data: {train: []}\nrun: {steps: 1}", "data: train is empty"),
        ("run: 3\ndata: 4", "run is 3, but it must be a mapping of settings"),
    ],
)
def test_files_that_are_no_run(file: Path, text: str, words: str) -> None:
    assert re.search(words, "\n".join(problems_of(file, text)))


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"[1]", r"mine\.yaml is \[1\], but .* a mapping of sections: model, data"),
        (b"a: [", r"mine\.yaml is no YAML: line 1"),
        (b"\xff\xfe\x00", r"mine\.yaml is no text in UTF-8"),
    ],
)
def test_files_that_have_no_settings(file: Path, contents: bytes, words: str) -> None:
    file.write_bytes(contents)
    with pytest.raises(ValueError, match=words) as caught:
        read_run(file)
    assert not isinstance(caught.value, SettingsError)


def test_recipes_and_files_that_are_not_there(file: Path) -> None:
    assert find_run("image_folder").is_file()
    assert find_run("../mine.yaml") == Path("../mine.yaml")
    with pytest.raises(FileNotFoundError, match="did you mean image_folder"):
        find_run("image_foldr")
    with pytest.raises(FileNotFoundError, match=r"the recipes are .*mose_finetune"):
        find_run("zzz")
    Path("runs/one").mkdir(parents=True)
    Path("runs/one/config.yaml").touch()
    with pytest.raises(FileNotFoundError, match=r"did you mean runs/one/config\.yaml"):
        find_run("runs/one")


def _values_of(hint: Any, default: Any, folder: Path) -> st.SearchStrategy[Any]:
    """Values of a type near a default."""
    if is_dataclass(default) and not isinstance(default, type):
        return _changed(default, folder)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if hint == Path | None:
        return st.sampled_from([None, folder])
    if hint is bool:
        return st.booleans()
    if isinstance(default, str) and hint == str | None:
        return st.sampled_from([default, None])
    if isinstance(default, float):
        return st.sampled_from([default, default / 2, default / 3])
    return st.just(default)


def _changed(config: Any, folder: Path) -> st.SearchStrategy[Any]:
    hints = get_type_hints(type(config))
    parts = {each.name: _values_of(hints[each.name], getattr(config, each.name), folder) for each in fields(config)}

    def make(values: dict[str, Any]) -> Any:
        try:
            return type(config)(**values)
        except ValueError:
            return config

    return st.fixed_dictionaries(parts).map(make)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.data())
def test_what_is_written_is_read_as_the_same(file: Path, tmp_path: Path, data: st.DataObject) -> None:
    photos = {"images": tmp_path / "photos"}
    sources = [
        ImageFolderConfig(masks=tmp_path / "masks", **photos),
        CocoImagesConfig(annotation_file=file, categories=("cat", "1e5", "no"), **photos),
        VideoClipsConfig(folder=tmp_path, kind=data.draw(st.sampled_from(["folder", "mose", "sav-train"]))),
        ScenesConfig(root=tmp_path),
    ]
    before = read_run(file, ["model.lora={}", "average={}", "data.validation=[{kind: sa1b, folder: photos}]"])
    changed = data.draw(_changed(before, tmp_path))
    object.__setattr__(
        changed,
        "data",
        type(before.data)(
            train=tuple(
                type(before.data.train[0])(
                    clips=data.draw(_changed(clips, tmp_path)),
                    prompts=data.draw(st.sampled_from([None, PromptConfig(num_corrections=1)])),
                )
                for clips in data.draw(st.lists(st.sampled_from(sources), min_size=1, max_size=3))
            ),
            validation=data.draw(st.sampled_from([(), before.data.validation])),
            transforms=data.draw(_changed(PUBLISHED, tmp_path)),
            loader=before.data.loader,
        ),
    )
    write_run(changed, tmp_path / "again.yaml")
    assert read_run(tmp_path / "again.yaml") == changed
