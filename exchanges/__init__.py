"""Where orders go: the gateway protocol, its implementations, and the judgement of what a venue's answer proves."""
