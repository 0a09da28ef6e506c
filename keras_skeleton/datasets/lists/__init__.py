"""Class names and lists of missing samples, as published."""
