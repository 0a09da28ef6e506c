"""Attention of trained networks: tables, figures, and measures of faithfulness."""
