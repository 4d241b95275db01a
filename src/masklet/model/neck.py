"""The feature pyramid over the trunk (Lin et al., 2017), as SAM 2 uses it.

Every stage is projected to the model's width. Only the stride-16 map takes anything from a coarser one (the stride-32
map, enlarged by nearest neighbour); the two finer maps are plain projections, and the coarsest is then dropped.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Neck(nn.Module):
    """Projects the trunk's four maps to one width and keeps three. `laterals` are ordered fine to coarse."""

    def __init__(self, stage_dims: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(stage_dim, dim, 1) for stage_dim in stage_dims)

    def forward(self, maps: list[Float[Tensor, "B _ _ _"]]) -> list[Float[Tensor, "B C _ _"]]:
        """From four BHWC maps to BCHW maps at strides 4, 8 and 16."""
        stride4, stride8, stride16, stride32 = (
            lateral(x.permute(0, 3, 1, 2)) for lateral, x in zip(self.laterals, maps, strict=True)
        )
        # The sum is float32, and stays so under autocast, as the released models were trained.
        enlarged = F.interpolate(stride32.float(), scale_factor=2.0, mode="nearest")
        weights = self.laterals[0].get_parameter("weight")
        return [stride4, stride8, (stride16 + enlarged).to(weights.dtype)]
