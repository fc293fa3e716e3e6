"""A run: a folder that is written, opened and read again."""
