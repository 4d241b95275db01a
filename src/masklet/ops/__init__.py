"""Pure functions on masks, boxes, run lengths and coordinates."""
