"""A school that lives: small physical models, stepped by seconds. Pure, each with random numbers of its own: same seed, same run."""
