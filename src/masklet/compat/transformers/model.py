"""`Sam2Model`: masks of prompted objects in still images, with the arguments and outputs of `transformers`.

A batch is of B images with P objects each. All is the engine's; here are the shapes, the rules of prompts (`prompts`),
and the choice among candidate masks: three of each object or, with `multimask_output=False`, the single one, in whose
place the best of three is used where it wavers (outside training, and where the configuration says so).

Different from `transformers`: `vision_attentions` and `mask_decoder_attentions` are weights, not the outputs of
attention layers; `input_masks` can be one for each object; a ValueError names images and prompts of wrong shapes.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.compat.transformers.config import Sam2Config
from masklet.compat.transformers.hooks import guide, watch_decoder, watch_trunk
from masklet.compat.transformers.outputs import Sam2ImageSegmentationOutput, Sam2VisionEncoderOutput
from masklet.compat.transformers.pretrained import PreTrainedModel
from masklet.compat.transformers.prompts import Prompts, dense_embeddings, sparse_embeddings
from masklet.compat.transformers.vision import Sam2VisionModel, Wanted, checked_pixels, encode
from masklet.model import Sam2
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.prompt_encoder import PADDING, PromptEncoder
from masklet.ops.multimask import StabilityPolicy, answering
from masklet.types import DecodedMasks, ImageFeatures, PromptEmbeddings


class Sam2Model(PreTrainedModel):
    """SAM 2 for still images."""

    config_class = Sam2Config
    config: Sam2Config

    @property
    def vision_encoder(self) -> Sam2VisionModel:
        """The image encoder, as a model of the same weights: to be frozen, trained or run by itself."""
        return Sam2VisionModel(self.config.vision_config, _of_same_layers(self.engine))

    @property
    def prompt_encoder(self) -> PromptEncoder:
        """masklet's prompt encoder, to be frozen or trained by itself."""
        return self.engine.prompt_encoder

    @property
    def mask_decoder(self) -> MaskDecoder:
        """masklet's mask decoder, to be frozen or trained by itself."""
        return self.engine.mask_decoder

    def forward(
        self,
        pixel_values: Float[Tensor, "B 3 S S"] | None = None,
        input_points: Float[Tensor, "B P N 2"] | None = None,
        input_labels: Int[Tensor, "B P N"] | None = None,
        input_boxes: Float[Tensor, "B P 4"] | None = None,
        input_masks: Float[Tensor, "B 1 h w"] | None = None,
        image_embeddings: Sequence[Tensor] | None = None,
        multimask_output: bool = True,
        attention_similarity: Tensor | None = None,
        target_embedding: Tensor | None = None,
        **kwargs: Any,
    ) -> Sam2ImageSegmentationOutput | tuple[Any, ...]:
        """Masks of the prompted objects of images, or of their embeddings.

        pixel_values: normalised RGB. image_embeddings: instead of them, what `get_image_embeddings` or an earlier call
        gave. Prompts: see `prompts.Prompts`; points without labels are all in the object, and without any prompt there
        is one object an image. attention_similarity, target_embedding: see `hooks.guide`. kwargs:
        output_hidden_states, output_attentions, return_dict.

        ValueError: images and embeddings both given, or neither; prompts of a wrong shape, or that contradict each
        other.
        """
        if (pixel_values is None) == (image_embeddings is None):
            raise ValueError(
                "give either pixel_values or image_embeddings (which get_image_embeddings makes of them, to be used "
                f"again): {'neither is' if pixel_values is None else 'both are'} given"
            )
        wanted = Wanted.of(self.config, kwargs)
        with watch_trunk(self.engine.trunk, hidden_states=wanted.hidden_states, attentions=wanted.attentions) as seen:
            maps = self._encode(pixel_values) if image_embeddings is None else _checked_maps(image_embeddings)
        prompts = _prompts(maps[-1], input_points, input_labels, input_boxes, input_masks)
        transformer = self.engine.mask_decoder.transformer
        with (
            watch_decoder(transformer, attentions=wanted.attentions) as decoder,
            guide(transformer, _shape(prompts), attention_similarity, target_embedding),
        ):
            decoded = self._decode(maps, prompts)
        logits, iou_scores = self._chosen(decoded, multimask_output)
        output = Sam2ImageSegmentationOutput(
            iou_scores=iou_scores.unflatten(0, _shape(prompts)),
            pred_masks=logits.unflatten(0, _shape(prompts)),
            object_score_logits=decoded.object_score.unflatten(0, _shape(prompts)),
            image_embeddings=maps,
            vision_hidden_states=tuple(seen.hidden_states) or None,
            vision_attentions=tuple(seen.attentions) or None,
            mask_decoder_attentions=tuple(decoder.attentions) or None,
        )
        return output if wanted.names else output.to_tuple()

    @torch.no_grad()
    def get_image_embeddings(self, pixel_values: Float[Tensor, "B 3 S S"], **kwargs: Any) -> list[Tensor]:
        """Three maps (B, C, h, w) of images, at strides 4, 8 and 16, to be given to any number of calls."""
        return self._encode(pixel_values)

    def get_image_features(
        self, pixel_values: Float[Tensor, "B 3 S S"], **kwargs: Any
    ) -> Sam2VisionEncoderOutput | tuple[Any, ...]:
        """What the image encoder says of images; its three maps projected for the mask decoder, as (h * w, B, C).

        Nothing is added to the last of them for there being no memory. kwargs: as those of `forward`.
        """
        wanted = Wanted.of(self.config, kwargs)
        pixels = checked_pixels(pixel_values, self.engine.config.image_size).to(self.dtype)
        output = encode(self.engine.trunk, self.engine.neck, pixels, wanted)
        assert output.fpn_hidden_states is not None
        assert output.fpn_position_encoding is not None
        stride4, stride8, stride16 = output.fpn_hidden_states
        maps = [*self.engine.mask_decoder.project_high_res(stride4, stride8), stride16]
        output.fpn_hidden_states = [x.flatten(2).permute(2, 0, 1) for x in maps]
        output.fpn_position_encoding = [x.flatten(2).permute(2, 0, 1) for x in output.fpn_position_encoding]
        return output if wanted.names else output.to_tuple()

    @torch.no_grad()
    def get_prompt_embeddings(
        self,
        input_points: Float[Tensor, "B P N 2"] | None = None,
        input_labels: Int[Tensor, "B P N"] | None = None,
        input_boxes: Float[Tensor, "B P 4"] | None = None,
        input_masks: Float[Tensor, "B 1 h w"] | None = None,
    ) -> tuple[Float[Tensor, "B P K C"] | None, Float[Tensor, "B C h w"]]:
        """Prompts encoded: tokens, None without points and boxes, and a map of the mask, or of there being none.

        ValueError: as of `forward`, and points without labels.
        """
        prompts = Prompts(points=input_points, labels=input_labels, boxes=input_boxes, masks=input_masks)
        encoder = self.engine.prompt_encoder
        sparse = sparse_embeddings(encoder, prompts)
        num_images = 1 if sparse is None else len(sparse)
        if input_masks is None:
            return sparse, dense_embeddings(encoder, None, (1, 1)).expand(num_images, -1, -1, -1)
        shape = input_masks.shape[0], input_masks.shape[1] if input_masks.ndim == 4 else 1
        return sparse, dense_embeddings(encoder, input_masks, shape)

    def get_image_wide_positional_embeddings(self) -> Float[Tensor, "1 C h w"]:
        """The position encoding of the image embedding."""
        side = self.engine.config.embedding_side
        return self.engine.prompt_encoder.grid_position().transpose(1, 2).unflatten(2, (side, side))

    def _encode(self, pixel_values: Tensor | None) -> list[Tensor]:
        pixels = checked_pixels(pixel_values, self.engine.config.image_size).to(self.dtype)
        features = self.engine.encode_image(pixels)
        return [features.stride4, features.stride8, self.engine.attend_memory(features.stride16)]

    def _decode(self, maps: Sequence[Tensor], prompts: Prompts) -> DecodedMasks:
        """All candidates of B times P prompts."""
        num_images, num_objects = _shape(prompts)
        if num_images > 1:  # one image is shared by its objects
            maps = [x.repeat_interleave(num_objects, 0) for x in maps]
        stride4, stride8, embedding = maps
        sparse = sparse_embeddings(self.engine.prompt_encoder, prompts)
        assert sparse is not None, "there is a point where there is no prompt"
        dense = dense_embeddings(self.engine.prompt_encoder, prompts.masks, _shape(prompts))
        size = self.engine.config.image_size
        features = ImageFeatures(embedding, stride8, stride4, ((size, size),) * len(embedding))
        return self.engine.decode_masks(embedding, features, PromptEmbeddings(sparse.flatten(0, 1), dense))

    def _chosen(self, decoded: DecodedMasks, multimask_output: bool) -> tuple[Tensor, Tensor]:
        """Logits (B * P, M, h, w) and IoU scores (B * P, M) of three candidates or of one."""
        policy = None if self.training else self._stability()
        answer = answering(decoded.logits, decoded.iou_scores, multimask_output, policy)
        return decoded.logits[answer], decoded.iou_scores[answer]

    def _stability(self) -> StabilityPolicy | None:
        """When a single mask wavers; None where the configuration says not to look."""
        decoder = self.config.mask_decoder_config
        if not decoder.dynamic_multimask_via_stability:
            return None
        return StabilityPolicy(
            delta=decoder.dynamic_multimask_stability_delta, threshold=decoder.dynamic_multimask_stability_thresh
        )


