"""The one tracking step: from a frame's features, what is remembered and what is said, to masks and new memories.

Inference and training both take it. B objects of one frame, or of one frame each, go through together: memories of
different lengths are padded and masked, so an object's numbers do not depend on its company.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.config import MASK_STRIDE
from masklet.model import Sam2
from masklet.model.position import sine_time
from masklet.ops.masks import MASK_LOGIT, resize_logits
from masklet.ops.multimask import StabilityPolicy, best_multimask, single_mask
from masklet.tracking.memory_bank import Selection
from masklet.types import DecodedMasks, ImageFeatures, MemoryTokens, PointLabel, Points

ABSENT_LOGIT = -1024.0
"""Every mask logit of an object that is not on the frame, as upstream has it."""

MAX_AMBIGUOUS_POINTS = 1
"""With so many points or fewer, also none, the best of the multimasks is the answer; a box is two points."""


@dataclass(frozen=True)
class ObjectMasks:
    """What a step finds of B objects.

    logits: low-res mask logits, float32; `ABSENT_LOGIT` where the object is absent. iou_scores: predicted IoU in
    [0, 1]. object_scores: logit that the object is there. pointers: for later frames. candidates: all that the decoder
    said. drawn: masks at model pixels that were taken for the answer, where they are to be remembered as they are.
    """

    logits: Float[Tensor, "B 1 h w"]
    iou_scores: Float[Tensor, "B"]
    object_scores: Float[Tensor, "B 1"]
    pointers: Float[Tensor, "B C"]
    candidates: DecodedMasks
    drawn: Bool[Tensor, "B 1 S S"] | None = None

    @property
    def present(self) -> Bool[Tensor, "B 1"]:
        """Whether each object is on the frame."""
        return self.object_scores > 0


def step(
    model: Sam2,
    features: ImageFeatures,
    selections: Sequence[Selection[Tensor, Tensor]] | None,
    points: Points | None = None,
    mask_logits: Float[Tensor, "B 1 h w"] | None = None,
    stability: StabilityPolicy | None = None,
) -> ObjectMasks:
    """Find B objects on a frame. `features` are of one frame, or of B.

    selections: what each object remembers; None on a frame that is to be read from prompts alone. points: in model
    pixels, as many for every object. mask_logits: the masks so far, to be refined. stability: when a single mask is
    replaced by the best of the multimasks.
    """
    embedding = look_back(model, features, selections)
    return answer(model, embedding, features, points, mask_logits, stability)


def look_back(
    model: Sam2, features: ImageFeatures, selections: Sequence[Selection[Tensor, Tensor]] | None
) -> Float[Tensor, "B C H W"]:
    """The first half of a `step`: the frame's embedding in the light of what each object remembers."""
    memory = None if selections is None else gather(model, selections)
    return model.attend_memory(features.stride16, memory)


def answer(
    model: Sam2,
    embedding: Float[Tensor, "E C H W"],
    features: ImageFeatures,
    points: Points | None = None,
    mask_logits: Float[Tensor, "B 1 h w"] | None = None,
    stability: StabilityPolicy | None = None,
) -> ObjectMasks:
    """The second half of a `step`: masks from the embedding that `look_back` gave, which serves any number of prompts.

    E is B, or 1 for one image.
    """
    num_points = 0 if points is None else points.labels.shape[1]
    if points is None:
        points = _no_points(len(embedding) if mask_logits is None else len(mask_logits), model.device)
    decoded = model.decode_masks(embedding, features, model.encode_prompts(points, mask_logits))
    if num_points <= MAX_AMBIGUOUS_POINTS:
        chosen = token = best_multimask(decoded.iou_scores)
    else:
        chosen = single_mask(decoded.logits, decoded.iou_scores, stability)
        token = torch.zeros_like(chosen)  # also where a multimask was chosen, as in the model's training
    rows = torch.arange(len(chosen), device=chosen.device)
    present = decoded.object_score > 0
    logits = decoded.logits[rows, chosen][:, None].float()
    return ObjectMasks(
        logits=torch.where(present[..., None, None], logits, ABSENT_LOGIT),
        iou_scores=decoded.iou_scores[rows, chosen],
        object_scores=decoded.object_score,
        pointers=model.object_pointer(decoded.tokens[rows, token], present),
        candidates=decoded,
    )


def adopt_masks(
    model: Sam2, features: ImageFeatures, masks: Bool[Tensor, "B 1 S S"], *, exact: bool = False
) -> ObjectMasks:
    """Take masks that a person drew, at model pixels, as the answer; the decoder only makes pointers of them.

    As in the released models, it looks at the frame's features as they are, without even the "no memory" vector. exact:
    see `TrackingPolicy.exact_drawn_masks`.
    """
    drawn = masks.to(model.dtype)
    side = masks.shape[-1] // MASK_STRIDE
    coverage = F.interpolate(masks.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)
    prompts = model.encode_prompts(_no_points(len(masks), model.device), model.mask_downsample(drawn))
    decoded = model.decode_masks(features.stride16, features, prompts)
    present = masks.flatten(1).any(1, keepdim=True)
    rows = torch.arange(len(masks), device=masks.device)
    token = best_multimask(decoded.iou_scores) if exact else torch.zeros_like(rows)
    pointers = model.object_pointer(decoded.tokens[rows, token], decoded.object_score > 0)
    return ObjectMasks(
        logits=coverage * (2 * MASK_LOGIT) - MASK_LOGIT,
        iou_scores=torch.ones(len(masks), device=masks.device),
        object_scores=present.float() * (2 * MASK_LOGIT) - MASK_LOGIT,
        pointers=torch.where(present, pointers, model.no_object_pointer),
        candidates=decoded,
        drawn=masks if exact else None,
    )


