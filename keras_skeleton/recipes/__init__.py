"""Training recipes, one file per family of models, with a source for every number."""