def _prompts(
    embedding: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None
) -> Prompts:
    """The prompts for some images. Where there are none, each image gets a point that is not one."""
    num_images = len(embedding)
    if points is None and boxes is None:
        points = embedding.new_zeros(num_images, 1, 1, 2)
        labels = torch.full((num_images, 1, 1), PADDING, device=embedding.device)
    if isinstance(points, Tensor) and labels is None:
        labels = torch.ones(points.shape[:-1], dtype=torch.long, device=points.device)
    prompts = Prompts(points=points, labels=labels, boxes=boxes, masks=masks)
    if _shape(prompts)[0] != num_images:
        raise ValueError(
            f"there are {num_images} images and prompts for {_shape(prompts)[0]}: the first axis of input_points and "
            "input_boxes is that of the images"
        )
    return prompts


def _of_same_layers(engine: Sam2) -> Sam2:
    """Another model that shares its layers, of which it can then do without some."""
    model = copy.copy(engine)
    model._modules, model._parameters = dict(engine._modules), dict(engine._parameters)
    return model


def _shape(prompts: Prompts) -> tuple[int, int]:
    assert prompts.shape is not None, "there is a point where there is no prompt"
    return prompts.shape


def _checked_maps(maps: Any) -> list[Tensor]:
    if isinstance(maps, Tensor) or len(maps) != 3 or not all(isinstance(x, Tensor) and x.ndim == 4 for x in maps):
        found = f"a tensor {tuple(maps.shape)}" if isinstance(maps, Tensor) else f"{len(maps)} values"
        raise ValueError(
            f"image_embeddings is {found}; it must be the three maps (images, channels, height, width), fine to "
            "coarse, that get_image_embeddings and the image_embeddings of an earlier output are"
        )
    return list(maps)
