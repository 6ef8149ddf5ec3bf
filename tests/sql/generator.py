"""Random schemas, data and queries of the kinds that Comity supports; deterministic by seed."""
import datetime
import os
import random

from tests.sql.windows import window_query

TYPES = ["smallint", "int", "bigint", "numeric", "date", "bool", "enum", "varchar", "text", "small"]
WINDOWS = float(os.environ.get("COMITY_WINDOWS", "0.15"))  # of the queries
OF_ONE = ["variance", "var_pop", "stddev", "stddev_pop"]
OF_TWO = ["covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_count", "regr_avgx",
          "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy"]
WORDS = ["", "a", "b", "ab", "abc", "Z", "zz top", "naïve", "x,y", 'quo"te', "it's", "100%", "a_b"]


class Column:
    def __init__(self, rng, name, kind, key=False):
        self.name = name
        self.kind = kind
        self.key = key
        self.nullable = not key and rng.random() < 0.5
        self.labels = [f"{name}_{i}" for i in range(rng.choice([1, 2, 3, 5, 9]))]
        self.scale = rng.choice([0, 1, 2, 4]) if kind == "numeric" else 0
        self.precision = self.scale + rng.choice([2, 4, 8])
        self.check = None
        if kind == "small":
            low = rng.choice([-3, 0, 1, 2000])
            self.check = (low, low + rng.choice([0, 1, 4, 30]))
        elif kind in ("int", "bigint", "smallint") and rng.random() < 0.4:
            low = rng.choice([-1000, 0, 5])
            self.check = (low, low + rng.choice([10, 255, 30000]))
        elif kind == "date" and rng.random() < 0.7:
            self.check = (datetime.date(2020, 1, 1), datetime.date(2026, 12, 31))

    def type_sql(self):
        return {"small": "int", "numeric": f"numeric({self.precision},{self.scale})",
                "enum": f"{self.name}_type", "varchar": "varchar(12)"}.get(self.kind, self.kind)

    def definition(self):
        """For CREATE FOREIGN TABLE and CREATE TABLE alike."""
        parts = [self.name, self.type_sql()]
        if not self.nullable:
            parts.append("NOT NULL")
        if self.key:
            parts.append("PRIMARY KEY")
        if self.check:
            low, high = (f"'{x}'" if self.kind == "date" else x for x in self.check)
            parts.append(f"CHECK ({self.name} BETWEEN {low} AND {high})")
        return " ".join(str(part) for part in parts)

    def value(self, rng):
        if self.nullable and rng.random() < 0.2:
            return None
        kind = self.kind
        if self.check:
            low, high = self.check
            if kind == "date":
                span = (high - low).days
                return str(low + datetime.timedelta(days=rng.choice(
                    [0, span, rng.randint(0, span), rng.randint(0, min(span, 5))])))
            return rng.choice([low, high, rng.randint(low, high), rng.randint(low, min(high, low + 4))])
        if kind in ("smallint", "int", "bigint"):
            limit = {"smallint": 2 ** 15 - 1, "int": 2 ** 31 - 1, "bigint": 2 ** 53}[kind]
            return rng.choice([0, 1, -1, rng.randint(-5, 5), rng.randint(-100, 100),
                               rng.choice([limit, -limit]) if rng.random() < 0.1 else 7])
        if kind == "numeric":
            limit = 10 ** self.precision - 1
            number = rng.choice([0, limit, -limit, rng.randint(-limit, limit), rng.randint(-500, 500) % limit])
            sign = "-" if number < 0 else ""
            digits = str(abs(number)).rjust(self.scale + 1, "0")
            if self.scale == 0:
                return sign + digits
            return f"{sign}{digits[:-self.scale]}.{digits[-self.scale:]}"
        if kind == "date":
            return str(datetime.date(1990, 1, 1) + datetime.timedelta(days=rng.randint(0, 20000)))
        if kind == "bool":
            return rng.choice(["true", "false"])
        if kind == "enum":
            return rng.choice(self.labels)
        return rng.choice(WORDS)


