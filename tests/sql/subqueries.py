"""Random queries with subqueries as values and in conditions."""
from tests.sql.tables import NUMBERS

EXACT = ("smallint", "int", "numeric", "small")


def scalar(schema):
    """A subquery as a value: of one row, or correlated with o by the key."""
    rng = schema.rng
    inner = rng.choice([schema.u, schema.t])
    column = rng.choice([c.name for c in inner.columns if c.kind in EXACT])
    value = rng.choice(["count(*)", f"count(i.{column})", f"max(i.{column})", f"min(i.{column})", f"sum(i.{column})",
                        f"coalesce(sum(i.{column}), 7)", f"count(*) + coalesce(max(i.{column}), 1)"])
    where = []
    if rng.random() < 0.6:
        where.append("i.k = o.k" if rng.random() < 0.5 else "o.k = i.k")
    if rng.random() < 0.3:
        where.append(schema.condition([c.called(f"i.{c.name}") for c in inner.columns], 0))
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f"(SELECT {value} FROM {inner.name} i{condition})"


def matched(schema):
    """A condition on o that asks whether another table has such rows."""
    rng = schema.rng
    inner, names = rng.choice([(schema.u, ["k"]), (schema.t, ["k"]), (schema.t, ["p"]), (schema.v, ["p", "q"]),
                               (schema.w, ["k"]), (schema.t, ["s"])])
    columns = [c.called(f"i.{c.name}") for c in inner.columns]
    extra = f" AND {schema.condition(columns, 1)}" if rng.random() < 0.4 else ""
    negated = rng.choice(["", "NOT "])
    if len(names) == 1 and rng.random() < 0.5:
        where = f" WHERE {schema.condition(columns, 1)}" if rng.random() < 0.5 else ""
        form = rng.choice([f"o.{{n}} {negated}IN (SELECT i.{{n}} FROM {{i}} i{where})",
                           f"o.{{n}} {negated}IN (SELECT i.{{n}} FROM {{i}} i{where})",
                           f"o.{{n}} = ANY (SELECT i.{{n}} FROM {{i}} i{where})",
                           f"o.{{n}} <> ALL (SELECT i.{{n}} FROM {{i}} i{where})"])
        return form.format(n=names[0], i=inner.name)
    equal = " AND ".join(f"i.{n} = o.{n}" for n in names)
    numbers = [c.name for c in inner.columns if c.kind in EXACT]
    if rng.random() < 0.3:
        equal += f" AND i.{rng.choice(numbers)} {rng.choice(['>', '<', '<>', '>=', '<='])} o.{rng.choice(['p', 'q', 'k'])}"
    return f"{negated}EXISTS (SELECT 1 FROM {inner.name} i WHERE {equal}{extra})"


def compared(schema):
    """With ANY and ALL of a comparison, as in: bigger than all of them."""
    rng = schema.rng
    compare = rng.choice([">", "<", ">=", "<="])
    where = schema.where([c.called(f"i.{c.name}") for c in schema.u.columns], 0.5)
    return f"o.k {compare} {rng.choice(['ANY', 'ALL'])} (SELECT i.k FROM u i{where})"


def in_conditions(schema):
    rng = schema.rng
    columns = [c.called(f"o.{c.name}") for c in schema.t.columns]
    condition = compared(schema) if rng.random() < 0.1 else matched(schema)
    if rng.random() < 0.3:
        condition += f" AND {matched(schema)}"
    if rng.random() < 0.3:
        condition += f" AND {schema.condition(columns, 1)}"
    if rng.random() < 0.5:
        items = [f"{schema.aggregate(columns)} AS a{i}" for i in range(2)]
        return f"SELECT {', '.join(items)} FROM t o WHERE {condition}"
    shown = ", ".join(c.name for c in rng.sample(columns, 2))
    return f"SELECT {shown} FROM t o WHERE {condition}"


def as_values(schema):
    rng = schema.rng
    first, second = scalar(schema), scalar(schema)
    column = rng.choice(schema.t.columns).name
    compare = rng.choice([">", "<", "=", "<>", ">=", "IS DISTINCT FROM"])
    form = rng.randrange(6)
    if form == 0:
        return f"SELECT o.{column}, {first} AS s FROM t o WHERE o.k {compare} {second}"
    if form == 1:
        return f"SELECT count(*), min(o.k) FROM t o WHERE coalesce({first}, 3) {compare} coalesce(o.k, 2)"
    if form == 2:
        return f"SELECT o.k, count(*), {first} AS s FROM t o GROUP BY o.k HAVING count(*) {compare} {second}"
    if form == 3:
        single = first if "o.k" not in first else "(SELECT count(*) FROM u)"
        return f"SELECT {single}, count(*), max(o.k) FROM t o HAVING count(*) >= {single} OR count(*) < 3"
    if form == 4:
        return (f"SELECT o.k, o.{column} FROM t o WHERE o.k IN (SELECT i.k FROM u i WHERE i.k {compare} "
                f"(SELECT count(*) FROM t j WHERE j.k = i.k)) AND {second} IS NOT NULL")
    return f"SELECT o.{column}, CASE WHEN {first} > 3 THEN {second} ELSE 0 END AS s FROM t o ORDER BY 2, 1 LIMIT 7"


def query(schema):
    return schema.rng.choice([in_conditions, as_values])(schema)
