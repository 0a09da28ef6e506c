"""Helpers used by the whole package: errors, files, processes, text."""
