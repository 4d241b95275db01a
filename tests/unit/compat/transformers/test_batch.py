import copy
import pickle

import numpy as np
import pytest
import torch

from masklet.compat.transformers.batch import BatchEncoding, BatchFeature


def batch() -> BatchFeature:
    return BatchFeature({"pixel_values": torch.ones(1, 3, 2, 2), "original_sizes": torch.tensor([[4, 6]])})


def test_a_batch_is_a_dictionary_with_attributes():
    found = batch()
    assert found.pixel_values is found["pixel_values"]
    assert list(found) == ["pixel_values", "original_sizes"]
    assert dict(**found).keys() == found.keys()
    assert isinstance(BatchEncoding(), BatchFeature)
    found.pop("original_sizes")
    with pytest.raises(AttributeError, match=r"no 'original_sizes'; it has pixel_values"):
        found.original_sizes  # noqa: B018


def test_a_batch_can_be_copied_and_pickled():
    for again in (copy.deepcopy(batch()), pickle.loads(pickle.dumps(batch()))):
        assert torch.equal(again.original_sizes, torch.tensor([[4, 6]]))


@pytest.mark.parametrize("arguments", [(torch.float16,), ("cpu", torch.float16)])
def test_a_dtype_is_for_floats_alone(arguments: tuple):
    found = batch()
    assert found.to(*arguments) is found
    assert found.pixel_values.dtype == torch.float16
    assert found.original_sizes.dtype == torch.int64
    assert batch().to(dtype=torch.bfloat16, device="cpu").pixel_values.dtype == torch.bfloat16


def test_everything_moves():
    found = BatchEncoding({"a": torch.ones(1), "b": [torch.tensor([1])], "c": "text", "d": None}).to("meta")
    assert found.a.is_meta
    assert found.b[0].is_meta
    assert (found.c, found.d) == ("text", None)


def test_whole_numbers_and_floats_become_tensors_of_their_kind():
    found = BatchFeature({"a": [[1, 2]], "b": [[0.5]], "c": None, "d": "x", "e": []}, "pt")
    assert (found.a.dtype, found.b.dtype, found.e.shape) == (torch.int64, torch.float32, (0,))
    assert (found.c, found.d) == (None, "x")


def test_lists_of_arrays_and_tensors_are_stacked():
    rows = [np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)]
    for entries in (rows, [torch.from_numpy(row) for row in rows], [[torch.ones(2), torch.ones(2)]] * 2):
        assert BatchFeature({"a": entries}, "pt").a.shape[0] == 2
        assert BatchFeature({"a": entries}, "np").a.dtype == np.float32
    assert isinstance(BatchFeature({"a": torch.ones(1)}, "np").a, np.ndarray)
    assert isinstance(BatchFeature({"a": [1]}).a, list)


def test_what_cannot_be_a_tensor_is_named():
    for kind in ("pt", "np"):
        with pytest.raises(ValueError, match=r"input_points cannot be made one array .* return_tensors=None"):
            BatchFeature({"input_points": [[1.0], [1.0, 2.0]]}, kind)
    with pytest.raises(ValueError, match=r"return_tensors is 'tf'; it can be 'pt'"):
        BatchFeature({"a": [1]}, "tf")
    with pytest.raises(ValueError, match=r"'tf'"):
        batch().convert_to_tensors("tf")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_tensors_are_those_of_transformers():
    theirs = pytest.importorskip("transformers").BatchFeature
    data = {"a": [[1, 2]], "b": [[0.5]], "c": [np.ones(2), np.ones(2)], "d": [torch.ones(2)], "e": 3, "f": None}
    expected, found = theirs(dict(data), "pt"), BatchFeature(dict(data), "pt")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert isinstance(found[name], type(value))
        if isinstance(value, torch.Tensor):
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)
