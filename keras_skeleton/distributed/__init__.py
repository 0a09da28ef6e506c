"""Data-parallel training of one network on several devices; start with `devices.py`."""
