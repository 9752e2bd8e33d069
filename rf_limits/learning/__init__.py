"""How it learns: gradient training, its linearization, regression on fixed features."""
