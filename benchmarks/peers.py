"""masklet and its peers, PyPI `transformers` and `sam2`, made ready to do the same works with the same weights.

Pictures come as what the models see, and low-res logits are the answer, so resizing and post-processing, in which the
projects differ, are left out; of a video's frame masklet alone also fills holes and makes masks of the frame's size.
"""

import importlib
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from masklet.checkpoint.save import save_model
from masklet.evaluation.bench.clip import SIZE, DiscClip
from masklet.evaluation.bench.clock import Run
from masklet.evaluation.bench.works import point_batches, video_work
from masklet.io.images import preprocess
from masklet.model import Sam2
from masklet.predictors.image import ImagePredictor
from masklet.types import Points

SHORT = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}


def import_first(file: Path) -> None:
    """Import a file that lets peers load here."""
    sys.path.insert(0, str(file.resolve().parent))
    importlib.import_module(file.stem)


class Contender(ABC):
    """One project, with the weights of `model`. folder: for checkpoints in its layout. name: the model's."""

    def __init__(self, model: Sam2, name: str, folder: Path) -> None:
        self.side = model.config.image_size
        self.device = model.device
        self.pixels = preprocess(DiscClip(1)[0], self.side, self.device)[None]
        self.load(model, name, folder)

    @abstractmethod
    def load(self, model: Sam2, name: str, folder: Path) -> None:
        """Take the weights. ImportError or RuntimeError: the project is not here, or does not load."""

    @abstractmethod
    def encode(self) -> Any:
        """The picture's features."""

    @abstractmethod
    def decode(self, features: Any, points: Points) -> Any:
        """Three masks for each of B prompts, as low-res logits."""

    @abstractmethod
    def video(self, num_objects: int) -> Run:
        """One frame with full memory, to be followed again and again; see `video_work`."""

    def predict(self) -> Run:
        """Predict from a click."""
        features = self.encode()
        click = torch.tensor([[DiscClip(1).centres(0)[0]]]) / torch.tensor(SIZE[::-1]) * self.side
        points = Points(click.to(self.device), torch.ones(1, 1, dtype=torch.long, device=self.device))
        return lambda: self.decode(features, points)

    def automatic(self) -> Run:
        """Decode the 1024 clicks of automatic masks, 64 at once."""
        features, batches = self.encode(), point_batches(self.side, self.device)
        return lambda: [self.decode(features, points) for points in batches]


class Masklet(Contender):
    """This project."""

    def load(self, model: Sam2, name: str, folder: Path) -> None:
        self.model, self.predictor = model, ImagePredictor(model)

    def encode(self) -> Any:
        return self.model.encode_image(self.pixels)

    def decode(self, features: Any, points: Points) -> Any:
        return self.predictor.decode(features, points, None, multimask=True).logits

    def video(self, num_objects: int) -> Run:
        return video_work(self.model, num_objects).run


class Transformers(Contender):
    """`Sam2Model` and `Sam2VideoModel`."""

    def load(self, model: Sam2, name: str, folder: Path) -> None:
        from transformers import Sam2Model, Sam2VideoModel

        save_model(model, folder / "image", "hf-image")
        save_model(model, folder / "video", "hf-video")
        self.image_model = Sam2Model.from_pretrained(folder / "image").eval().to(self.device)
        self.video_model = Sam2VideoModel.from_pretrained(folder / "video").eval().to(self.device)

    def encode(self) -> Any:
        return self.image_model.get_image_embeddings(self.pixels)

    def decode(self, features: Any, points: Points) -> Any:
        found = self.image_model(
            image_embeddings=features,
            input_points=points.coords[None],
            input_labels=points.labels[None],
            multimask_output=True,
        )
        return found.pred_masks[0]

    def video(self, num_objects: int) -> Run:
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        model, frame = self.video_model, self.video_model.config.max_object_pointers_in_encoder
        clip = DiscClip(frame + 2, num_objects)
        pixels = torch.stack([preprocess(clip[index], self.side) for index in range(len(clip))])
        session = Sam2VideoInferenceSession(pixels, *SIZE, *[self.device] * 3, torch.float32)
        for number, centre in enumerate(clip.centres(0)):
            click = torch.tensor(centre) / torch.tensor(SIZE[::-1]) * self.side
            inputs = {"point_coords": click.view(1, 1, 1, 2), "point_labels": torch.ones(1, 1, 1, dtype=torch.int32)}
            session.add_point_inputs(session.obj_id_to_idx(number), 0, inputs)
        session.obj_with_new_inputs = list(range(num_objects))
        model(inference_session=session, frame_idx=0)
        for outputs in session.output_dict_per_obj.values():
            for before in range(1, frame):
                outputs["non_cond_frame_outputs"][before] = outputs["cond_frame_outputs"][0]

        def run() -> Any:
            session.cache.clear_all()
            return model(inference_session=session, frame_idx=frame)

        return run


class Official(Contender):
    """PyPI `sam2`, with the inner methods of its model, so that no resizing is timed."""

    def load(self, model: Sam2, name: str, folder: Path) -> None:
        from sam2.build_sam import build_sam2, build_sam2_video_predictor

        checkpoint = str(save_model(model, folder / "official.pt", "official"))
        family, _, size = name.partition("_hiera_")
        config = f"configs/{family}/{family}_hiera_{SHORT[size]}.yaml"
        options = {"device": str(self.device), "hydra_overrides_extra": [f"++model.image_size={self.side}"]}
        self.image_model = build_sam2(config, checkpoint, **options)
        self.predictor = build_sam2_video_predictor(config, checkpoint, **options)
        self.predictor.fill_hole_area = 0  # it cannot fill holes without its CUDA extension, and warns

    def encode(self) -> Any:
        return self.image_model.forward_image(self.pixels)

    def decode(self, features: Any, points: Points) -> Any:
        model = self.image_model
        sparse, dense = model.sam_prompt_encoder(points=(points.coords, points.labels), boxes=None, masks=None)
        return model.sam_mask_decoder(
            image_embeddings=features["vision_features"] + model.no_mem_embed[..., None].transpose(1, 2),
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=len(sparse) > 1,
            high_res_features=features["backbone_fpn"][:2],
        )[0]

    def video(self, num_objects: int) -> Run:
        predictor, frame = self.predictor, self.predictor.max_obj_ptrs_in_encoder
        clip = DiscClip(frame + 2, num_objects)
        with tempfile.TemporaryDirectory() as folder:
            for index in range(len(clip)):
                Image.fromarray(clip[index]).save(Path(folder) / f"{index:05d}.jpg")
            state = predictor.init_state(folder)
        for number, centre in enumerate(clip.centres(0)):
            points, labels = np.array([centre], np.float32), np.ones(1, np.int32)
            predictor.add_new_points_or_box(state, 0, number, points=points, labels=labels)
        predictor.propagate_in_video_preflight(state)
        for outputs in state["output_dict_per_obj"].values():
            for before in range(1, frame):
                outputs["non_cond_frame_outputs"][before] = outputs["cond_frame_outputs"][0]

        def run() -> Any:
            state["cached_features"].clear()
            return list(predictor.propagate_in_video(state, start_frame_idx=frame, max_frame_num_to_track=0))

        return run


PEERS: dict[str, Callable[[Sam2, str, Path], Contender]] = {"transformers": Transformers, "sam2": Official}
