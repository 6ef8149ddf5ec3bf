"""What the three scenarios' consortiums agreed on: who owns which table, types, keys and public domains.

A union's first column, which names the owner in the scenarios' queries (bank, hosp, carrier, shipper), is
Comity's pseudo-column org.
"""
import re

DAY = "int NOT NULL CHECK ({0} BETWEEN 0 AND 4000)"
COUNT = "int NOT NULL CHECK ({0} BETWEEN 0 AND 10000000)"
MONEY = "int NOT NULL CHECK ({0} BETWEEN 0 AND 2000000000)"
PERSON = "int NOT NULL CHECK ({0} BETWEEN 1 AND 500000)"
NUMBERED = "int NOT NULL CHECK ({0} BETWEEN 1 AND 10000000)"
FLAG = "int NOT NULL CHECK ({0} BETWEEN 0 AND 1)"
REGION = ["AT1", "CZ0", "DE2", "EE0", "HU1", "LT0", "PL2", "SK0"]

BANKS = ["bank_nl", "bank_de", "bank_ee"]
HOSPITALS = ["hosp_nl", "hosp_de", "hosp_ee"]
CARRIERS = ["car_at", "car_cz", "car_pl", "car_ee"]
SHIPPERS = ["ship_a", "ship_b"]


class Scenario:
    """tables: name -> (owners, {column: type}, key or None); a list as a type is an ENUM's labels."""

    def __init__(self, name, asker, owner_column, tables):
        self.name = name
        self.asker = asker
        self.owner_column = owner_column  # regular expression of the names that stand for org
        self.tables = tables
        self.owners = list(dict.fromkeys(owner for owners, _, _ in tables.values() for owner in owners))

    def queries(self, path):
        """(name, sql) of a scenario's file, with org in place of its owner column."""
        for part in re.split(r"^-- @id ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            head, _, body = part.partition("\n")
            lines = [line for line in body.splitlines() if not line.startswith("--")]
            sql = "\n".join(lines).strip().rstrip(";")
            yield head.split()[0], re.sub(rf"\b({self.owner_column})\b", "org", sql)

    def definition(self, table):
        """The columns, for CREATE TABLE and CREATE FOREIGN TABLE alike."""
        _, columns, key = self.tables[table]
        parts = []
        for name, kind in columns.items():
            kind = f"{enum_name(name, kind)} NOT NULL" if isinstance(kind, list) else kind
            parts.append(f"{name} {kind.format(name)}")
        return ", ".join(parts + ([f"PRIMARY KEY ({key})"] if key else []))

    def types(self, tables):
        """The ENUM types of those tables."""
        labels = {enum_name(name, kind): kind for table in tables
                  for name, kind in self.tables[table][1].items() if isinstance(kind, list)}
        return [f"CREATE TYPE {name} AS ENUM ({', '.join(map(repr, kind))})" for name, kind in labels.items()]


def enum_name(column, labels):
    """One type wherever columns are compared."""
    return "region_code" if labels is REGION else f"{column}_code"


FINANCE = Scenario("finance", "supervisor", "bank", {
    "accounts": (BANKS, {"acct": NUMBERED, "person": PERSON, "country": ["CY", "DE", "EE", "LT", "NL"],
                         "segment": ["corp", "retail", "sme"], "opened": DAY,
                         "risk": "int NOT NULL CHECK ({0} BETWEEN 1 AND 3)"}, "acct"),
    "transfers": (BANKS, {"tx": NUMBERED, "src": NUMBERED, "dst": NUMBERED, "amount": MONEY,
                          "currency": ["EUR", "USD"], "day": DAY, "channel": ["card", "cash", "sepa"]}, "tx"),
    "loans": (BANKS, {"person": PERSON, "principal": MONEY, "outstanding": MONEY, "rate_bp": COUNT, "dpd": DAY,
                      "defaulted": FLAG}, None),
    "income": (["bureau"], {"person": PERSON, "income": "int CHECK ({0} BETWEEN 0 AND 2000000000)",
                            "employed": FLAG}, "person"),
})

HEALTH = Scenario("health", "team", "hosp", {
    "patients": (HOSPITALS, {"pid": PERSON, "birth_year": "int NOT NULL CHECK ({0} BETWEEN 1900 AND 2030)",
                             "sex": ["F", "M"], "region": "int NOT NULL CHECK ({0} BETWEEN 1 AND 12)"}, None),
    "admissions": (HOSPITALS, {"adm": NUMBERED, "pid": PERSON, "admit": DAY, "discharge": DAY,
                               "icd": ["C50", "E11", "I21", "I50", "J44", "K92", "N39", "S72"],
                               "severity": "int NOT NULL CHECK ({0} BETWEEN 1 AND 4)"}, "adm"),
    "labs": (HOSPITALS, {"pid": PERSON, "day": DAY, "test": ["HBA1C"],
                         "value10": "int CHECK ({0} BETWEEN 0 AND 200)"}, None),
    "claims": (["insurer"], {"pid": PERSON, "day": DAY, "code": ["GP", "HOME", "REHAB", "SPEC"], "cost": MONEY}, None),
    "dispensings": (["pharmacy"], {"pid": PERSON, "day": DAY, "atc": ["A10B", "B01A", "C09A", "M01A"],
                                   "ddd": "int NOT NULL CHECK ({0} BETWEEN 1 AND 100)"}, None),
    "deaths": (["registry"], {"pid": PERSON, "day": DAY}, "pid"),
})

LOGISTICS = Scenario("logistics", "association", "carrier|shipper", {
    "trips": (CARRIERS, {"trip": NUMBERED, "day": DAY, "src": REGION, "dst": REGION,
                         "capacity": "int NOT NULL CHECK ({0} BETWEEN 1000 AND 40000)",
                         "load_kg": "int NOT NULL CHECK ({0} BETWEEN 0 AND 40000)",
                         "km": "int NOT NULL CHECK ({0} BETWEEN 1 AND 10000)", "cost": COUNT}, "trip"),
    "offers": (CARRIERS, {"price": "int NOT NULL CHECK ({0} BETWEEN 0 AND 500)",
                          "tonnes": "int NOT NULL CHECK ({0} BETWEEN 0 AND 1000)"}, None),
    "weighings": (CARRIERS, {"cont": NUMBERED, "kg": "int NOT NULL CHECK ({0} BETWEEN 0 AND 60000)"}, "cont"),
    "orders": (SHIPPERS, {"ord": NUMBERED, "src": REGION, "dst": REGION,
                          "kg": "int NOT NULL CHECK ({0} BETWEEN 0 AND 40000)", "ready": DAY, "due": DAY,
                          "cap_price": COUNT}, None),
    "bids": (SHIPPERS, {"price": "int NOT NULL CHECK ({0} BETWEEN 0 AND 500)",
                        "tonnes": "int NOT NULL CHECK ({0} BETWEEN 0 AND 1000)"}, None),
    "containers": (["port"], {"cont": NUMBERED, "terminal": ["T1", "T2", "T3"], "arrival": DAY, "pickup": DAY,
                              "hazard": FLAG}, "cont"),
    "declarations": (["customs"], {"cont": NUMBERED, "hs2": ["08", "27", "39", "61", "84", "85", "87", "94"],
                                   "origin": ["BR", "CN", "TR", "US", "VN"],
                                   "declared_kg": "int NOT NULL CHECK ({0} BETWEEN 0 AND 60000)",
                                   "value_cents": MONEY, "released": DAY}, "cont"),
})

SCENARIOS = [FINANCE, HEALTH, LOGISTICS]
