"""How good masks are: measures, data sets, protocols and reports of video and image segmentation."""
