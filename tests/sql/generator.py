"""Random schemas and queries over the grammar that Comity supports; deterministic by seed.

Seven tables: t at all owners without a key; u and v at one owner each, with keys of one and of two columns; w at all
owners, with keys that no two owners share; h, hk and hp at one owner, without a key and with keys of one and of two
columns.  They are joined on k, on (p, q), or on the text s.
"""
import random

from tests.sql import joins, sets, subqueries
from tests.sql.constants import values_source
from tests.sql.tables import KEYS, NUMBERS, TEXTS, Column, Table
from tests.sql.windows import window_query

EXACT = ("smallint", "int", "numeric", "small")
OF_ONE = ["variance", "var_pop", "stddev", "stddev_pop"]
OF_TWO = ["covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_count", "regr_avgx",
          "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy"]


class Schema:
    def __init__(self, seed, owners):
        self.rng = rng = random.Random(seed)
        def key(**options):
            return Column(rng, "k", "int", check=KEYS, **options)
        def pair(nullable):
            return [Column(rng, "p", "int", nullable, (0, 5)), Column(rng, "q", "smallint", nullable, (0, 7))]
        def text():
            return Column(rng, "s", "varchar")
        self.t = Table(rng, "t", owners, [key()] + pair(None) + [text()])
        self.u = Table(rng, "u", [rng.choice(owners)], [key(nullable=False)], ("k",))
        self.v = Table(rng, "v", [rng.choice(owners)], pair(False) + [text()], ("p", "q"))
        self.w = Table(rng, "w", owners, [key(nullable=False)], ("k",), (1, 3))
        home = [rng.choice(owners)]
        self.h = Table(rng, "h", home, [key()] + pair(None) + [text()])
        self.hk = Table(rng, "hk", home, [key(nullable=False)], ("k",), (1, 3))
        self.hp = Table(rng, "hp", home, pair(False) + [text()], ("p", "q"), (1, 2))
        self.tables = [self.t, self.u, self.v, self.w, self.h, self.hk, self.hp]

    # -- expressions over columns, which need not be of one table ---------------------------------

    def number(self, columns, depth=2):
        rng = self.rng
        usable = [c for c in columns if c.kind in NUMBERS]
        if depth == 0 or not usable or rng.random() < 0.3:
            if usable and rng.random() < 0.8:
                return rng.choice(usable).name
            return self.number_of_other(columns) or str(rng.choice([0, 1, 2, 3, 10, "0.5", "1.25"]))
        a, b = self.number(columns, depth - 1), self.number(columns, 0)
        form = rng.choice(["({a} + {b})", "({a} - {b})", "({a} * 2)", "abs({a})", "(-{a})", "coalesce({a}, {b})",
                           "CASE WHEN {c} THEN {a} ELSE {b} END", "CASE WHEN {c} THEN {a} END",
                           "greatest({a}, {b})", "least({a}, {b})", "nullif({a}, {b})", "round({a}::numeric, 1)",
                           "({a} % 7)", "mod({a}::numeric, 3)", "floor({a}::numeric)", "ceil({a}::numeric)",
                           "trunc({a}::numeric, 1)", "({a} / nullif({b}, 0))", "({a} / 3)", "{a}::numeric(20,2)",
                           "({a}::bigint * 1000)", "round({a}::numeric / 7, 3)", "round({a}::numeric, -1)",
                           "trunc({a}::numeric, -2)", "div({a}::numeric, 7)", "sign({a}::numeric)"])
        return form.format(a=a, b=b, c=self.condition(columns, 0))

    def number_of_other(self, columns):
        """A number made of a date or a text; None when there is neither."""
        column = self.rng.choice(columns)
        if column.kind == "date":
            return self.rng.choice(["extract(year from {c})", "extract(month from {c})", "extract(day from {c})",
                                    "({c} - DATE '2023-02-28')"]).format(c=column.name)
        if column.kind == "timestamp":
            return self.rng.choice(["extract(year from {c})", "extract(hour from {c})"]).format(c=column.name)
        return f"length({column.name})" if column.kind in ("varchar", "text", "long") else None

    def other(self, columns):
        """An expression that is not a number."""
        rng = self.rng
        column = rng.choice(columns)
        if column.kind in ("varchar", "text", "long"):
            form = rng.choice(["lower({c})", "upper({c})", "substring({c} from 2 for 3)", "({c} || '!')",
                               "coalesce({c}, 'none')", "nullif({c}, 'a')"])
        elif column.kind == "date":
            form = rng.choice(["({c} + 3)", "({c} - 40)", "date_trunc('month', {c})::date", "coalesce({c}, DATE '2024-02-29')",
                               "({c} + interval '1 month')::date", "greatest({c}, DATE '2024-02-29')"])
        elif column.kind == "timestamp":
            form = rng.choice(["({c} + interval '1 day')", "date_trunc('day', {c})", "{c}::date"])
        elif column.kind == "bool":
            form = rng.choice(["(NOT {c})", "coalesce({c}, true)", "({c} IS NULL)", "upper({c}::text)",
                               "({c}::text || '!')"])
        elif column.kind == "enum":
            form = rng.choice(["upper({c}::text)", "coalesce({c}::text, 'none')", "substring({c}::text from 3)",
                               "concat({c}::text, '-', '1')", "CASE WHEN {d} THEN {c} END", "replace({c}::text, '_', '')"])
        elif column.kind in NUMBERS and column.check and column.check[1] - column.check[0] < 256:
            form = rng.choice(["{c}::text", "('n' || {c})", "length({c}::text)", "CASE WHEN {d} THEN {c} END"])
        else:
            form = rng.choice(["CASE WHEN {d} THEN {c} END", "CASE WHEN {d} THEN 'x' ELSE 'yy' END",
                               "lower(CASE WHEN {d} THEN 'X' ELSE 'yY' END)"])
        return form.format(c=column.name, d=self.condition(columns, 0))

    def condition(self, columns, depth=2):
        rng = self.rng
        if depth > 0 and rng.random() < 0.5:
            a, b = self.condition(columns, depth - 1), self.condition(columns, depth - 1)
            return rng.choice(["({a} AND {b})", "({a} OR {b})", "(NOT {a})"]).format(a=a, b=b)
        column = rng.choice(columns)
        forms = ["{c} = {l}", "{c} <> {l}", "{c} IS NULL", "{c} IS NOT NULL", "{c} IN ({l}, {m})",
                 "{c} NOT IN ({l}, {m})"]
        if column.kind == "bool":
            forms = ["{c}", "NOT {c}", "{c} IS NULL", "{c} IS TRUE", "{c} = {l}", "{c} IS NOT FALSE"]
        else:
            forms += ["{c} < {l}", "{c} >= {l}", "{c} BETWEEN {l} AND {m}", "{c} IS DISTINCT FROM {l}",
                      "{c} NOT BETWEEN {l} AND {m}", "{l} > {c}"]
        if column.kind in ("varchar", "text", "long"):
            forms += ["{c} LIKE 'a%'", "{c} LIKE '%e'", "{c} NOT LIKE '_b%'", "{c} ILIKE '%A%'", "lower({c}) = 'z'",
                      "length({c}) > 2"]
        if column.kind in ("bool", "enum"):
            forms += ["{c}::text LIKE '%1'", "{c}::text ILIKE 'T%'", "length({c}::text) > 4"]
        else:
            forms += ["{c} = ANY (ARRAY[{l}, {m}])"]
        other = rng.choice(columns)
        if rng.random() < 0.1:
            return (f"(({column.name}, {other.name}) {rng.choice(['=', '<>'])} ({self.literal(column)}, {self.literal(other)}))"
                    if rng.random() < 0.5 else
                    f"(({column.name}, {other.name}) {rng.choice(['IN', 'NOT IN'])} (({self.literal(column)}, "
                    f"{self.literal(other)}), ({self.literal(column)}, {self.literal(other)})))")
        if column.kind == "date":
            forms += ["extract(year from {c}) = 2024", "{c} + 30 > {l}", "{c} - 7 <= {l}",
                      "{c} >= {l} - interval '3 months'"]
        return "(" + rng.choice(forms).format(c=column.name, l=self.literal(column), m=self.literal(column)) + ")"

    def literal(self, column):
        value = None
        while value is None:
            value = column.value(self.rng)
        if column.kind in NUMBERS:
            return f"({value})"
        text = str(value).replace("'", "''")
        prefix = {"date": "DATE ", "timestamp": "TIMESTAMP "}.get(column.kind, "")
        return f"{prefix}'{text}'"

    def aggregate(self, columns, distinct=True):
        """distinct: not of window functions."""
        rng = self.rng
        column = rng.choice(columns)
        forms = ["count(*)", f"count({column.name})"]
        if column.kind != "bool":
            forms += [f"min({column.name})", f"max({column.name})"]
        else:
            forms += [f"bool_and({column.name})", f"bool_or({column.name})"]
        number = self.number(columns, 1)
        forms += [f"sum({number})", f"avg({number})", f"min({number})"]
        if distinct and rng.random() < 0.08:
            return f"{rng.choice(['count', 'sum', 'avg'])}(DISTINCT {number})"
        if distinct and rng.random() < 0.08:
            return self.percentile(columns)
        if rng.random() < 0.1:
            return self.statistic(columns) or "count(*)"
        if rng.random() < 0.15:
            return f"{rng.choice(forms)} FILTER (WHERE {self.condition(columns, 0)})"
        return rng.choice(forms)

    def percentile(self, columns):
        rng = self.rng
        numbers = [c.name for c in columns if c.kind in ("smallint", "int", "numeric", "small")]
        any_one = rng.choice([c.name for c in columns if c.kind != "bool"] or ["1"])
        fraction = rng.choice(["0.5", "0.5", "0.25", "0.9", "0", "1", "0.125"])
        form, of = rng.choice([(f"percentile_cont({fraction})", rng.choice(numbers or ["1"])),
                               (f"percentile_disc({fraction})", any_one), ("mode()", any_one)])
        condition = f" FILTER (WHERE {self.condition(columns, 0)})" if rng.random() < 0.2 else ""
        return f"{form} WITHIN GROUP (ORDER BY {of}{rng.choice(['', ' DESC'])}){condition}"

    def statistic(self, columns):
        """Of integers that are small enough for PostgreSQL's floats; None without any."""
        rng = self.rng
        exact = [c.name for c in columns if c.kind in EXACT]
        small = [c.name for c in columns if c.kind in ("smallint", "small")]
        condition = f" FILTER (WHERE {self.condition(columns, 0)})" if rng.random() < 0.3 else ""
        if small and rng.random() < 0.5:
            return f"{rng.choice(OF_TWO)}({rng.choice(small)}, {rng.choice(small)}){condition}"
        return f"{rng.choice(OF_ONE)}({rng.choice(exact)}){condition}" if exact else None

    # -- queries ----------------------------------------------------------------------------------

    def source(self):
        """FROM clause and the columns that it offers."""
        rng = self.rng
        if rng.random() < 0.06:
            return values_source(self)
        if rng.random() < 0.5:
            table = rng.choice([self.t, self.t, self.t, self.u, self.w])
            return table.name, table.columns
        return joins.source(self)

    def where(self, columns, share=0.6):
        return f" WHERE {self.condition(columns)}" if self.rng.random() < share else ""

    def total(self):
        source, columns = self.source()
        items = [self.aggregate(columns) for _ in range(self.rng.randint(1, 3))]
        if self.rng.random() < 0.15:
            items.append(f"count(DISTINCT {self.rng.choice(columns).name})")
        having = " HAVING count(*) > 2" if self.rng.random() < 0.1 else ""
        return f"SELECT {', '.join(items)} FROM {source}{self.where(columns)}{having}"

    def grouped(self):
        rng = self.rng
        source, columns = self.source()
        keys = [c.name for c in rng.sample(columns, min(len(columns), rng.choice([1, 1, 2])))]
        expression = rng.random() < 0.2
        if expression:
            keys[0] = self.other(columns) if rng.random() < 0.5 else self.number(columns, 1)
        aggregates = [self.aggregate(columns) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.15:
            aggregates.append(f"count(DISTINCT {rng.choice(columns).name})")
        items = keys + [f"{a} AS a{i}" for i, a in enumerate(aggregates)]
        by = keys if not expression and rng.random() < 0.7 else [str(i + 1) for i in range(len(keys))]
        having = ""
        if rng.random() < 0.25:
            having = " HAVING " + rng.choice(["count(*) > 1", "count(*) <= 3", f"{aggregates[0]} IS NOT NULL",
                                              "count(*) BETWEEN 2 AND 5 OR count(*) = 1"])
        return f"SELECT {', '.join(items)} FROM {source}{self.where(columns)} GROUP BY {', '.join(by)}{having}", len(items)

    def rows(self):
        rng = self.rng
        source, columns = self.source()
        items = [c.name for c in rng.sample(columns, rng.randint(1, min(3, len(columns))))]
        if rng.random() < 0.5:
            items.append(f"{self.number(columns, 1) if rng.random() < 0.6 else self.other(columns)} AS e")
        distinct = "DISTINCT " if rng.random() < 0.2 else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {source}{self.where(columns)}", len(items)

    def nested(self):
        """An aggregate over a derived table, written there or by WITH."""
        rng = self.rng
        source, columns = self.source()
        inner = rng.sample(columns, min(len(columns), 2))
        items = [f"{c.name} AS c{i}" for i, c in enumerate(inner)]
        items.append(f"{self.number(columns, 1)} AS n")
        text = f"SELECT {', '.join(items)} FROM {source}{self.where(columns)}"
        if rng.random() < 0.3:  # in an order of all that is seen
            text += " ORDER BY " + ", ".join(str(i + 1) for i in range(len(items)))
            text += rng.choice([" LIMIT 7", " OFFSET 3", " LIMIT 9 OFFSET 4"])
        outer = [c.called(f"c{i}") for i, c in enumerate(inner)]
        shown = rng.choice([f"c0, count(*), sum(n)", "c0, max(n), count(n)"])
        body = f"SELECT {shown} FROM {{x}}{self.where(outer, 0.3)} GROUP BY c0"
        if rng.random() < 0.5:
            return f"WITH x AS ({text}) {body.format(x='x')}"
        return body.format(x=f"({text}) x")

    def query(self):
        """(sql, whether the order of its rows is fixed)."""
        rng = self.rng
        forms = [(12, self.total), (30, self.grouped), (20, self.rows), (5, self.nested),
                 (14, lambda: window_query(self)), (12, lambda: subqueries.query(self)), (7, lambda: sets.query(self))]
        form = rng.choices([f for _, f in forms], [weight for weight, _ in forms])[0]
        made = form()
        if isinstance(made, tuple):
            order = self.order(made[1])
            return made[0] + order, order != ""
        return made, False

    def order(self, width):
        """ORDER BY all columns, so that LIMIT is unambiguous; or none."""
        rng = self.rng
        if rng.random() < 0.5:
            return ""
        places = list(range(1, width + 1))
        rng.shuffle(places)
        keys = [f"{p}{rng.choice(['', ' DESC', ' ASC NULLS FIRST', ' DESC NULLS LAST'])}" for p in places]
        limit = rng.choice(["", "", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 0", " OFFSET 4"])
        return f" ORDER BY {', '.join(keys)}{limit}"
