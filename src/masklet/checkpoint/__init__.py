"""Reading, writing, recognising, converting and downloading weights."""
