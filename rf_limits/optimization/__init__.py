"""Training networks by steps: optimizers, step sizes, the loop over ensembles."""
