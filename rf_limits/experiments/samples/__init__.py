"""How many samples: learning curves of kernels, random features and networks."""
