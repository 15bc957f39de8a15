"""Makes a psql script of what PostgreSQL's log says that idp sent for one database, said again for many.

    replay.py LOG WORD PREFIX COUNT            every statement, with PREFIX0, PREFIX1, … for WORD
    replay.py LOG WORD PREFIX COUNT changes    without the questions

Wants log_statement = all and log_line_prefix = '%d|%a|'. What was sent in one message goes in one message again. The
script says for all databases what comes before the first connection to another database, then what comes after it: so
it connects as seldom as idp does, which keeps its connections to the maintenance database.
"""

import itertools
import re
import sys

RECORD = re.compile(r"([^|]*)\|([^|]*)\|(LOG|DETAIL):  (.*)", re.DOTALL)
STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
ARGUMENT = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
QUOTED_OR_SEPARATOR = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|;(?=\s*\S)""")
APPLICATION = "idp"
MAINTENANCE = "postgres"


def records(lines):
    """The records of a log; their further lines begin with a tab."""
    record = ""
    for line in lines:
        if line.startswith("\t"):
            record += line[1:]
        else:
            yield record.rstrip("\n")
            record = line
    yield record.rstrip("\n")


def literal(value):
    """An array's element type has to be said where nothing else tells it."""
    return f"{value}::text[]" if value.startswith("'{") else value


def sent(lines):
    """Database and text of every statement, arguments in their places."""
    statements = []
    for record in records(lines):
        match = RECORD.fullmatch(record)
        if match is None or match[2] != APPLICATION:
            continue
        database, _, kind, text = match.groups()
        if kind == "LOG":
            statement = STATEMENT.fullmatch(text)
            if statement is not None:
                statements.append((database, statement[1].strip()))
            continue
        arguments = {number: literal(value) for number, value in ARGUMENT.findall(text)}
        database, asked = statements.pop()
        statements.append((database, re.sub(r"\$(\d+)", lambda place: arguments[place[1]], asked)))
    return statements


def one_message(sql):
    r"""psql sends at each semicolon, but not at `\;`."""
    return QUOTED_OR_SEPARATOR.sub(lambda found: found[1] or r"\;", sql.rstrip(";")) + ";"


def script(statements, word, prefix, count):
    """The lines of the script, for a psql that is connected to the maintenance database."""
    connected = MAINTENANCE
    for database, phase in itertools.groupby(statements, key=lambda statement: statement[0]):
        texts = [one_message(sql) for _, sql in phase]
        for name in (f"{prefix}{number}" for number in range(count)):
            place = database.replace(word, name)
            if place != connected:
                yield f"\\connect {place}"
                connected = place
            yield from (text.replace(word, name) for text in texts)


def main():
    log, word, prefix, count, *only = sys.argv[1:]
    with open(log, encoding="utf-8") as lines:
        statements = sent(lines)
    if only == ["changes"]:
        statements = [statement for statement in statements if not statement[1].startswith("SELECT")]
    if not statements:
        sys.exit(f"{log} has no statement of {APPLICATION}")
    print("\n".join(script(statements, word, prefix, int(count))))


main()
