"""Recipes of training: one file a family of models, with a source for every number."""
