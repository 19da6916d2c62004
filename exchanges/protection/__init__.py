"""What stands between us and a venue account: its breaker and its rate, shared by all processes."""
