"""Scenes made on the fly to learn from: still pictures and short videos with exact masks."""
