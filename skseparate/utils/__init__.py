"""Tools for developers of separators."""
