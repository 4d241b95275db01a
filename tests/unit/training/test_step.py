"""One training step: its decoder passes, what each is told, and where gradients go."""

import pytest
import torch
from torch import Tensor

from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.training import step
from masklet.training.losses import Losses, LossWeights, mask_losses
from masklet.training.step import PromptConfig, PromptedBatch, image_step
from masklet.types import DecodedMasks, ImageFeatures, PointLabel, Points, PromptEmbeddings

SIDE = 64
ALWAYS_CORRECTED = PromptConfig(box_probability=0.0, correction_probability=1.0, mask_probability=1.0)


class Recorder(Sam2):
    """A model that remembers how it was called."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.images = 0
        self.prompts: list[tuple[Points | None, Tensor | None]] = []
        self.decoded: list[DecodedMasks] = []

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        self.images += 1
        return super().encode_image(pixels)

    def encode_prompts(self, points: Points | None = None, mask_logits: Tensor | None = None) -> PromptEmbeddings:
        self.prompts.append((points, mask_logits))
        return super().encode_prompts(points, mask_logits)

    def decode_masks(self, embedding: Tensor, features: ImageFeatures, prompts: PromptEmbeddings) -> DecodedMasks:
        decoded = super().decode_masks(embedding, features, prompts)
        self.decoded.append(decoded)
        return decoded


@pytest.fixture
def model(model_config: ModelConfig) -> Recorder:
    torch.manual_seed(0)
    return Recorder(model_config).train()


@pytest.fixture
def batch() -> PromptedBatch:
    """Two images with three objects each: squares of 24 pixels, clicked in the middle."""
    torch.manual_seed(1)
    masks = torch.zeros(6, SIDE, SIDE, dtype=torch.bool)
    corners = torch.tensor([(0, 0), (8, 30), (40, 40), (20, 4), (33, 17), (5, 39)])
    for mask, (x, y) in zip(masks, corners.tolist(), strict=True):
        mask[y : y + 24, x : x + 24] = True
    return PromptedBatch(torch.randn(2, 3, SIDE, SIDE), masks, corners + 12.0)


def run(model: Sam2, batch: PromptedBatch, prompts: PromptConfig, seed: int = 0) -> list[Losses]:
    return image_step(model, batch, torch.Generator().manual_seed(seed), prompts=prompts, weights=LossWeights())


def low_res(masks: Tensor) -> Tensor:
    """Mean of every square of 4 x 4."""
    return masks.float().reshape(-1, SIDE // 4, 4, SIDE // 4, 4).mean((2, 4))


def test_a_step_without_correction(model, batch):
    """The image once; one pass for all objects, each with the click it was given; several candidates."""
    losses = run(model, batch, PromptConfig(box_probability=0.0, correction_probability=0.0))
    assert (model.images, len(model.prompts), len(losses)) == (1, 1, 1)
    points, mask = model.prompts[0]
    assert mask is None
    assert torch.equal(points.coords[:, 0], batch.clicks)
    assert points.labels.tolist() == [[PointLabel.POSITIVE]] * 6
    expected = mask_losses(model.decoded[0], low_res(batch.masks), True, LossWeights())
    torch.testing.assert_close(losses[0].total, expected.total)


def test_objects_are_prompted_on_their_own_image(model, batch):
    """Each object's masks are those of its image alone."""
    run(model, batch, PromptConfig(box_probability=0.0, correction_probability=0.0))
    together = model.decoded[0].logits
    for image in range(2):
        rows = slice(3 * image, 3 * image + 3)
        one = PromptedBatch(batch.pixels[image : image + 1], batch.masks[rows], batch.clicks[rows])
        model.decoded.clear()
        run(model, one, PromptConfig(box_probability=0.0, correction_probability=0.0))
        torch.testing.assert_close(model.decoded[0].logits, together[rows], atol=1e-4, rtol=1e-4)


def test_a_box_is_clear_and_teaches_the_single_mask(model, batch):
    losses = run(model, batch, PromptConfig(box_probability=1.0, correction_probability=0.0))
    points = model.prompts[0][0]
    assert points.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]] * 6
    exact = torch.stack((batch.clicks - 12, batch.clicks + 11), dim=1)
    assert (points.coords - exact).abs().max() <= 23 * 0.1 + 1e-4
    expected = mask_losses(model.decoded[0], low_res(batch.masks), False, LossWeights())
    torch.testing.assert_close(losses[0].total, expected.total)


