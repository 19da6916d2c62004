"""The venue's WebSocket side, in Binance's words: the user's own events, and changes of the book."""
