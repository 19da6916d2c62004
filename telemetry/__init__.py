"""What leaves the system for people to look at: logs, error reports, metrics; and what is struck out of them."""
