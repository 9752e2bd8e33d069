"""Arguments, sums, quadrature and quadratic programs that all of the theory uses."""
