"""Sums up MariaDB's log of slow queries: for every kind of statement on `images`, how often, how long, and the plan."""

import re
import sys


def entries(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    for entry in re.split(r"^# Time: .*\n|^(?=# User@Host)", text, flags=re.M):
        took = re.search(r"Query_time: (\S+)", entry)
        examined = re.search(r"Rows_examined: (\d+)", entry)
        statement = re.search(r"^SELECT .*", entry, flags=re.M)
        if took and statement and "`images`" in statement.group():
            plan = re.findall(r"^# explain: (?!id\t)(.*)$", entry, flags=re.M)
            yield statement.group(), float(took.group(1)), int(examined.group(1)), plan


def kind(statement):
    where = statement.split(" FROM ", 1)[1]
    return re.sub(r"'[^']*'", "'…'", re.sub(r"IN \([^)]*\)", "IN (…)", where))


def main():
    kinds = {}
    for statement, took, examined, plan in entries(sys.argv[1]):
        kinds.setdefault(kind(statement), []).append((took, examined, plan))
    for name, found in kinds.items():
        times = [took for took, _, _ in found]
        print(f"{len(found)} times, {min(times) * 1000:.1f} to {max(times) * 1000:.1f} ms, "
              f"{max(examined for _, examined, _ in found)} rows examined: {name[:700]}")
        for line in found[-1][2]:
            print("    " + line.expandtabs(4))


main()
