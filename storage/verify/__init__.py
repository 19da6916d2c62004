"""Verify: whether all that the database holds of the books is true, row by row; the first row that fails is named."""

from storage.verify.chain import NotedHead, read_head
from storage.verify.checks import CHECKS
from storage.verify.findings import Advice, Check, Finding
from storage.verify.report import Failure, Report, verify

__all__ = ["CHECKS", "Advice", "Check", "Failure", "Finding", "NotedHead", "Report", "read_head", "verify"]
