"""The neural network: modules and nothing else."""
