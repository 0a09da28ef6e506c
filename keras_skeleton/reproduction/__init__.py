"""The papers' tables, run again: `python run.py reproduce --table mans5 --data-dir PATH`.

tables/        what the papers report, one file a table, as plain data
tables.py      reads them: which training each figure needs
stored.py      what was run, in results/: found by its content, kept
page.py        a table with the papers' figures and ours beside each other
needs.py       what a training needs of this machine: data, crops, weights, hours
train.py       runs one training
reproduce.py   all of it together
"""
