"""Runs that are ready to use or to change, as YAML."""
