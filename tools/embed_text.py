"""Text files as C strings: embed_text.py OUT.c NAME FILE ... defines `const char *const NAME[]`, in the files' order.

For programs that have to carry a text with them wherever they are installed; runs while building.
"""
import pathlib
import sys


def literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main(out, name, *files):
    parts = []
    for file in files:
        lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        parts.append("    /* %s */\n    %s," % (pathlib.Path(file).name, "\n    ".join(map(literal, lines))))
    count = len(files)
    pathlib.Path(out).write_text(f"extern const char *const {name}[{count}];\nconst char *const {name}[{count}] = {{\n"
                                 + "\n".join(parts) + "\n};\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
