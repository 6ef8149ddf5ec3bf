"""Random FROM clauses with joins of all kinds."""

KINDS = ["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]


def of(alias, table, *without):
    return [c.called(f"{alias}.{c.name}") for c in table.columns if c.name not in without]


def keyed(schema):
    """One side is unique on k, or on (p, q); either side first."""
    rng = schema.rng
    t, (other, names) = schema.t, rng.choice([(schema.u, ["k"]), (schema.v, ["p", "q"]), (schema.w, ["k"])])
    sides = [t, other] if rng.random() < 0.7 else [other, t]
    kind = rng.choice(KINDS)
    equal = " AND ".join(f"{sides[0].name}.{n} = {sides[1].name}.{n}" for n in names)
    columns = of(t.name, t) + of(other.name, other)
    if rng.random() < 0.25 and kind != "FULL JOIN":  # beside the equality: of the side that may be missing
        optional = {"LEFT JOIN": sides[1], "RIGHT JOIN": sides[0]}.get(kind, rng.choice(sides))
        equal += f" AND {schema.condition(of(optional.name, optional), 1)}"
    return f"{sides[0].name} {kind} {sides[1].name} ON {equal}", columns


def merged(schema):
    """USING and NATURAL: common columns are shown once."""
    rng = schema.rng
    t, other = schema.t, rng.choice([schema.u, schema.w, schema.v])
    common = [c.name for c in other.columns if c.name in [d.name for d in t.columns]]
    kind = rng.choice(KINDS)
    if other is schema.v:  # s is common too, and no part of the key
        text = f"t {kind} v USING (p, q)"
        columns = of("t", t, "p", "q") + of("v", other, "p", "q")
    elif rng.random() < 0.5:
        text = f"t {kind} {other.name} USING ({', '.join(common)})"
        columns = of("t", t, *common) + of(other.name, other, *common)
    else:
        text = f"t NATURAL {kind} {other.name}"
        columns = of("t", t, *common) + of(other.name, other, *common)
    if kind in ("JOIN", "LEFT JOIN"):
        columns += [c for c in t.columns if c.name in (["p", "q"] if other is schema.v else common)]
    return text, columns


def comma(schema):
    other, names = schema.rng.choice([(schema.u, ["k"]), (schema.v, ["p", "q"])])
    equal = [f"t.{n} = {other.name}.{n}" for n in names]
    inner = " AND ".join(equal)
    return f"(SELECT t.*, 1 AS one FROM t, {other.name} WHERE {inner}) j", of("j", schema.t)


def three(schema):
    rng = schema.rng
    first, second = rng.choice(["JOIN", "LEFT JOIN"]), rng.choice(["JOIN", "LEFT JOIN"])
    text = f"t {first} u ON t.k = u.k {second} v ON v.p = t.p AND v.q = t.q"
    return text, of("t", schema.t) + of("u", schema.u) + of("v", schema.v)


def grouped(schema):
    """With a grouped subquery, which is unique on its keys; or a DISTINCT one."""
    rng = schema.rng
    kind = rng.choice(["JOIN", "LEFT JOIN"])
    k = next(c for c in schema.t.columns if c.name == "k")
    if rng.random() < 0.3:
        return f"t {kind} (SELECT DISTINCT k FROM t WHERE k > 3) g ON g.k = t.k", of("t", schema.t) + [k.called("g.k")]
    inner = f"SELECT k, count(*) AS n, max(q) AS m FROM t{schema.where(schema.t.columns, 0.3)} GROUP BY k"
    columns = of("t", schema.t) + [k.called("g.k"), k.called("g.n"), k.called("g.m")]
    return f"t {kind} ({inner}) g ON g.k = t.k", columns


def single(schema):
    """With one row, without a condition."""
    k = next(c for c in schema.t.columns if c.name == "k")
    inner = schema.rng.choice(["SELECT count(*) AS n, max(k) AS m FROM u", "SELECT sum(q) AS n, min(p) AS m FROM t"])
    return f"t CROSS JOIN ({inner}) x", of("t", schema.t) + [k.called("x.n"), k.called("x.m")]


def many(schema):
    """Neither side is unique: ranges beside an equality, and equalities alone."""
    rng = schema.rng
    equal = rng.choice(["a.k = b.k", "a.p = b.p AND a.q = b.q", "a.k = b.k AND a.s = b.s", "a.s = b.s"])
    extra = rng.choice(["", "", " AND b.q BETWEEN a.q AND a.q + 1", " AND a.q < b.q", " AND b.q >= a.q AND b.q <= a.p"])
    kind = rng.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN"])
    return f"t a {kind} t b ON {equal}{extra}", of("a", schema.t) + of("b", schema.t)


def any_condition(schema):
    """Without an equality, or with one under OR."""
    rng = schema.rng
    other = rng.choice([schema.u, schema.u, schema.v, schema.w])
    column = "b.p" if other is schema.v else "b.k"
    columns = of("a", schema.t) + of("b", other)
    if rng.random() < 0.15:
        return f"t a CROSS JOIN {other.name} b", columns
    condition = rng.choice([f"a.k < {column}", f"a.q = {column} OR a.p = {column}", f"a.q + 1 >= {column}",
                            f"a.k = {column} OR a.k IS NULL", f"a.k <> {column} AND a.q < 2",
                            f"a.k IS NOT DISTINCT FROM {column}", f"a.k = {column} + 1"])
    return f"t a {rng.choice(KINDS)} {other.name} b ON {condition}", columns


def windowed(schema):
    """With a derived table of window functions, of which one row is chosen."""
    rng = schema.rng
    order = ", ".join(c.name for c in schema.t.columns if c.name not in ("k", "p"))
    inner = f"SELECT k, p, row_number() OVER (PARTITION BY k ORDER BY {order}, p) AS n FROM t"
    k = next(c for c in schema.t.columns if c.name == "k")
    text = f"u {rng.choice(['JOIN', 'LEFT JOIN'])} ({inner}) r ON r.k = u.k AND r.n = {rng.choice([1, 1, 2])}"
    return text, of("u", schema.u) + [k.called("r.k"), k.called("r.p"), k.called("r.n")]


def text_key(schema):
    kind = schema.rng.choice(["JOIN", "LEFT JOIN"])
    inner = "SELECT s, count(*) AS n, min(p) AS m FROM v GROUP BY s"
    p = next(c for c in schema.t.columns if c.name == "p")
    return f"t {kind} ({inner}) g ON g.s = t.s", of("t", schema.t) + [p.called("g.n"), p.called("g.m")]


def looked_up(schema):
    """Rows of one owner's table that another of its tables has, or has not."""
    rng = schema.rng
    where = rng.choice(["EXISTS (SELECT 1 FROM hk WHERE hk.k = h.k{c})", "NOT EXISTS (SELECT 1 FROM hk WHERE hk.k = h.k{c})",
                        "h.k IN (SELECT k FROM hk{w})", "h.k NOT IN (SELECT k FROM hk{w})",
                        "EXISTS (SELECT 1 FROM hp WHERE hp.s = h.s AND hp.p = h.q)",
                        "NOT EXISTS (SELECT 1 FROM hp JOIN hk ON hk.k = hp.p WHERE hp.s = h.s AND h.p > 1)",
                        "NOT EXISTS (SELECT 1 FROM hp WHERE hp.p = h.p AND hp.q < h.q)"])
    columns = of("hk", schema.hk)
    where = where.format(c=f" AND {schema.condition(columns, 1)}" if rng.random() < 0.5 else "",
                         w=f" WHERE {schema.condition(columns, 1)}" if rng.random() < 0.5 else "")
    return f"(SELECT h.* FROM h WHERE {where}) h", of("h", schema.h)


def owned(schema):
    """Tables of one owner among themselves, alone and beside others'."""
    rng = schema.rng
    if rng.random() < 0.3:
        return looked_up(schema)
    first, second, third = (rng.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN"]) for _ in range(3))
    tables = rng.choice([["hk"], ["hp"], ["hk", "hp"], ["hk", "w"], ["hk", "u"], ["v", "hk"], ["hp", "hk", "w"]])
    keys = {"hk": ["k"], "u": ["k"], "w": ["k"], "hp": ["p", "q"], "v": ["p", "q"]}
    columns, text = of("h", schema.h), "h"
    for name, kind in zip(tables, (first, second, third)):
        table = getattr(schema, name)
        equal = " AND ".join(f"h.{key} = {name}.{key}" for key in keys[name])
        if rng.random() < 0.25:
            equal += f" AND {schema.condition(of(name, table), 1)}"
        text += f" {kind} {name} ON {equal}"
        columns += of(name, table)
    return text, columns


def source(schema):
    forms = [(40, keyed), (15, owned), (20, merged), (5, comma), (8, three), (10, grouped), (5, single), (7, many),
             (6, text_key), (6, any_condition), (3, windowed)]
    return schema.rng.choices([f for _, f in forms], [weight for weight, _ in forms])[0](schema)
