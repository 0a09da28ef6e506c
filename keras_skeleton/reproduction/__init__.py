"""Reproduce the tables of the papers: `python run.py reproduce --table mans5 --data-dir PATH`.

tables/        the published numbers, one data file per table
tables.py      reads these files and determines the training of each row
stored.py      finds and stores results of runs in results/
page.py        writes tables with the published numbers and ours
needs.py       checks the requirements of trainings: data, crops, weights, time
train.py       runs one training
reproduce.py   combines all of these
"""
