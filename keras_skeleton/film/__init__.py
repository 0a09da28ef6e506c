"""Labels and attention for films and cameras."""
