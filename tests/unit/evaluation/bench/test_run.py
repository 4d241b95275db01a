"""Measurements are complete, and operations are counted right."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from masklet.evaluation.bench import clock, works
from masklet.evaluation.bench.clock import Timing
from masklet.evaluation.bench.run import BenchOptions, Measurement, count_operations, measure_model, measure_work
from masklet.evaluation.bench.stages import PREPROCESS, REST, STAGES
from masklet.evaluation.bench.works import Work


def test_operations_of_a_layer():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    assert count_operations(lambda: layer(x))[0] == 2 * 3 * 5 * 7


def test_operations_of_a_convolution():
    layer, x = nn.Conv2d(2, 4, 3, padding=1), torch.randn(1, 2, 8, 8)
    count, result = count_operations(lambda: layer(x))
    assert count == 2 * (8 * 8) * (3 * 3) * 2 * 4
    assert isinstance(result, torch.Tensor)


@pytest.mark.parametrize("grad", [True, False])
def test_operations_of_attention_on_a_cpu(grad):
    heads, tokens, keys, dim = 2, 16, 24, 8
    q, k = torch.randn(1, heads, tokens, dim), torch.randn(1, heads, keys, dim)
    with torch.set_grad_enabled(grad):
        count, _ = count_operations(lambda: F.scaled_dot_product_attention(q, k, k))
    assert count == 2 * (2 * heads * tokens * keys * dim)


def test_products_into_a_given_tensor_count():
    a, out = torch.randn(8, 4), torch.empty(8, 8)
    assert count_operations(lambda: torch.mm(a, a.T, out=out))[0] == 2 * 8 * 8 * 4


def measurement(**values) -> Measurement:
    known = {
        "work": "clip",
        "num_objects": 2,
        "num_visible": 1,
        "num_items": 30,
        "unit": "frames",
        "timing": Timing(seconds=(2.0, 3.0, 7.0)),
        "peak_memory": None,
        "stages": {"trunk": 1.0},
        "num_operations": 600,
    }
    return Measurement(**(known | values))


def test_speeds_are_by_the_median():
    assert measurement().items_per_second == 10
    assert measurement().share_of(1000) == pytest.approx(0.2)


def test_measurements_as_json():
    plain = json.loads(json.dumps(measurement().to_json(1000)))
    assert plain["median_seconds"] == 3
    assert (plain["lower_quartile_seconds"], plain["upper_quartile_seconds"]) == (2.5, 5)
    assert plain["seconds"] == [2, 3, 7]
    assert plain["items_per_second"] == 10
    assert plain["share_of_matmul_rate"] == pytest.approx(0.2)
    assert plain["peak_memory_bytes"] is None


def test_a_work_is_measured(remembering_model):
    x = torch.randn(3, 5)
    found = measure_work(remembering_model, Work(name="product", run=lambda: x @ x.T, num_items=4, unit="pairs"), 3)
    assert (found.work, found.num_items, found.unit) == ("product", 4, "pairs")
    assert len(found.timing.seconds) >= 3
    assert found.num_operations == 2 * 3 * 5 * 3
    assert found.stages[REST] == 1
    assert found.num_visible is None


def test_all_works_of_a_model(remembering_model, monkeypatch):
    monkeypatch.setattr(clock, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(works, "CLIP_FRAMES", 3)
    told = []
    options = BenchOptions(works=("encode", "predict", "video", "clip", "encode"), objects=(1, 2, 1), repeats=1)
    found = list(measure_model(remembering_model, options, told.append))
    assert [(f.work, f.num_objects) for f in found] == [
        ("encode", None),
        ("predict", None),
        ("video", 1),
        ("video", 2),
        ("clip", 1),
        ("clip", 2),
    ]
    assert told == [
        "encode",
        "predict",
        "video, 1 object",
        "video, 2 objects",
        "clip, 1 object",
        "clip, 2 objects",
    ]
    for one in found:
        assert one.num_operations > 0
        assert one.items_per_second > 0
        assert list(one.stages) == [PREPROCESS, *STAGES, REST]
        assert sum(one.stages.values()) == pytest.approx(1)
        assert one.num_visible == one.num_objects
    video_one, video_two = found[2:4]
    assert video_two.num_operations > video_one.num_operations


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"works": ["sing"]}, "sing cannot be measured: encode"),
        ({"objects": [1, 0]}, "objects is 0"),
        ({"repeats": 0}, "repeats is 0"),
    ],
)
def test_wrong_options(values, problem):
    with pytest.raises(ValueError, match=problem):
        BenchOptions(**values)


@pytest.mark.gpu
def test_a_model_on_a_gpu(remembering_model):
    model = remembering_model.cuda()
    try:
        found = list(measure_model(model, BenchOptions(objects=(1, 2), repeats=1)))
    finally:
        model.cpu()
    assert all(one.peak_memory for one in found)
    assert all(one.num_operations > 0 for one in found)
