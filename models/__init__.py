"""What an order is: vocabulary and decisions. Pure: no clock, no randomness, no I/O."""
