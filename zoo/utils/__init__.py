"""The ground: legal values, whole files, quiet imports, axes."""
