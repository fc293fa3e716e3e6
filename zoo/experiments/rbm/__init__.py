"""An experiment: its study, nets and figures."""
