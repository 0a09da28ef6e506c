"""Which test files start first: the long ones, so that two processes end at about the same time.

Seconds of one core; files that are not listed take less than five. Measure anew with
`python -m pytest -n 0 --durations=0`.
"""

SECONDS: dict[str, int] = {}
