"""What users call: prompts in, masks out."""
