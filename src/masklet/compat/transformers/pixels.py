"""Pixels by the rules of `transformers`: what images may be, and the arithmetic from there to what the model sees.

Images are resized as bytes and rounded before they are scaled to [0, 1] and normalised, by torch alone, to the bits
that torchvision gives. The native API (`masklet.io.images`) works in floats throughout, and so differs by up to one
step of a byte.

What differs from `transformers`, on purpose: pictures of 16-bit or floating-point grey are scaled to bytes, where there
they are clipped to white; grey arrays (H, W) are images too; maps of labels keep integers of any size; and an image
without pixels is an error that says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from masklet.compat.transformers.load_image import load_image
from masklet.io.decode import picture_to_rgb

Picture: TypeAlias = Image.Image | np.ndarray | Tensor | str | Path
"""One image: of Pillow, an array or a tensor, a path or a URL."""

Pictures: TypeAlias = Picture | Sequence[Any]
"""One image, a list of images, or a batch (B, C, H, W) or (B, H, W, C)."""

_RESAMPLING = {
    Image.Resampling.NEAREST: "nearest-exact",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
}
_CHANNELS = (1, 3, 4)
_FIRST, _LAST = "channels_first", "channels_last"


@dataclass(frozen=True, kw_only=True)
class PixelArithmetic:
    """What is done to the pixels of a batch, in this order: resize to `size` (height, width), rescale, normalise.

    None leaves a step out. mean, std: one number a channel, in units of rescaled pixels.
    """

    size: tuple[int, int] | None
    resample: int
    rescale_factor: float | None
    mean: Sequence[float] | None
    std: Sequence[float] | None

    def apply(self, images: Shaped[Tensor, "*batch C H W"]) -> Shaped[Tensor, "*batch C H2 W2"]:
        """What the model sees of images of one size: float32, but of the images' own type without the last steps."""
        if self.size is not None:
            images = resize(images, self.size, self.resample)
        if self.mean is None or self.std is None:
            return images if self.rescale_factor is None else images * self.rescale_factor
        # Rescaling is folded into the two numbers of each channel: the order of roundings is that of transformers.
        unit = 1.0 if self.rescale_factor is None else 1.0 / self.rescale_factor
        mean = torch.tensor(list(self.mean), device=images.device) * unit
        std = torch.tensor(list(self.std), device=images.device) * unit
        return images.to(torch.float32).sub(mean[:, None, None]).div_(std[:, None, None])


def resize(
    images: Shaped[Tensor, "*batch C H W"], size: tuple[int, int], resample: int = Image.Resampling.BILINEAR
) -> Shaped[Tensor, "*batch C H2 W2"]:
    """Images at another size (height, width), antialiased, of the same dtype: integers are rounded.

    Bytes are resized in torch's fixed-point arithmetic on a CPU, as torchvision does, and in float32 elsewhere.
    """
    mode = _RESAMPLING.get(Image.Resampling(resample)) if resample in list(Image.Resampling) else None
    if mode is None:
        raise ValueError(f"resample is {resample}, but must be 0 (nearest), 2 (bilinear) or 3 (bicubic)")
    if tuple(images.shape[-2:]) == size:
        return images
    planes = images.reshape(-1, *images.shape[-3:])
    if mode == "nearest-exact":
        resized = _pick_nearest(planes, size)
    else:
        is_exact = planes.dtype in (torch.float32, torch.float64)
        is_exact |= planes.dtype == torch.uint8 and planes.device.type == "cpu"
        work = planes if is_exact else planes.to(torch.float32)
        resized = F.interpolate(work, size, mode=mode, align_corners=False, antialias=True)
        if images.dtype == torch.uint8:
            resized = resized.clamp(0, 255)  # bicubic blends overshoot
        if not images.dtype.is_floating_point and not is_exact:
            resized = resized.round()
    return resized.to(images.dtype).reshape(*images.shape[:-2], *size)


