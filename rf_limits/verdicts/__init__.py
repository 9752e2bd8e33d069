"""What a trained network of any kind has done that no lazy method can: certificates for arrays."""
