"""How tracking is done where the weights leave a choice. The defaults are those of the released predictors."""

from dataclasses import dataclass, replace

from masklet.config import MemoryConfig, ModelConfig, is_nano, suited_speck_area
from masklet.ops.masks import check_areas
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """Which frames a frame looks back at."""

    num_memories: int = 7
    """Slots of spatial memories: one for prompted frames, however many, and the others for recent ones."""
    max_pointers: int = 16
    """Object pointers of frames less than so many frames away; those of prompted frames always count."""
    stride: int = 1
    """Of the recent frames the last, then every so many-th one."""
    max_conditioning_frames: int | None = None
    """Prompted frames to look at, the nearest in time; None: all."""
    all_conditioning_pointers: bool = False
    """Object pointers of all past prompted frames, also of those whose maps are not looked at."""

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"a memory stride is a number of frames of at least 1, not {self.stride}")
        if self.max_conditioning_frames is not None and self.max_conditioning_frames < 2:
            raise ValueError(
                f"max_conditioning_frames is {self.max_conditioning_frames}, but it must be at least 2, one before and "
                "one after a frame, or None for all"
            )

    @classmethod
    def of_model(
        cls,
        memory: MemoryConfig,
        *,
        stride: int = 1,
        max_conditioning_frames: int | None = None,
        all_conditioning_pointers: bool = False,
    ) -> "MemoryPolicy":
        """With as many memories and pointers as a model was made for."""
        return cls(
            num_memories=memory.num_memories,
            max_pointers=memory.max_pointers,
            stride=stride,
            max_conditioning_frames=max_conditioning_frames,
            all_conditioning_pointers=all_conditioning_pointers,
        )


@dataclass(frozen=True, kw_only=True)
class TrackingPolicy:
    """What is done with what the model says."""

    stability: StabilityPolicy | None = RELEASED_STABILITY
    """When a single mask is replaced by the best of the multimasks; None never does."""
    binary_prompted_memory: bool = True
    """Memories of prompted frames are made of masks, not of probabilities."""
    max_hole_area: int | float = 8.0
    """Holes of at most so many low-res pixels (4 x 4 model pixels each) are filled; 0 leaves them."""
    max_sprinkle_area: int | float = 0.0
    """Specks of at most so many low-res pixels are removed from masks when they are given out, but not from those that
    a person drew, nor from what is remembered. Of a mask that is specks alone the largest stays. 0, as in the original,
    leaves them."""
    memory_stride: int = 1
    max_conditioning_frames: int | None = None
    all_conditioning_pointers: bool = False
    """As in `MemoryPolicy`; so `transformers` has it, while the original leaves these pointers out with the maps."""
    corrections_condition: bool = True
    """Whether frames corrected after they were tracked become conditioning frames, which are looked at from everywhere,
    as in the model's training. If not, a correction is an ordinary memory."""
    clear_around_corrections: bool = False
    """Whether a prompt clears the object's memories of the frames around it, which it may contradict."""
    exact_drawn_masks: bool = False
    """Memories of masks that a person drew are made of them as they are, and pointers of the best multimask; so
    `transformers` has it. The original makes memories of the low-res masks, and pointers of the single mask."""

    def __post_init__(self) -> None:
        check_areas(max_hole_area=self.max_hole_area, max_sprinkle_area=self.max_sprinkle_area)
        MemoryPolicy(stride=self.memory_stride, max_conditioning_frames=self.max_conditioning_frames)


RELEASED_POLICY = TrackingPolicy()

NANO_MAX_CONDITIONING_FRAMES = 3
"""`nano` was taught with three prompted frames at most. Of five videos corrected on seven frames it loses an object
altogether where it looks at all of them, which costs 1 to 3 points of J&F in the mean of one to eight frames."""


def suited_policy(config: ModelConfig) -> TrackingPolicy:
    """What suits a model: the released policy; `nano` looks at fewer prompted frames, and its masks are cleaned of
    specks."""
    if not is_nano(config):
        return RELEASED_POLICY
    return replace(
        RELEASED_POLICY,
        max_conditioning_frames=NANO_MAX_CONDITIONING_FRAMES,
        max_sprinkle_area=suited_speck_area(config),
    )
