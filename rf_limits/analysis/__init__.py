"""What tables say: means over seeds, exponents, lazy limits, certificates, warnings."""
