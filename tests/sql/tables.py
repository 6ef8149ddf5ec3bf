"""Random tables with awkward data: NULLs, duplicates, skew, empty parts, extremes; deterministic by seed."""
import datetime

TYPES = ["smallint", "int", "bigint", "numeric", "date", "timestamp", "bool", "enum", "varchar", "char", "text", "long",
         "small"]
NUMBERS = ("smallint", "int", "bigint", "numeric", "small")
TEXTS = ("varchar", "text", "long", "char")
WORDS = ["", "a", "b", "ab", "abc", "Z", "zz top", "naïve", "x,y", 'quo"te', "it's", "100%", "a_b"]
LONG = WORDS + ["a text that begins like others, first", "a text that begins like others, second",
                "a text that begins like others"]
KEYS = (0, 40)  # what the tables' k may be


class Column:
    def __init__(self, rng, name, kind, nullable=None, check=None):
        self.name = name
        self.kind = kind
        self.nullable = rng.random() < 0.5 if nullable is None else nullable
        self.labels = [f"{name}_{i}" for i in range(rng.choice([1, 2, 3, 5, 9]))]
        self.scale = rng.choice([0, 1, 2, 4]) if kind == "numeric" else 0
        self.precision = self.scale + rng.choice([2, 4, 8, 8, 14])  # 64 bits hold 18 digits
        self.skew = rng.random() < 0.3
        self.check = check or self.random_check(rng)

    def random_check(self, rng):
        if self.kind == "small":
            low = rng.choice([-3, 0, 1, 2000])
            return (low, low + rng.choice([0, 1, 4, 30]))
        if self.kind in ("int", "bigint", "smallint") and rng.random() < 0.4:
            low = rng.choice([-1000, 0, 5])
            return (low, low + rng.choice([10, 255, 30000]))
        if self.kind == "date" and rng.random() < 0.7:
            return (datetime.date(2020, 1, 1), datetime.date(2026, 12, 31))
        return None

    def called(self, name):
        """The same column under another name, such as one with its table's."""
        other = object.__new__(Column)
        other.__dict__ = dict(self.__dict__, name=name)
        return other

    def type_sql(self):
        return {"small": "int", "numeric": f"numeric({self.precision},{self.scale})", "char": "char(6)",
                "enum": f"{self.name}_type", "varchar": "varchar(12)", "long": "varchar(48)"}.get(self.kind, self.kind)

    def definition(self):
        """For CREATE FOREIGN TABLE and CREATE TABLE alike."""
        parts = [self.name, self.type_sql()]
        if not self.nullable:
            parts.append("NOT NULL")
        if self.check:
            low, high = (f"'{x}'" if self.kind == "date" else x for x in self.check)
            parts.append(f"CHECK ({self.name} BETWEEN {low} AND {high})")
        return " ".join(str(part) for part in parts)

    def value(self, rng):
        if self.nullable and rng.random() < 0.2:
            return None
        if self.check:
            return self.value_in_check(rng)
        if self.kind in ("smallint", "int", "bigint"):
            limit = {"smallint": 2 ** 15, "int": 2 ** 31, "bigint": 2 ** 63}[self.kind]
            return rng.choice([0, 1, -1, rng.randint(-5, 5), rng.randint(-100, 100),
                               rng.choice([limit - 1, -limit]) if rng.random() < 0.1 else 7])
        if self.kind == "numeric":
            return self.numeric_value(rng)
        if self.kind == "date":
            if rng.random() < 0.05:
                return rng.choice(["0001-01-01", "9999-12-31", "2000-02-29", "1900-03-01"])
            return str(datetime.date(1990, 1, 1) + datetime.timedelta(days=rng.randint(0, 20000)))
        if self.kind == "timestamp":
            day = datetime.datetime(2024, 1, 1) + datetime.timedelta(days=rng.choice([0, 1, 59, rng.randint(-9999, 9999)]))
            return str(day + datetime.timedelta(seconds=rng.choice([0, 1, 86399, rng.randint(0, 86399)])))
        if self.kind == "bool":
            return rng.choice(["true", "false"])
        if self.kind == "enum":
            return rng.choice(self.labels)
        if self.kind == "char":
            return rng.choice(["", "a", "b", "ab", "abcdef", "Z z"])
        return rng.choice(LONG if self.kind == "long" else WORDS)

    def value_in_check(self, rng):
        low, high = self.check
        if self.kind == "date":
            span = (high - low).days
            return str(low + datetime.timedelta(days=rng.choice(
                [0, span, rng.randint(0, span), rng.randint(0, min(span, 5))])))
        if self.skew and rng.random() < 0.6:
            return low
        return rng.choice([low, high, rng.randint(low, high), rng.randint(low, min(high, low + 4))])

    def numeric_value(self, rng):
        limit = 10 ** self.precision - 1
        number = rng.choice([0, limit, -limit, rng.randint(-limit, limit), rng.randint(-500, 500) % limit])
        sign = "-" if number < 0 else ""
        digits = str(abs(number)).rjust(self.scale + 1, "0")
        if self.scale == 0:
            return sign + digits
        return f"{sign}{digits[:-self.scale]}.{digits[-self.scale:]}"


class Table:
    """columns: the shared ones first, which tables may be joined on; then some of random types."""

    def __init__(self, rng, name, owners, shared, key=(), extra=(1, 5)):
        self.name = name
        self.owners = owners
        self.key = key  # names of the primary key's columns
        kinds = [rng.choice(TYPES) for _ in range(rng.randint(*extra))]
        self.columns = shared + [Column(rng, f"{name}{i}", kind) for i, kind in enumerate(kinds)]
        self.rows = {}
        used = set()
        for owner in owners:
            count = rng.choice([0, 1, 2, 5, 31, 32, 33, 63, 64, 65])
            self.rows[owner] = self.make_rows(rng, count, used)

    def make_rows(self, rng, count, used):
        rows = []
        places = [i for i, column in enumerate(self.columns) if column.name in self.key]
        for _ in range(count):
            row = [column.value(rng) for column in self.columns]
            if places:
                identity = tuple(row[i] for i in places)
                if identity in used:
                    continue
                used.add(identity)
            rows.append(row)
        return rows

    def create_types(self):
        return [f"CREATE TYPE {c.name}_type AS ENUM ({', '.join(repr(x) for x in c.labels)})"
                for c in self.columns if c.kind == "enum"]

    def columns_sql(self):
        parts = [c.definition() for c in self.columns]
        return ", ".join(parts + ([f"PRIMARY KEY ({', '.join(self.key)})"] if self.key else []))


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def pooled_sql(tables, owners):
    """CREATE and INSERT statements of the owners' rows for PostgreSQL."""
    out = []
    for table in tables:
        out.append(f"DROP TABLE IF EXISTS {table.name};")
        out += [f"DROP TYPE IF EXISTS {c.name}_type;" for c in table.columns if c.kind == "enum"]
        out += [sql + ";" for sql in table.create_types()]
        out.append(f"CREATE TABLE {table.name} ({table.columns_sql()});")
        rows = [row for owner in owners for row in table.rows.get(owner, [])]
        if rows:
            values = ",\n".join(f"({', '.join(map(literal, row))})" for row in rows)
            out.append(f"INSERT INTO {table.name} VALUES {values};")
    return "\n".join(out)
