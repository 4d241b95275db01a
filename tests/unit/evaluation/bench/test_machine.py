"""What the machine is called, and the scale of its speed."""

import pytest
import torch

from masklet.evaluation.bench import machine
from masklet.evaluation.bench.clock import Timing
from masklet.evaluation.bench.machine import Machine, describe_machine, matmul_rate


def test_this_machine():
    found = describe_machine("cpu")
    assert found.processor
    assert found.accelerator is None
    assert found.num_threads == torch.get_num_threads()
    assert str(found).startswith(found.processor)
    assert f"torch {torch.__version__}" in str(found)


def test_a_gpu_comes_before_its_processor():
    known = Machine(processor="CPU 1", accelerator="GPU 2", num_threads=3, torch="2.5", system="Linux 6")
    assert str(known) == "GPU 2 (CPU 1), 3 threads, torch 2.5, Linux 6"


def test_processors_without_a_name_in_linux(monkeypatch):
    monkeypatch.setattr(machine.Path, "read_text", lambda self: "processor : 0\nBogoMIPS : 50\n")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert describe_machine("cpu").processor == "aarch64"


def test_operations_a_second_are_two_for_each_product(monkeypatch):
    monkeypatch.setitem(machine.MATMUL_SIDE, "cpu", 64)
    monkeypatch.setattr(machine, "measure", lambda run, **_: Timing(seconds=(2.0,)))
    assert matmul_rate("cpu", torch.float32) == 64**3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rates_are_measured(dtype, monkeypatch):
    monkeypatch.setitem(machine.MATMUL_SIDE, "cpu", 64)
    assert matmul_rate("cpu", dtype, repeats=1) > 0


@pytest.mark.gpu
def test_a_gpu_has_a_name():
    found = describe_machine("cuda")
    assert found.accelerator == torch.cuda.get_device_name()
    assert str(found).startswith(torch.cuda.get_device_name())
    assert matmul_rate("cuda", torch.float16) > 0
