"""Objects through time: what is remembered of them, and one step from frame to frame."""