def remember(
    model: Sam2, features: ImageFeatures, masks: ObjectMasks, *, binary: bool = False
) -> Float[Tensor, "B N D"]:
    """Memory features of the frame for each object: of its probabilities, or of its mask if `binary`."""
    if masks.drawn is not None:
        mask = masks.drawn
    else:
        side = model.config.image_size
        logits = resize_logits(masks.logits, (side, side))
        mask = (logits > 0) if binary else logits.sigmoid()
    return model.encode_memory(features.stride16, mask.to(model.dtype), masks.pointers, masks.present).features


def gather(model: Sam2, selections: Sequence[Selection[Tensor, Tensor]]) -> MemoryTokens:
    """Memories of B objects as memory attention takes them: maps, then pointers, each padded to the longest.

    A selection is of one object, with features (L, D) and pointers (C), or of R objects that look at the same frames,
    with features (R, L, D) and pointers (R, C).
    """
    # All distances at once: what goes to the device is waited for.
    distances = [far / selection.pointer_span for selection in selections for far, _ in selection.pointers]
    on_device = torch.tensor(distances, dtype=torch.float32, device=model.device)
    times = on_device.split([len(selection.pointers) for selection in selections])
    parts = [_tokens(model, selection, far) for selection, far in zip(selections, times, strict=True)]
    return parts[0] if len(parts) == 1 else _join(parts)


def _tokens(model: Sam2, selection: Selection[Tensor, Tensor], distances: Float[Tensor, "P"]) -> MemoryTokens:
    """The memories of one selection, not padded. distances: of its pointers, in pointer spans."""
    device, dtype = model.device, model.dtype
    tokens, position, num_pointer_tokens = [], [], 0
    if selection.spatial:
        # Not indexed with a list, which would go to the device and be waited for, object by object.
        time = torch.stack([model.memory_time[slot, 0] for slot, _ in selection.spatial])
        tokens.append(torch.cat([memory for _, memory in selection.spatial], dim=-2).to(device, dtype))
        position.append((model.memory_position.to(dtype) + time).flatten(0, 1))
    if selection.pointers:
        pointers = torch.stack([pointer.to(device, dtype) for _, pointer in selection.pointers], dim=-2)
        pieces = pointers.unflatten(-1, (-1, model.config.memory.dim))
        tokens.append(pieces.flatten(-3, -2))
        position.append(_pointer_position(model, distances).repeat_interleave(pieces.shape[-2], dim=0))
        num_pointer_tokens = len(position[-1])
    joined = torch.cat(tokens, dim=-2)
    rows = joined.view(-1, *joined.shape[-2:])
    return MemoryTokens(rows, torch.cat(position).expand_as(rows), num_pointer_tokens)


def _join(parts: Sequence[MemoryTokens]) -> MemoryTokens:
    """The memories of several selections, the shorter ones padded and masked."""
    num_pointer = max(part.num_pointer_tokens for part in parts)
    num_spatial = max(part.tokens.shape[1] - part.num_pointer_tokens for part in parts)

    def pad(part: MemoryTokens, values: Tensor) -> Tensor:
        spatial, pointer = values.tensor_split((values.shape[1] - part.num_pointer_tokens,), dim=1)
        spatial = F.pad(spatial, (0, 0, 0, num_spatial - spatial.shape[1]))
        return torch.cat((spatial, F.pad(pointer, (0, 0, 0, num_pointer - pointer.shape[1]))), dim=1)

    if len({(part.tokens.shape[1], part.num_pointer_tokens) for part in parts}) == 1:
        tokens, position = [part.tokens for part in parts], [part.position for part in parts]
        return MemoryTokens(torch.cat(tokens), torch.cat(position), num_pointer)
    tokens, position = [pad(part, part.tokens) for part in parts], [pad(part, part.position) for part in parts]
    real = [pad(part, torch.ones_like(part.tokens[..., :1], dtype=torch.bool)) for part in parts]
    return MemoryTokens(torch.cat(tokens), torch.cat(position), num_pointer, torch.cat(real)[..., 0])


def _pointer_position(model: Sam2, distances: Float[Tensor, "P"]) -> Float[Tensor, "P D"]:
    """Encoded distances in time; zeros in models whose pointers carry none."""
    if model.pointer_time_projection is None:
        return torch.zeros(len(distances), model.config.memory.dim, device=model.device, dtype=model.dtype)
    return model.pointer_time_projection(sine_time(distances, model.config.dim).to(model.dtype))


def _no_points(batch: int, device: torch.device) -> Points:
    """One padding point each: what the released models are given where there is no prompt."""
    coords = torch.zeros(batch, 1, 2, device=device)
    return Points(coords, torch.full((batch, 1), int(PointLabel.PADDING), device=device))
