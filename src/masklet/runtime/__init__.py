"""A model, loaded and placed."""
