"""`masklet everything`: all objects in pictures, or in a video, without pointing at any, as files."""

from typing import Annotated

from cyclopts import Parameter

from masklet.cli.console import UsageError
from masklet.cli.draw_options import DrawOptions
from masklet.cli.everything_options import EverythingOutput, FindOptions, FollowOptions
from masklet.cli.everything_pictures import find_in_pictures
from masklet.cli.everything_video import follow_everything
from masklet.cli.options import ModelOptions


def everything(
    paths: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    output: EverythingOutput = EverythingOutput(),  # noqa: B008 (frozen; cyclopts wants an instance)
    follow: FollowOptions = FollowOptions(),  # noqa: B008
    model: ModelOptions = ModelOptions(),  # noqa: B008
    drawing: DrawOptions = DrawOptions(),  # noqa: B008
    find: FindOptions = FindOptions(),  # noqa: B008
) -> int:
    """Find everything in pictures, or follow everything through a video.

    Writes, for a picture cup.jpg, cup.json (masks as RLE with scores, in the form of SA-1B) and cup.overlay.jpg; with
    --video what `masklet track` writes; with --format annotations for other programs. After Ctrl-C or an error, the
    same command with --resume goes on.

    For example:

        masklet everything photos/ --output out --format coco yolo
        masklet everything "photos/**/*.jpg" --points-per-side 64 --pred-iou-thresh 0.7
        masklet everything clip.mp4 --video --look-again 30 --max-objects 20 --output out

    Parameters
    ----------
    paths
        Pictures, folders of pictures, or patterns such as "photos/**/*.jpg"; with --video, one video.
    """
    follow.check()
    if not follow.video:
        return find_in_pictures(paths, find, model, drawing, output)
    if len(paths) != 1:
        raise UsageError(f"--video takes one video, a file or a folder of frames, not {len(paths)}")
    return follow_everything(paths[0], find, follow, model, drawing, output)
