"""The commands of run.py, one a file: `run(words)` takes what stands behind the command's name."""
