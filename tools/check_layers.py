#!/usr/bin/env python3
"""Checks the rules of docs/architecture.md that a compiler does not.

1. A file includes headers of its own layer and of layers below, never above.
2. Third-party headers are included by the modules that own them.
3. The field .v of secret types is touched in share/ and proto/ only.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = [
    ["base"],
    ["crypto"],
    ["net"],
    ["share"],
    ["proto"],
    ["circuit"],
    ["table", "matrix"],
    ["sql", "source"],
    ["exec"],
    ["node"],
    ["cli", "pgwire", "console"],
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
OWNERS = {
    r"openssl/": {"crypto", "net"},
    r"uv\.h": {"node"},
    r"sqlite3\.h": {"source", "node"},
    r"libpq-fe\.h": {"source"},
    r"pg_query": {"sql"},
    r"protobuf-c": {"sql"},
    r"sys/socket\.h|netinet/|sys/un\.h|netdb\.h": {"net", "node"},
    r"poll\.h": {"net", "node", "source"},  # source waits for a PostgreSQL server's socket
}
SECRET_MODULES = {"share", "proto"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
SECRET_FIELD = re.compile(r"(?:->|\.)v\b(?!\w)")


def problems_of(path):
    module = path.relative_to(ROOT / "src").parts[0]
    is_test = path.name.endswith(("_test.c", "_fixture.c", "_fixture.h"))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        match = INCLUDE.match(line)
        if match:
            name = match.group(1) or match.group(2)
            other = name.split("/")[0] if match.group(1) else None
            if other in LEVEL and LEVEL[other] > LEVEL[module]:
                yield f"{where}: {module}/ includes {name} of a layer above"
            for pattern, owners in OWNERS.items():
                if re.match(pattern, name) and module not in owners and not is_test:
                    yield f"{where}: {name} belongs to {', '.join(sorted(owners))}"
        code = line.split("//")[0]
        if module not in SECRET_MODULES and SECRET_FIELD.search(code) and not is_test:
            if not re.match(r"^\s*(\*|/\*)", line):
                yield f"{where}: the field .v of a secret is touched outside share/ and proto/"


def main():
    found = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        if path.relative_to(ROOT / "src").parts[0] not in LEVEL:
            found.append(f"{path.relative_to(ROOT)}: not in a layer")
            continue
        found.extend(problems_of(path))
    for problem in found:
        print(problem)
    print(f"{len(found)} problems of layering")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
