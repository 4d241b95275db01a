"""The peak that is told is at least what was held, and begins anew."""

import pytest
import torch

from masklet.evaluation.bench import memory
from masklet.evaluation.bench.memory import watch_peak

HELD = 200 * 2**20


def touch(device: str) -> None:
    """Hold so many bytes for a moment."""
    torch.ones(HELD // 4, device=device)


def test_resident_memory_peaks_and_begins_anew():
    peak = watch_peak("cpu")
    before = peak()
    if before is None:
        pytest.skip("this system does not tell a process's peak, or does not let it be reset")
    touch("cpu")
    assert HELD * 0.9 < peak() - before < HELD * 1.5
    again = watch_peak("cpu")()
    assert again < before + HELD / 2


def test_nothing_is_told_where_the_peak_cannot_be_reset(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "RESET", tmp_path / "no folder" / "clear_refs")
    assert watch_peak("cpu")() is None


def test_nothing_is_told_of_other_devices():
    assert watch_peak("meta")() is None


@pytest.mark.gpu
def test_tensors_of_a_gpu():
    before = torch.cuda.memory_allocated()
    peak = watch_peak("cuda")
    touch("cuda")
    assert peak() >= before + HELD
    assert watch_peak("cuda")() < before + HELD