class Table:
    def __init__(self, rng, name, owners, key):
        self.name = name
        self.owners = owners
        kinds = [rng.choice(TYPES) for _ in range(rng.randint(2, 6))]
        self.columns = []
        if key is not None:
            self.columns.append(Column(rng, "k", key, key=name != "t"))
            self.columns[0].check = (0, 40)
            self.columns[0].nullable = name == "t" and rng.random() < 0.5
        self.columns += [Column(rng, f"{name}{i}", kind) for i, kind in enumerate(kinds)]
        self.rows = {owner: self.make_rows(rng) for owner in owners}

    def make_rows(self, rng):
        count = rng.choice([0, 1, 2, 5, 31, 32, 33, 63, 64, 65])
        if self.columns and self.columns[0].key:
            keys = rng.sample(range(41), min(count, 41))
            return [[key] + [c.value(rng) for c in self.columns[1:]] for key in keys]
        return [[c.value(rng) for c in self.columns] for _ in range(count)]

    def of(self, *kinds):
        return [c for c in self.columns if c.kind in kinds]


class Schema:
    """Table t at three owners, table u at one (with a primary key that t's k joins)."""

    def __init__(self, seed, owners):
        self.rng = random.Random(seed)
        self.owners = owners
        self.t = Table(self.rng, "t", owners, "int")
        self.u = Table(self.rng, "u", [self.rng.choice(owners)], "int")

    # -- expressions ------------------------------------------------------------------------

    def number(self, columns, depth=2):
        rng = self.rng
        usable = [c for c in columns if c.kind in ("smallint", "int", "bigint", "numeric", "small")]
        if depth == 0 or not usable or rng.random() < 0.3:
            if usable and rng.random() < 0.8:
                return rng.choice(usable).name
            return str(rng.choice([0, 1, 2, 3, 10, "0.5", "1.25"]))
        a, b = self.number(columns, depth - 1), self.number(columns, 0)
        form = rng.choice(["({a} + {b})", "({a} - {b})", "({a} * 2)", "abs({a})", "(-{a})",
                           "coalesce({a}, {b})", "CASE WHEN {c} THEN {a} ELSE {b} END",
                           "greatest({a}, {b})", "least({a}, {b})", "nullif({a}, {b})",
                           "round({a}::numeric, 1)", "({a} % 7)", "floor({a}::numeric)"])
        return form.format(a=a, b=b, c=self.condition(columns, 0))

    def condition(self, columns, depth=2):
        rng = self.rng
        if depth > 0 and rng.random() < 0.5:
            a, b = self.condition(columns, depth - 1), self.condition(columns, depth - 1)
            return rng.choice(["({a} AND {b})", "({a} OR {b})", "(NOT {a})"]).format(a=a, b=b)
        column = rng.choice(columns)
        literal = self.literal(column)
        forms = ["{c} = {l}", "{c} <> {l}", "{c} IS NULL", "{c} IS NOT NULL", "{c} IN ({l}, {m})"]
        if column.kind == "bool":
            forms = ["{c}", "NOT {c}", "{c} IS NULL", "{c} IS TRUE", "{c} = {l}"]
        else:
            forms += ["{c} < {l}", "{c} >= {l}", "{c} BETWEEN {l} AND {m}", "{c} IS DISTINCT FROM {l}"]
        if column.kind in ("varchar", "text"):
            forms += ["{c} LIKE 'a%'", "{c} LIKE '%e'", "{c} NOT LIKE '_b%'"]
        if column.kind == "date":
            forms += ["extract(year from {c}) = 2024", "{c} + 30 > {l}", "{c} - 7 <= {l}"]
        return "(" + rng.choice(forms).format(c=column.name, l=literal,
                                              m=self.literal(column)) + ")"

    def literal(self, column):
        value = None
        while value is None:
            value = column.value(self.rng)
        if column.kind in ("smallint", "int", "bigint", "numeric", "small"):
            return f"({value})"
        text = str(value).replace("'", "''")
        return f"DATE '{text}'" if column.kind == "date" else f"'{text}'"

    def aggregate(self, columns):
        rng = self.rng
        forms = ["count(*)"]
        column = rng.choice(columns)
        forms.append(f"count({column.name})")
        if column.kind not in ("bool",):
            forms += [f"min({column.name})", f"max({column.name})"]
        number = self.number(columns, 1)
        forms += [f"sum({number})", f"avg({number})", f"min({number})"]
        if rng.random() < 0.08:
            return f"{rng.choice(['count', 'sum', 'avg'])}(DISTINCT {number})"
        if rng.random() < 0.1:
            return self.statistic(columns) or "count(*)"
        if rng.random() < 0.15:
            return f"count(*) FILTER (WHERE {self.condition(columns, 0)})"
        return rng.choice(forms)

    def statistic(self, columns):
        """Of integers that are small enough for PostgreSQL's floats; None without any."""
        rng = self.rng
        exact = [c.name for c in columns if c.kind in ("smallint", "int", "numeric", "small")]
        small = [c.name for c in columns if c.kind in ("smallint", "small")]
        condition = f" FILTER (WHERE {self.condition(columns, 0)})" if rng.random() < 0.3 else ""
        if small and rng.random() < 0.5:
            return f"{rng.choice(OF_TWO)}({rng.choice(small)}, {rng.choice(small)}){condition}"
        return f"{rng.choice(OF_ONE)}({rng.choice(exact)}){condition}" if exact else None

    # -- queries ----------------------------------------------------------------------------

    def source(self):
        """FROM clause and the columns that it offers (names are unique)."""
        rng = self.rng
        choice = rng.random()
        if choice < 0.5:
            return "t", self.t.columns
        if choice < 0.6:
            return "u", self.u.columns
        kind = rng.choice(["JOIN", "LEFT JOIN"])
        named = [c for c in self.t.columns if c.name != "k"] + \
                [c for c in self.u.columns if c.name != "k"]
        return f"t {kind} u ON t.k = u.k", named

    def scalar(self):
        """A subquery as a value: of one row, or correlated with t by the key; None without a number to aggregate."""
        rng = self.rng
        inner, key = rng.choice([(self.u, "k"), (self.t, "k")])
        columns = [c for c in inner.columns if c.kind in ("smallint", "int", "numeric", "small")]
        if not columns:
            return None
        column = rng.choice(columns).name
        value = rng.choice(["count(*)", f"count(i.{column})", f"max(i.{column})", f"min(i.{column})", f"sum(i.{column})",
                            f"coalesce(sum(i.{column}), 7)", f"count(*) + coalesce(max(i.{column}), 1)"])
        where = []
        if rng.random() < 0.6:
            where.append(f"i.{key} = o.{key}" if rng.random() < 0.5 else f"o.{key} = i.{key}")
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        return f"(SELECT {value} FROM {inner.name} i{condition})"

    def compared_exists(self, column, compare):
        """EXISTS with a comparison beside its equality, or a left join that keeps the unique side."""
        rng = self.rng
        numbers = [c.name for c in self.t.columns if c.kind in ("smallint", "int", "numeric", "small")]
        x, y = rng.choice(numbers), rng.choice(numbers)
        negated = rng.choice(["", "NOT "])
        if rng.random() < 0.6:
            return (f"SELECT o.k, o.{column} FROM t o WHERE {negated}EXISTS (SELECT 1 FROM t i WHERE i.k = o.k AND "
                    f"i.{x} {compare} o.{y})")
        if rng.random() < 0.35:
            sides = rng.choice(["t FULL JOIN u", "u FULL JOIN t"])
            return rng.choice([f"SELECT t.{column}, t.k, u.k, t.{x} FROM {sides} ON t.k = u.k WHERE t.k IS NULL OR u.k > 3",
                               f"SELECT k, count(*), count(t.{x}), count(u.k) FROM {sides} USING (k) GROUP BY k",
                               f"SELECT count(*), min(t.{x}), sum(u.k) FROM {sides} ON u.k = t.k"])
        if rng.random() < 0.4:
            condition = rng.choice([f"t.{x} {compare} 3", f"t.{x} {compare} u.k", f"(t.{y} IS NULL OR u.k {compare} 5)"])
            shown = ", ".join(f"u.{c.name}" for c in self.u.columns if c.name != "u0")
            return f"SELECT t.{column}, t.k, {shown} FROM t LEFT JOIN u ON u.k = t.k AND {condition}"
        return (f"SELECT u.k, count(*), count(t.{column}), min(t.{x}) FROM u LEFT JOIN t ON u.k = t.k AND "
                f"t.{x} {compare} 3 GROUP BY u.k" if rng.random() < 0.6 else
                f"SELECT u.k, t.{column}, t.{x} FROM u LEFT JOIN t ON u.k = t.k")

    def subqueries(self):
        """A query with scalar subqueries in SELECT, WHERE, HAVING or ORDER BY; or EXISTS beside them."""
        rng = self.rng
        first, second = self.scalar(), self.scalar()
        if first is None or second is None:
            return None
        column = rng.choice(self.t.columns).name
        compare = rng.choice([">", "<", "=", "<>", ">=", "IS DISTINCT FROM"])
        form = rng.random()
        if form < 0.25:
            return f"SELECT o.{column}, {first} AS s FROM t o WHERE o.k {compare} {second}"
        if form < 0.45:
            return f"SELECT count(*), min(o.k) FROM t o WHERE coalesce({first}, 3) {compare} coalesce(o.k, 2)"
        if form < 0.6:
            return f"SELECT o.k, count(*), {first} AS s FROM t o GROUP BY o.k HAVING count(*) {compare} {second}"
        if form < 0.7:
            single = first if "o.k" not in first else "(SELECT count(*) FROM u)"
            return f"SELECT {single}, count(*), max(o.k) FROM t o HAVING count(*) >= {single} OR count(*) < 3"
        if form < 0.8:
            return (f"SELECT o.k, o.{column} FROM t o WHERE o.k IN (SELECT i.k FROM u i WHERE i.k {compare} "
                    f"(SELECT count(*) FROM t j WHERE j.k = i.k)) AND {second} IS NOT NULL")
        if form < 0.9:
            return self.compared_exists(column, rng.choice([">", "<", "<>", ">=", "<="]))
        return f"SELECT o.{column}, CASE WHEN {first} > 3 THEN {second} ELSE 0 END AS s FROM t o ORDER BY 2, 1 LIMIT 7"

    def query(self):
        rng = self.rng
        if rng.random() < WINDOWS:
            return window_query(self)
        if rng.random() < 0.15:
            sql = self.subqueries()
            if sql is not None:
                return sql
        source, columns = self.source()
        if not columns:
            source, columns = "t", self.t.columns
        where = f" WHERE {self.condition(columns)}" if rng.random() < 0.6 else ""
        form = rng.random()
        if form < 0.3:
            items = [self.aggregate(columns) for _ in range(rng.randint(1, 3))]
            return f"SELECT {', '.join(items)} FROM {source}{where}"
        if form < 0.75:
            keys = rng.sample(columns, min(len(columns), rng.choice([1, 1, 2])))
            names = [c.name for c in keys]
            items = names + [f"{self.aggregate(columns)} AS a{i}" for i in range(rng.randint(1, 3))]
            having = ""
            if rng.random() < 0.25:
                having = f" HAVING {rng.choice(['count(*) > 1', 'count(*) <= 3', 'min(' + names[0] + ') IS NOT NULL' if keys[0].kind != 'bool' else 'count(*) > 2'])}"
            order = self.order(names, len(items))
            return (f"SELECT {', '.join(items)} FROM {source}{where} GROUP BY {', '.join(names)}"
                    f"{having}{order}")
        chosen = rng.sample(columns, rng.randint(1, min(3, len(columns))))
        items = [c.name for c in chosen]
        if rng.random() < 0.4:
            items.append(f"{self.number(columns, 1)} AS e")
        distinct = "DISTINCT " if rng.random() < 0.2 else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {source}{where}{self.order([], len(items))}"

    def order(self, names, width):
        """ORDER BY all columns (so that LIMIT is unambiguous), or none."""
        rng = self.rng
        if rng.random() < 0.5:
            return ""
        places = list(range(1, width + 1))
        rng.shuffle(places)
        keys = [f"{p}{rng.choice(['', ' DESC', ' ASC NULLS FIRST', ' DESC NULLS LAST'])}"
                for p in places]
        limit = rng.choice(["", "", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 0"])
        return f" ORDER BY {', '.join(keys)}{limit}"
