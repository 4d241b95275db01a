"""masklet: promptable segmentation in images and videos."""
