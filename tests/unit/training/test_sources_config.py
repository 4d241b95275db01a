"""Sources of a run as values."""

from pathlib import Path

import pytest

from masklet.datasets import DATASETS
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.sources_config import KINDS, DataSection, SourceConfig, ValidationConfig

CLIPS = VideoClipsConfig(folder=Path("videos"))


def test_all_data_sets_of_videos_are_kinds() -> None:
    kinds = {kind for kind, settings in KINDS.items() if settings is VideoClipsConfig}
    assert kinds == DATASETS.keys() - {"folder"} | {"video_folder"}


@pytest.mark.parametrize("field", ["batch_size", "objects_per_clip", "weight"])
def test_sources_that_give_nothing_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 0"):
        SourceConfig(clips=CLIPS, **{field: 0})


@pytest.mark.parametrize("field", ["batch_size", "objects_per_clip", "num_clips"])
def test_validation_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 0"):
        ValidationConfig(clips=CLIPS, **{field: 0})


def test_there_is_something_to_learn_from() -> None:
    with pytest.raises(ValueError, match="train is empty"):
        DataSection(train=())


def test_weights_are_of_all_sources_or_none() -> None:
    weighted, other = SourceConfig(clips=CLIPS, weight=2.0), SourceConfig(clips=CLIPS)
    assert DataSection(train=(weighted, weighted)).train[0].weight == 2.0
    with pytest.raises(ValueError, match="1 of 2 sources"):
        DataSection(train=(weighted, other))
