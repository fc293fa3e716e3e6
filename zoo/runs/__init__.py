"""Runs: folders that are written, opened and read again."""
