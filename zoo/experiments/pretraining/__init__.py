"""An experiment: its study, its networks and its figures."""
