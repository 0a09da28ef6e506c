"""Training: experiments, folds, stages, input pipelines and saved training states."""
