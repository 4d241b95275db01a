"""`Sam2Processor`: images and prompts in, what `Sam2Model` takes out, in the words of `transformers`.

What differs from `transformers` is said in `nested` (prompts), `image_processor` and `pixels`; and with
`return_tensors="np"` prompts are arrays as well.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from masklet.compat.transformers.batch import BatchEncoding
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.nested import PAD_VALUE, Canvas, Nested, encode_prompts, read_sizes
from masklet.compat.transformers.pixels import Pictures
from masklet.compat.transformers.processing_base import PROCESSOR_FILE, SavedSettings


class Sam2Processor(SavedSettings):
    """Makes of images and prompts what `Sam2Model` takes.

    target_size: the side of the square that prompts are scaled to; None is that of the image processor.
    point_pad_value: what fills up points and labels where images or objects have fewer than others.
    """

    names: ClassVar[Sequence[str]] = ("target_size", "point_pad_value")
    type_key = "processor_class"
    file_names = (PROCESSOR_FILE, *Sam2ImageProcessor.file_names)
    parts: ClassVar[dict[str, type[SavedSettings]]] = {"image_processor": Sam2ImageProcessor}

    def __init__(
        self, image_processor: Sam2ImageProcessor, target_size: int | None = None, point_pad_value: int = PAD_VALUE
    ) -> None:
        self.image_processor = image_processor
        self.target_size = image_processor.size["height"] if target_size is None else target_size
        self.point_pad_value = point_pad_value

    def __call__(
        self,
        images: Pictures | None = None,
        segmentation_maps: Pictures | None = None,
        input_points: Nested | None = None,
        input_labels: Nested | None = None,
        input_boxes: Nested | None = None,
        original_sizes: Any = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """What `Sam2Model` takes of images, of prompts on them, or of both.

        images, segmentation_maps, kwargs: as `Sam2ImageProcessor.preprocess` takes them. input_points: lists
        [image][object][point][x, y] in pixels of the original images, or an array of those four axes; input_labels:
        [image][object][point], 1 in the object and 0 outside it; input_boxes: [image][box][x0, y0, x1, y1].
        original_sizes: (height, width) of each image, for prompts on images that were encoded before.

        Returns those of pixel_values (B, 3, H, W), original_sizes (B, 2), labels (B, h, w), input_points (B, P, N, 2),
        input_labels (B, P, N) and input_boxes (B, P, 4) that there is something for. ValueError: neither images nor
        sizes, sizes of another number of images, and prompts that `encode_prompts` refuses.
        """
        sizes = None if original_sizes is None else read_sizes(original_sizes)
        if images is not None:
            processed = self.image_processor(images, segmentation_maps, return_tensors=return_tensors, **kwargs)
            num_images = len(processed["original_sizes"])
            if sizes is not None and len(sizes) not in (1, num_images):
                raise ValueError(
                    f"there are {num_images} images and {len(sizes)} original_sizes: give as many, or none"
                )
            sizes = read_sizes(processed["original_sizes"])
            data = dict(processed)
        elif sizes is not None:
            data = {"original_sizes": sizes}
        else:
            raise ValueError(
                "there are neither images nor original_sizes: give images, or original_sizes=[(height, width)] for "
                "prompts on images that were encoded before"
            )
        canvas = Canvas(sizes=sizes, target_size=self.target_size, pad_value=self.point_pad_value)
        prompts = encode_prompts(input_points, input_labels, input_boxes, canvas)
        return BatchEncoding(data | prompts, tensor_type=return_tensors)

    def post_process_masks(
        self,
        masks: Tensor | np.ndarray | Sequence[Tensor | np.ndarray],
        original_sizes: Any,
        mask_threshold: float = 0.0,
        binarize: bool = True,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        apply_non_overlapping_constraints: bool = False,
        **kwargs: Any,
    ) -> list[Tensor]:
        """`Sam2ImageProcessor.post_process_masks`."""
        return self.image_processor.post_process_masks(
            masks,
            original_sizes,
            mask_threshold,
            binarize,
            max_hole_area,
            max_sprinkle_area,
            apply_non_overlapping_constraints,
            **kwargs,
        )

    @property
    def model_input_names(self) -> list[str]:
        """Names of what the model takes of images, and of their sizes."""
        return [*self.image_processor.model_input_names, "original_sizes"]
