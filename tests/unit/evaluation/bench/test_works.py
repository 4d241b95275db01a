"""The works do what they say: the right number of things, with full memory."""

import numpy as np
import pytest
import torch

from masklet.evaluation.bench import works
from masklet.evaluation.bench.works import (
    CLIP_FRAMES,
    automatic_work,
    clip_work,
    encode_work,
    point_batches,
    predict_work,
    video_work,
)
from masklet.io.files import write_image
from masklet.types import FrameMasks, ImageFeatures, MaskPrediction


def test_encoding(remembering_model):
    work = encode_work(remembering_model)
    assert isinstance(work.run(), ImageFeatures)
    assert (work.num_items, work.unit) == (1, "images")
    assert work.prepare is not None
    side = remembering_model.config.image_size
    assert work.prepare().shape == (3, side, side)  # type: ignore[attr-defined]


def test_predicting(remembering_model):
    found = predict_work(remembering_model).run()
    assert isinstance(found, MaskPrediction)
    assert found.masks.shape == (3, 360, 640)


def test_a_grid_of_clicks(remembering_model, monkeypatch):
    batches = point_batches(64, "cpu")
    assert [tuple(batch.coords.shape) for batch in batches] == [(64, 1, 2)] * 16
    coords = torch.cat([batch.coords for batch in batches])[:, 0]
    assert len(coords.unique(dim=0)) == 1024
    assert (coords.amin(0).tolist(), coords.amax(0).tolist()) == ([1, 1], [63, 63])
    assert all((batch.labels == 1).all() for batch in batches)

    seen = []
    decode = works.ImagePredictor.decode
    monkeypatch.setattr(
        works.ImagePredictor,
        "decode",
        lambda *args, **options: seen.append(decode(*args, **options).logits.shape[:2]),
    )
    work = automatic_work(remembering_model)
    work.run()
    assert seen == [(64, 3)] * 16
    assert work.num_items == 64 * 3 * 16


@pytest.mark.parametrize("num_objects", [1, 3])
def test_a_frame_looks_at_full_memory_and_each_run_at_another(remembering_model, num_objects, monkeypatch):
    work = video_work(remembering_model, num_objects)
    tokens = []
    attend = type(remembering_model).attend_memory

    def watch(self, embedding, memory=None):
        tokens.append((memory.tokens.shape[:2], memory.num_pointer_tokens))
        assert memory.mask is None
        return attend(self, embedding, memory)

    monkeypatch.setattr(type(remembering_model), "attend_memory", watch)
    first, second = work.run(), work.run()
    assert isinstance(first, FrameMasks)
    assert isinstance(second, FrameMasks)
    assert second.frame_index == first.frame_index + 1
    assert set(first.masks) == set(range(1, num_objects + 1))
    config = remembering_model.config
    num_pointers = 16 * config.dim // config.memory.dim
    num_tokens = 7 * config.embedding_side**2 + num_pointers
    assert tokens == [((num_objects, num_tokens), num_pointers)] * 2


def test_a_clip_of_discs(remembering_model):
    work = clip_work(remembering_model, 2)
    last = work.run()
    assert isinstance(last, FrameMasks)
    assert last.frame_index == work.num_items - 1 == CLIP_FRAMES - 1
    assert len(last.masks) == work.num_objects == 2


def test_a_clip_that_is_given(remembering_model, tmp_path):
    for index in range(3):
        write_image(tmp_path / f"{index}.png", np.full((20, 30, 3), 40 * index, np.uint8))
    work = clip_work(remembering_model, 3, tmp_path)
    assert work.num_items == 3
    for _ in range(2):
        last = work.run()
        assert isinstance(last, FrameMasks)
        assert last.frame_index == 2
        assert last.masks[3].shape == (20, 30)
    assert work.prepare is not None
    work.prepare()


def test_a_clip_that_is_missing(remembering_model, tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        clip_work(remembering_model, 1, tmp_path / "none.mp4")
