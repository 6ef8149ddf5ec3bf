"""Are two answers the same?  Rows of any mixture of Python's values and texts, as drivers and CSV files give them.

A cell is compared as a number when both look like one: exactly when both are whole, else within a tolerance,
because systems show different numbers of digits.  Trailing blanks of char(n) do not count.
"""
import csv
import decimal
import re

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
WHOLE = re.compile(r"[-+]?\d+$")


class Tolerance:
    def __init__(self, absolute="0.01", relative="1e-6"):
        self.absolute = decimal.Decimal(absolute)
        self.relative = decimal.Decimal(relative)

    def allows(self, a, b):
        a, b = decimal.Decimal(a), decimal.Decimal(b)
        return abs(a - b) <= max(self.absolute, self.relative * max(abs(a), abs(b)))


def text(cell):
    """None stays None; everything else as PostgreSQL would print it."""
    if isinstance(cell, bool):
        return "t" if cell else "f"
    return None if cell is None else str(cell).rstrip(" ")


def cells_equal(a, b, tolerance):
    if a == b:
        return True
    if a is None or b is None or not NUMBER.match(a) or not NUMBER.match(b):
        return False
    if WHOLE.match(a) and WHOLE.match(b):
        return int(a) == int(b)
    return tolerance.allows(a, b)


def rows_equal(a, b, tolerance):
    return len(a) == len(b) and all(cells_equal(x, y, tolerance) for x, y in zip(a, b))


def difference(got, want, ordered, tolerance=None):
    """None when the answers are the same, else a sentence.  ordered: rows in the same order."""
    tolerance = tolerance or Tolerance()
    got = [[text(cell) for cell in row] for row in got]
    want = [[text(cell) for cell in row] for row in want]
    if len(got) != len(want):
        return f"{len(got)} rows, expected {len(want)}; the first are {got[:2]} and {want[:2]}"
    if ordered:
        for number, (a, b) in enumerate(zip(got, want)):
            if not rows_equal(a, b, tolerance):
                return f"row {number + 1} is {a}, expected {b}"
        return None
    left = {}
    for row in want:  # cells that are not numbers are equal exactly: search among those rows alone
        left.setdefault(key(row), []).append(row)
    for row in got:
        candidates = left.get(key(row), [])
        partner = next((i for i, b in enumerate(candidates) if rows_equal(row, b, tolerance)), None)
        if partner is None:
            return f"{row} was not expected; of its kind are left {candidates[:3]}"
        del candidates[partner]
    return None


def key(row):
    return tuple("#" if cell is not None and NUMBER.match(cell) else cell for cell in row)


def read_csv(path):
    """(header, rows) of a CSV file; an empty field and NULL are None, an empty line too."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [[None if cell in ("", "NULL") else cell for cell in row] or [None] for row in csv.reader(file)]
    return rows[0], rows[1:]