def _pick_nearest(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """The nearest pixels, whatever their type."""
    rows, columns = (
        F.interpolate(torch.arange(old, dtype=torch.float32)[None, None], new, mode="nearest-exact")[0, 0].long()
        for old, new in zip(planes.shape[-2:], size, strict=True)
    )
    return planes[..., rows[:, None].to(planes.device), columns.to(planes.device)]


def read_pictures(
    images: Pictures, *, convert_rgb: bool = True, channels: str | None = None, device: Any = None
) -> list[Shaped[Tensor, "C H W"]]:
    """Each image as a tensor with channels first, its values and type as they are, on a device.

    convert_rgb: grey is repeated, and what is transparent is laid over white. channels: "channels_first" or
    "channels_last" for all arrays and tensors; None tells by which axis is 1, 3 or 4 long, the first if both are.
    ValueError: no images, another shape, no pixels; TypeError: another type.
    """
    return [_read_picture(image, convert_rgb, channels).to(device) for image in _flatten(images, 3)]


def read_label_maps(maps: Pictures) -> list[Shaped[Tensor, "H W"]]:
    """Each map of labels (H, W), its values and type as they are: pictures of one channel or a palette, or arrays."""
    tensors = []
    for one in _flatten(maps, 2):
        tensor = _as_tensor(one)
        if tensor.ndim == 3 and 1 in (tensor.shape[0], tensor.shape[-1]):
            tensor = tensor.squeeze(0 if tensor.shape[0] == 1 else -1)
        if tensor.ndim != 2 or tensor.numel() == 0:
            raise ValueError(
                f"a segmentation map has the shape {tuple(tensor.shape)}, but must be (height, width), a label a pixel"
            )
        tensors.append(tensor)
    return tensors


def _flatten(images: Pictures, num_axes: int) -> list[Picture]:
    """A list of single images, of one, a list, a list of lists, or a batch with one more axis than an image has."""
    if isinstance(images, np.ndarray | Tensor) and images.ndim == num_axes + 1:
        images = list(images)
    if isinstance(images, list | tuple):
        if not images:
            raise ValueError("there are no images to process")
        return [image for part in images for image in _flatten(part, num_axes)]
    if isinstance(images, Image.Image | str | Path):
        return [images]
    if isinstance(images, np.ndarray | Tensor):
        if images.ndim in (2, num_axes):
            return [images]
        raise ValueError(
            f"an image has {num_axes} axes and a batch {num_axes + 1}, but this has the shape {tuple(images.shape)}"
        )
    raise TypeError(
        f"an image is a Pillow image, an array, a tensor, a path or a URL, or a list of these, "
        f"not {type(images).__name__}"
    )


def _read_picture(image: Picture, convert_rgb: bool, channels: str | None) -> Tensor:
    if isinstance(image, str | Path):
        image = load_image(image)
    if isinstance(image, Image.Image):
        pixels = _picture_to_rgb(image) if convert_rgb else np.array(image)
        tensor = torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).permute(2, 0, 1)
    else:
        tensor = _channels_first(_as_tensor(image), channels)
        tensor = _to_rgb(tensor) if convert_rgb else tensor
    if tensor.numel() == 0:
        raise ValueError(f"an image of shape {tuple(tensor.shape)} has no pixels")
    return tensor.contiguous()


def _as_tensor(image: Picture) -> Tensor:
    if isinstance(image, str | Path):
        image = load_image(image)
    if isinstance(image, Tensor):
        return image.detach()
    return torch.from_numpy(np.array(image))  # a copy, which torch may write to


def _picture_to_rgb(image: Image.Image) -> np.ndarray:
    """8-bit RGB. Pillow's own rounding of what is transparent, as transformers has it."""
    if image.mode.startswith("I") or image.mode == "F":
        return picture_to_rgb(image)
    if "A" in image.getbands() or "a" in image.getbands() or image.info.get("transparency") is not None:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.array(image.convert("RGB"))


def _channels_first(image: Tensor, channels: str | None) -> Tensor:
    if channels not in (None, _FIRST, _LAST):
        raise ValueError(f"input_data_format is {channels!r}, but must be {_FIRST!r} or {_LAST!r}")
    if image.ndim == 2:
        return image[None]
    if channels is None:
        if not {image.shape[0], image.shape[-1]} & set(_CHANNELS):
            raise ValueError(
                f"an image of shape {tuple(image.shape)} has its channels neither first nor last: 1, 3 or 4 of them "
                "were expected"
            )
        channels = _FIRST if image.shape[0] in _CHANNELS else _LAST
    return image if channels == _FIRST else image.permute(2, 0, 1)


def _to_rgb(image: Shaped[Tensor, "C H W"]) -> Shaped[Tensor, "3 H W"]:
    if len(image) == 1:
        return image.expand(3, -1, -1)
    if len(image) != 4:
        return image
    if image.is_floating_point():
        if image.numel() and (image.min() < 0 or image.max() > 1):
            raise ValueError(
                f"an RGBA image of floats must lie in [0, 1], but this lies in [{image.min():g}, {image.max():g}]: "
                "make it uint8, or drop the fourth channel"
            )
        return _over_white(image.to(torch.float32)).to(image.dtype)
    most = torch.iinfo(image.dtype).max
    mixed = _over_white(image.to(torch.float32) * (1.0 / most))
    return (mixed * (most + 1.0 - 1e-3)).to(image.dtype)  # torchvision's way to bytes


def _over_white(image: Float[Tensor, "4 H W"]) -> Float[Tensor, "3 H W"]:
    return image[:3] * image[3:] + (1 - image[3:])


def as_size(size: Any, argument: str = "size") -> dict[str, int]:
    """A size as {"height", "width"}, of that, a number for both, or (height, width). ValueError for another."""
    sides: Any = size
    if isinstance(size, int) and not isinstance(size, bool):
        sides = {"height": size, "width": size}
    elif isinstance(size, list | tuple) and len(size) == 2:
        sides = {"height": size[0], "width": size[1]}
    if isinstance(sides, Mapping):
        given = {name: value for name, value in sides.items() if value is not None}
        if given.keys() == {"height", "width"} and all(isinstance(side, int) and side >= 1 for side in given.values()):
            return {"height": given["height"], "width": given["width"]}
    raise ValueError(f'{argument} is {size!r}, but must be {{"height": ..., "width": ...}}, in pixels')
