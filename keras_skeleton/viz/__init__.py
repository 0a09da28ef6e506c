"""Figures, animations and HTML pages."""
