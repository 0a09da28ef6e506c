"""The commands of the command line, one per module; `run(words)` receives their arguments."""
