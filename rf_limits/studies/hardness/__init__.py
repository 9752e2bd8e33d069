"""What one ReLU neuron costs fixed features, in the paper's own setting."""
