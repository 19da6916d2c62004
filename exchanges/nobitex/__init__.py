"""Nobitex, which ccxt has no class for: one of our own in ccxt's manner, driven by the ccxt gateway like the others.

Sources: the venue's public documentation, https://apidocs.nobitex.ir (github.com/nobitex/docs-api). See docs/nobitex.md.
"""
