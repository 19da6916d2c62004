"""What the venues push: trades and states of our orders, and books, over WebSocket.

An event is never more than polling would have said: a fill with all that a polled one has, or a reason to look at once.
"""
