"""Small NTU RGB+D files in the real layout, and a plain reader to compare with."""

from __future__ import annotations

import numpy as np

BODY = "72057594037931101"


def skeleton_lines(frames, body=lambda m: str(int(BODY) + m), joint=None):
    """The lines of a file with that many bodies in each frame.

    `joint(i)` makes the line of the file's i-th joint.
    """
    joint = joint or (lambda i: f"{i / 8} {-i / 1000:.7f} 3.5 270.4 190.1 1036.2 519.7 0 0 0 0 2")
    lines, i = [str(len(frames))], 0
    for bodies in frames:
        lines.append(str(bodies))
        for m in range(bodies):
            lines += [f"{body(m)} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            lines += [joint(i + j) for j in range(25)]
            i += 25
    return lines


def text_of(lines, end="\n"):
    return (end.join(lines) + end).encode()


def plain_reader(data, columns=(0, 1, 2)):
    """Line by line, as short as can be; only for files that are right."""
    lines = iter(data.decode().splitlines())
    bodies, ids, values = [], [], []
    for _ in range(int(next(lines))):
        bodies.append(int(next(lines)))
        for _ in range(bodies[-1]):
            ids.append(int(next(lines).split()[0]))
            joints = [next(lines).split() for _ in range(int(next(lines)))]
            values.append([[float(words[c]) for c in columns] for words in joints])
    with np.errstate(over="ignore"):
        array = np.array(values, np.float64).astype(np.float32)
    return bodies, ids, array.reshape(len(ids), 25, len(columns))
