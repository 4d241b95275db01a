"""Annotations in the files that other tools use: what is in a picture, one file format a module, written and read."""
