"""What a configuration that can't be used raises."""


class ConfigurationError(Exception):
    """The configuration can't be used. The text says where, which rule, and what to do; it holds no secret."""
