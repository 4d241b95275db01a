"""The machine that something was measured on, and how fast it multiplies matrices: the scale for a model's speed."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from masklet.evaluation.bench.clock import measure

MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}
"""Matrices so large that nothing but the multiplying counts."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What numbers depend on besides the model."""

    processor: str
    accelerator: str | None
    """The GPU's name; None on a CPU."""
    num_threads: int
    """Threads that torch works with on the CPU."""
    torch: str
    system: str

    def __str__(self) -> str:
        where = self.processor if self.accelerator is None else f"{self.accelerator} ({self.processor})"
        return f"{where}, {self.num_threads} threads, torch {self.torch}, {self.system}"


def describe_machine(device: torch.device | str) -> Machine:
    """This machine, as seen from a device."""
    place = torch.device(device)
    accelerator = None if place.type == "cpu" else place.type
    if place.type == "cuda":
        accelerator = torch.cuda.get_device_name(place)
    return Machine(
        processor=_processor(),
        accelerator=accelerator,
        num_threads=torch.get_num_threads(),
        torch=torch.__version__,
        system=f"{platform.system()} {platform.release()}",
    )


def matmul_rate(device: torch.device | str, dtype: torch.dtype, *, repeats: int = 10) -> float:
    """Operations a second in products of large matrices, a multiplication and an addition being two."""
    side = MATMUL_SIDE.get(torch.device(device).type, MATMUL_SIDE["cpu"])
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / measure(lambda: a @ b, repeats=repeats, device=device).median


def _processor() -> str:
    """The processor's own name where Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
