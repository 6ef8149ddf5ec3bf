"""Random queries with window functions, whose answers do not depend on the order of ties."""

DIRECTIONS = ["", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"]
NUMBERS = ["smallint", "int", "bigint", "numeric", "small"]


def keys(rng, columns):
    return ", ".join(c.name + rng.choice(DIRECTIONS) for c in columns)


def partition(rng, columns):
    chosen = rng.sample(columns, min(len(columns), rng.choice([0, 1, 1, 2])))
    return f"PARTITION BY {', '.join(c.name for c in chosen)} " if chosen else ""


def total(rng, columns):
    """An order in which rows that tie are equal in all that is seen."""
    return "ORDER BY " + keys(rng, rng.sample(columns, len(columns)))


def by_peers(schema, columns):
    """A function that gives peers the same value, or has a frame of whole partitions."""
    rng = schema.rng
    order = f"ORDER BY {keys(rng, rng.sample(columns, min(len(columns), rng.choice([1, 1, 2]))))}"
    window = partition(rng, columns) + rng.choice(
        ["", order, order, f"{order} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"])
    ranked = partition(rng, columns) + order
    if rng.random() < 0.3:
        function = rng.choice(["rank()", "dense_rank()", "cume_dist()", "percent_rank()"])
        text = f"{function} OVER ({ranked})"
        return f"CAST({text} AS numeric(10,6))" if function[0] in "cp" else text
    return f"{schema.aggregate(columns, False)} OVER ({window})"


def by_rows(schema, columns):
    """A function of the row's own place."""
    rng = schema.rng
    column = rng.choice(columns)
    window = partition(rng, columns) + total(rng, columns)
    offset = rng.choice(["", "", ", 2", ", 0", ", 70", ", -1"])
    default = f", 2, {schema.literal(column)}"
    form = rng.choice(["row_number()", f"ntile({rng.choice([1, 2, 3, 10, 50])})",
                       f"lag({column.name}{offset})", f"lead({column.name}{offset})",
                       f"lag({column.name}{default})", f"lead({column.name}{default})",
                       f"first_value({column.name})", f"last_value({column.name})",
                       f"nth_value({column.name}, {rng.choice([1, 2, 5])})",
                       schema.aggregate(columns, False), schema.aggregate(columns, False)])
    around = ["2 PRECEDING AND 1 FOLLOWING", "CURRENT ROW AND UNBOUNDED FOLLOWING", "3 PRECEDING AND CURRENT ROW",
              "UNBOUNDED PRECEDING AND 1 FOLLOWING", "CURRENT ROW AND 70 FOLLOWING"]
    if form[0] in "flsca":  # but for min and max any
        around += ["3 PRECEDING AND 2 PRECEDING", "1 FOLLOWING AND 4 FOLLOWING", "1 PRECEDING AND 2 PRECEDING"]
    rows = rng.choice(["", " ROWS UNBOUNDED PRECEDING"]) if "(" in form and form[0] in "flscman" else ""
    if rows and form[0] != "n":
        rows = rng.choice([rows, f" ROWS BETWEEN {rng.choice(around)}", f" ROWS BETWEEN {rng.choice(around)}"])
    return f"{form} OVER ({window}{rows})"


def functions(schema, columns, count):
    """Not two that depend on the order of rows that are equal in all that is seen: PostgreSQL may order them twice."""
    first = schema.rng.choice([by_peers, by_rows])
    return [(first if i == 0 else by_peers)(schema, columns) for i in range(count)]


def over_groups(schema, columns, source, where):
    rng = schema.rng
    names = [c.name for c in rng.sample(columns, min(len(columns), rng.choice([1, 1, 2])))]
    number = schema.number(columns, 1)
    forms = [f"rank() OVER (ORDER BY count(*) DESC)", f"sum(count(*)) OVER (ORDER BY {names[0]})",
             f"lag(count(*)) OVER (ORDER BY {', '.join(names)})",
             f"sum(sum({number})) OVER (ORDER BY {', '.join(names)} ROWS UNBOUNDED PRECEDING)",
             f"count(*) OVER (PARTITION BY {names[-1]})"]
    items = names + [f"{form} AS w{i}" for i, form in enumerate(rng.sample(forms, 2))]
    return f"SELECT {', '.join(items)} FROM {source}{where} GROUP BY {', '.join(names)}"


def window_query(schema):
    rng = schema.rng
    source, columns = schema.source()
    columns = columns or schema.t.columns
    where = f" WHERE {schema.condition(columns)}" if rng.random() < 0.4 else ""
    form = rng.random()
    if form < 0.2:
        return over_groups(schema, columns, source, where)
    shown = rng.sample(columns, min(len(columns), rng.choice([1, 2])))
    items = [f"{c.name} AS c{i}" for i, c in enumerate(shown)]
    items += [f"{text} AS w{i}" for i, text in enumerate(functions(schema, columns, rng.randint(1, 3)))]
    rows = f"SELECT {', '.join(items)} FROM {source}{where}"
    if form < 0.6:
        return rows
    outer = [c.called(f"c{i}") for i, c in enumerate(shown)]
    condition = f" WHERE {rng.choice(['w0 IS NOT NULL', schema.condition(outer, 0)])}"
    return f"SELECT c0, count(*), count(w0) FROM ({rows}) x{condition if rng.random() < 0.5 else ''} GROUP BY c0"
