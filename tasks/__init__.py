"""The Celery app and one module per retrying step: ``celery -A tasks worker|beat|flower``."""

from tasks.app import app

__all__ = ["app"]
