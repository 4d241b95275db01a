"""Other projects' names and signatures over masklet's engine."""
