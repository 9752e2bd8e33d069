"""Devices: how one computation is spread over several of them."""
