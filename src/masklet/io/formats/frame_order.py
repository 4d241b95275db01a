"""What formats of tracks ask of a video's frames: that they come in order, and are of the video's size."""

from masklet.io.formats.picture import AnnotatedPicture, VideoInfo


def check_frame(frame: AnnotatedPicture, video: VideoInfo, first: int) -> int:
    """The frame's number. ValueError for one before `first`, or without one, and for another size than the video's."""
    if frame.frame_index is None or frame.frame_index < first:
        raise ValueError(
            f"tracks are written in the order of frames: {frame.name} has the frame_index {frame.frame_index}, but "
            f"{first} or more was expected"
        )
    if frame.size != (video.height, video.width):
        raise ValueError(
            f"{frame.name} is {frame.width} x {frame.height} pixels, but the video {video.name} is {video.width} x "
            f"{video.height}"
        )
    return frame.frame_index
