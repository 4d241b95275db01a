"""Images in, overlays and files out."""
