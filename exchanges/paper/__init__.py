"""The paper venue: a server of its own process that speaks Binance's spot REST API. Start it with ``python -m exchanges.paper``."""
