"""What fills, holds and fees mean for the books. Pure: no clock, no I/O."""
