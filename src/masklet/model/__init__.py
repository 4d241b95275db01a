"""The neural network: modules and nothing else."""

from masklet.model.sam2 import Sam2

__all__ = ["Sam2"]
