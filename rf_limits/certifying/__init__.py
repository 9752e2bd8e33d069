"""Certify networks in files and in work directories: the command scripts/certify.py."""
