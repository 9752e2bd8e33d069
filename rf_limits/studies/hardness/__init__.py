"""The cost of one ReLU neuron for fixed features, in the paper's setting."""
