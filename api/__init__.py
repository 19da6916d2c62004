"""The way in by HTTP. What it answers is in the contract; what it does is in `workflows`."""
