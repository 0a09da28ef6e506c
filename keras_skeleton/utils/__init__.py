"""What every room may use: errors, files, processes, text."""
