"""The most memory that a work takes: of the GPU what tensors take there, elsewhere what the process has in RAM.

Both count all there is, the weights and what earlier works have left too, since that is what must fit.
"""

from collections.abc import Callable
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What to write to `RESET` so that the peak begins anew (proc_pid_clear_refs(5))."""


def watch_peak(device: torch.device | str) -> Callable[[], int | None]:
    """Begin to watch; the function that is returned gives the highest value since, in bytes.

    It gives None where it cannot be told: on a CPU without Linux or without leave to reset the peak, on other devices.
    """
    place = torch.device(device)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        return lambda: torch.cuda.max_memory_allocated(place)
    if place.type == "cpu":
        try:
            RESET.write_text(RESET_PEAK)
            return _resident_peak
        except OSError:
            pass
    return lambda: None


def _resident_peak() -> int:
    """The process's highest resident memory since the peak was reset."""
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[:1] == ["VmHWM:"])
