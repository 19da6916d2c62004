"""What an operator types: commands that speak to a deployment through its API."""
