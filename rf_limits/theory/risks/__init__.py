"""Population risks of predictors, nothing sampled."""
