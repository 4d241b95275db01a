"""The tables as tables: every rule is whole, and no two speak of the same tensor."""

import math
import re

import pytest
import torch

from masklet.checkpoint.layouts import foreign_name, native_name
from masklet.checkpoint.names import MEMORY_PARTS, TABLES, Layout
from masklet.config import PRESETS
from masklet.model import Sam2


@pytest.fixture(scope="module")
def native_names() -> list[str]:
    with torch.device("meta"):
        return list(Sam2(PRESETS["sam2.1_hiera_tiny"]).state_dict())


def test_layouts_are_strings():
    assert Layout("hf-video") is Layout.HF_VIDEO
    assert f"{Layout.OFFICIAL}" == "official" == Layout.OFFICIAL


@pytest.mark.parametrize("layout", list(TABLES))
def test_rules_pair_as_many_alternatives(layout):
    for native, foreign in TABLES[layout].rules:
        for mark in ("#", "*"):
            assert native.count(mark) == foreign.count(mark), (native, foreign)
        assert _alternatives(native) == _alternatives(foreign), (native, foreign)


def _alternatives(name: str) -> int:
    return math.prod(len(group.split(",")) for group in re.findall(r"\{(.*?)\}", name))


@pytest.mark.parametrize("layout", list(TABLES))
def test_every_tensor_has_one_name_there_and_the_same_back(layout, native_names):
    stacked = TABLES[layout].stacks
    foreign = {name: foreign_name(name, layout) for name in native_names if name not in stacked}
    assert None not in foreign.values()
    assert len(set(foreign.values())) == len(foreign)
    assert all(native_name(there, layout) == name for name, there in foreign.items())


def test_memory_parts_are_parts_of_the_model(native_names):
    for part in MEMORY_PARTS:
        assert any(name.startswith(part) for name in native_names), part
