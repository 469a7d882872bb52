"""Look at, and listen to, what a separator did."""

from skseparate.inspection._report import write_report

__all__ = ["write_report"]
