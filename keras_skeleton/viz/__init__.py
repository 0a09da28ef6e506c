"""Figures, animations and pages."""
