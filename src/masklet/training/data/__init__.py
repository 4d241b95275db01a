"""What training learns from: pictures and videos with masks, changed at random, planned and loaded in batches."""
