"""Random UNION, INTERSECT, EXCEPT and VALUES."""

OPERATORS = ["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]


def arm(schema, shape):
    """A SELECT of columns with those names; where a table lacks one, something of its type."""
    rng = schema.rng
    if rng.random() < 0.1:
        rows = ", ".join("(" + ", ".join(constant(schema, name) for name in shape) + ")" for _ in range(rng.randint(1, 4)))
        return f"VALUES {rows}"
    table = rng.choice([schema.t, schema.u, schema.v, schema.w])
    names = {c.name for c in table.columns}
    items = [name if name in names else constant(schema, name) for name in shape]
    if rng.random() < 0.25 and shape[0] != "s":
        items[0] = f"{items[0]} + 1"
    return f"SELECT {', '.join(items)} FROM {table.name}{schema.where(table.columns, 0.4)}"


def constant(schema, name):
    column = next(c for c in schema.t.columns if c.name == name)
    return schema.literal(column) if schema.rng.random() < 0.9 or name == "s" else "NULL"


def combined(schema, shape):
    rng = schema.rng
    text = f"{arm(schema, shape)} {rng.choice(OPERATORS)} {arm(schema, shape)}"
    if rng.random() < 0.3:
        third = arm(schema, shape)
        text = rng.choice([f"({text}) {rng.choice(OPERATORS)} {third}", f"{third} {rng.choice(OPERATORS)} ({text})",
                           f"{text} {rng.choice(OPERATORS)} {third}"])
    return text


def query(schema):
    rng = schema.rng
    shape = rng.choice([["k"], ["p", "q"], ["s"], ["k", "s"], ["q", "k"]])
    text = combined(schema, shape)
    if rng.random() < 0.35:
        names = ", ".join(f"c{i}" for i in range(len(shape)))
        return f"SELECT c0, count(*) FROM ({text}) x({names}) GROUP BY c0"
    return text, len(shape)
