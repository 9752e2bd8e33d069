"""What no fixed features can do."""
