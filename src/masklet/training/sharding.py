"""Weights shared out over devices (fully sharded data parallel, FSDP): each holds a part of every weight.

A trunk block's weights are fetched when the block is computed and dropped after it, all others when a step begins. SAM
2's models are small beside what a clip needs for gradients, so plain data parallel (DDP) is quicker on most machines;
activation checkpointing and adapters save more memory. Upstream has no FSDP.
"""

from collections.abc import Mapping

from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, distribute_tensor

from masklet.model import Sam2


def sharded_strategy(world_size: int) -> ModelParallelStrategy:
    """The strategy that shares out the weights of a module with a model in it, its only one."""
    return ModelParallelStrategy(_share_out, data_parallel_size=world_size, tensor_parallel_size=1)


def _share_out(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    from torch.distributed.fsdp import fully_shard  # of PyTorch 2.6; all else runs with older ones

    (model,) = module.children()
    assert isinstance(model, Sam2)
    part = mesh["data_parallel"]
    for block in model.trunk.blocks:
        fully_shard(block, mesh=part)
    # Also the rest after each forward pass: between steps weights are averaged, saved and exchanged part by part.
    fully_shard(module, mesh=part, reshard_after_forward=True)
    return module


def whole(tensor: Tensor) -> Tensor:
    """A tensor that may be shared out, put together; all processes call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by name, each put together."""
    return {name: whole(tensor) for name, tensor in state.items()}


def like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole tensor, shared out as another of its shape is, if it is; on that one's device."""
    tensor = tensor.to(other.device)
    return distribute_tensor(tensor, other.device_mesh, other.placements) if isinstance(other, DTensor) else tensor
