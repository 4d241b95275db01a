"""How fast a model is on this machine, how much memory that takes, and where the time goes."""
