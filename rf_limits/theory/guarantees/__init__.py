"""What stochastic gradient descent reaches, with premises."""
