"""Queries that read no table: rows of VALUES with the types of a table's columns."""


def values_source(schema):
    """FROM clause of some constants, and the columns that it offers."""
    rng = schema.rng
    columns = [c for c in rng.choice(schema.tables).columns if c.kind != "enum"]
    columns = rng.sample(columns, rng.randint(1, min(4, len(columns))))
    rows = []
    for number in range(rng.choice([1, 2, 3, 8])):
        cells = ["NULL" if column.nullable and rng.random() < 0.2 else schema.literal(column) for column in columns]
        if number == 0:  # which says the types
            cells = [f"{cell}::{column.type_sql()}" for cell, column in zip(cells, columns)]
        rows.append(f"({', '.join(cells)})")
    return f"(VALUES {', '.join(rows)}) AS c ({', '.join(column.name for column in columns)})", columns