def test_a_correction(model, batch):
    """One click more, somewhere wrong; the logits of the best candidate beside it; then the single mask is taught."""
    losses = run(model, batch, ALWAYS_CORRECTED)
    assert (model.images, len(model.prompts), len(losses)) == (1, 2, 2)
    first = model.decoded[0]
    best = 1 + first.iou_scores[:, 1:].argmax(1)
    shown = first.logits[torch.arange(6), best].detach()
    points, mask_prompt = model.prompts[1]
    assert torch.equal(mask_prompt[:, 0], shown)
    assert not mask_prompt.requires_grad

    assert torch.equal(points.coords[:, 0], batch.clicks)
    assert points.coords.shape == (6, 2, 2)
    # Pixels have whole coordinates at their centres: low-res pixel k is model pixels 4 k to 4 k + 3, borders included.
    column, row = ((points.coords[:, 1] + 0.5) / 4).floor().long().unbind(-1)
    wanted = low_res(batch.masks)[torch.arange(6), row, column] > 0.5
    found = shown[torch.arange(6), row, column] > 0
    assert (wanted != found).all()
    assert torch.equal(points.labels[:, 1] == PointLabel.POSITIVE, wanted)
    expected = mask_losses(model.decoded[1], low_res(batch.masks), False, LossWeights())
    torch.testing.assert_close(losses[1].total, expected.total)


def test_a_correction_of_a_box_shows_the_single_mask(model, batch):
    run(model, batch, PromptConfig(box_probability=1.0, correction_probability=1.0, mask_probability=1.0))
    assert torch.equal(model.prompts[1][1][:, 0], model.decoded[0].logits[:, 0].detach())
    assert model.prompts[1][0].coords.shape == (6, 3, 2)


def test_a_correction_without_its_mask(model, batch):
    run(model, batch, PromptConfig(box_probability=0.0, correction_probability=1.0, mask_probability=0.0))
    assert model.prompts[1][1] is None


def test_corrections_fall_anywhere_in_their_low_res_pixel(model, batch, monkeypatch):
    monkeypatch.setattr(
        step, "correction_clicks", lambda *_: Points(torch.full((6, 1, 2), 7.0), torch.ones(6, 1, dtype=torch.long))
    )
    for seed in range(40):
        run(model, batch, ALWAYS_CORRECTED, seed)
    coords = torch.stack([points.coords[:, 1] for points, _ in model.prompts[1::2]])
    assert coords.min() >= 27.5
    assert coords.max() <= 31.5
    assert coords.min() < 27.6
    assert coords.max() > 31.4


def test_how_often_each_prompt_comes(batch):
    """Counted with a model that does nothing."""
    config = PromptConfig(box_probability=0.3, correction_probability=0.6, mask_probability=0.8)

    class Idle:
        def __init__(self) -> None:
            self.prompts: list[tuple[Points, Tensor | None]] = []

        def encode_image(self, pixels: Tensor) -> ImageFeatures:
            empty = torch.zeros(len(pixels), 1, 1, 1)
            return ImageFeatures(empty, empty, empty, ((SIDE, SIDE),) * len(pixels))

        def attend_memory(self, embedding: Tensor) -> Tensor:
            return embedding

        def encode_prompts(self, points: Points, mask_logits: Tensor | None = None) -> None:
            self.prompts.append((points, mask_logits))

        def decode_masks(self, *_: object) -> DecodedMasks:
            side = SIDE // 4
            return DecodedMasks(
                torch.zeros(6, 4, side, side), torch.zeros(6, 4), torch.zeros(6, 4, 1), torch.zeros(6, 1)
            )

    idle, generator = Idle(), torch.Generator().manual_seed(0)
    steps, second = 300, 0
    for _ in range(steps):
        second += len(image_step(idle, batch, generator, prompts=config, weights=LossWeights())) - 1  # type: ignore[arg-type]
    boxes = sum(len(points.labels[0]) == 2 and points.labels[0, 0] == 2 for points, _ in idle.prompts)
    masks = sum(mask is not None for _, mask in idle.prompts)
    assert boxes / steps == pytest.approx(0.3, abs=0.08)
    assert second / steps == pytest.approx(0.6, abs=0.08)
    assert masks / second == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("prompts", [PromptConfig(box_probability=1.0, correction_probability=0.0), ALWAYS_CORRECTED])
def test_gradients_reach_every_part_that_still_images_use(model, batch, prompts):
    torch.stack([loss.total for loss in run(model, batch, prompts)]).sum().backward()
    taught = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    parts = {name.split(".")[0] for name in taught}
    assert parts == {"trunk", "neck", "prompt_encoder", "mask_decoder", "no_memory"}
    expected = {name for name, _ in model.named_parameters() if name.startswith(("trunk.", "neck."))}
    assert not {name for name in expected - taught if "qkv.bias" not in name}
    assert "prompt_encoder.mask_conv1.weight" in taught or not prompts.correction_probability


def test_a_step_is_the_same_with_the_same_generator(model, batch):
    first, second = (run(model, batch, ALWAYS_CORRECTED, seed=5) for _ in range(2))
    assert [loss.total.item() for loss in first] == [loss.total.item() for loss in second]
