"""The `zoo` command, a file per group of commands; each calls one function of the package and prints its result."""
