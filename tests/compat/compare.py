"""Plays conversations to the real Glance and to Glint and compares the answers field by field.

usage: compare.py VENV GLINT_BINARY [SHOW] [--group NAME]...
VENV holds glance 33 and uwsgi. Each group of exchanges has a pair of servers of its own; the servers are asked side by side. An
exchange may differ only if docs/compat.md lists its name with the reason, and one listed there must differ: a stale line is a
failure too. SHOW (part of a name) prints both answers of the exchanges that match.
"""
import argparse
import os
import pathlib
import re
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

from bodies import bodies
from conversation import conversation
from edge import OPTIONS as EDGE_OPTIONS, edge
from exchange import Names, ask
from glance import GRANTED, Glance, Glint
from matrix import matrix
from samples import samples
from locations import OPTIONS as LOCATIONS, locations
from protections import OPTIONS as PROTECTIONS, protections

# Conversation, options of both servers, flavor of the paste file, policies that Glance is told to grant to everybody.
Group = namedtuple('Group', 'name conversation options flavor granted')
GROUPS = (
    Group('plain', conversation, {}, '', GRANTED),
    Group('edge', edge, EDGE_OPTIONS, '', GRANTED),
    Group('protections', protections, PROTECTIONS, 'keystone', ()),
    Group('locations', locations, LOCATIONS, '', (*GRANTED, 'add_image_location', 'fetch_image_location')),
    Group('samples', samples, {}, 'keystone', ()),
    Group('bodies', bodies, {}, 'keystone', ()),
    Group('matrix', matrix, {}, 'keystone', ()),
)
# What one server answered: exchanges by name, in order, and what ended the conversation early.
Heard = namedtuple('Heard', 'answers error')
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'docs/compat.md'
PARTS = ('status', 'reason', 'headers', 'body')


class Intended:
    """The differences that docs/compat.md lists: first column, in backquotes, of its table of exchanges.

    A `…` in a line stands for anything and `{a, b}` for either; then every exchange that the line names must differ.
    """

    def __init__(self, text):
        table = text.partition('## By exchange')[2].partition('\n## ')[0]
        self.lines = {line: shape(line) for line in re.findall(r'^\| `([^`]*)` \|', table, re.M)}

    def naming(self, name):
        """The line that allows the exchange to differ."""
        return name if name in self.lines else next((line for line, names in self.lines.items() if names.match(name)), None)


def shape(line):
    """What the names look like that a line means."""
    escaped = re.escape(line).replace('…', '.*')
    return re.compile(re.sub(r'\\\{(.*?)\\\}', lambda found: '(%s)' % found[1].replace(r',\ ', '|'), escaped) + '$')


def play(server, talk):
    """Has the conversation with one server."""
    names, answers = Names(server), {}
    try:
        call = next(talk)
        while True:
            assert call.name not in answers, 'two exchanges are called %r' % call.name
            answer = ask(server, call)
            answers[call.name] = names.answer(call, answer)
            call = talk.send(answer)
    except StopIteration:
        return Heard(answers, None)
    except Exception as error:  # The other server's answers are still worth comparing.
        return Heard(answers, error)


def play_group(group, venv, binary):
    glance = Glance(venv, group.options, group.flavor, group.granted)
    try:
        glint = Glint(binary, group.options, group.flavor, venv)
        try:
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(lambda server: play(server, group.conversation()), (glance, glint)))
        finally:
            glint.stop()
    finally:
        glance.stop()


class Comparison:
    """Counts what is the same, and reports what is not."""

    def __init__(self, intended, show):
        self.intended, self.show = intended, show
        self.passed = self.failed = 0
        self.met, self.same = set(), []

    def add(self, left, right):
        """Compares what Glance and what Glint said in one conversation."""
        for who, heard in (('Glance', left), ('Glint', right)):
            if heard.error is not None:
                self.fail('BROKEN OFF: with %s, after %r: %r' % (who, next(reversed(heard.answers), None), heard.error))
        names = list(dict.fromkeys([*left.answers, *right.answers]))
        for name in names:
            self.exchange(name, left.answers.get(name), right.answers.get(name))

    def exchange(self, name, left, right):
        failed = self.failed
        if self.show and self.show in name:
            print(name, left, right, sep='\n  ')
        line = self.intended.naming(name)
        if left == right:
            self.same.append(name)
            if line:
                self.fail('STALE: docs/compat.md says with %r that %r differs, and it does not' % (line, name))
        elif line:
            self.met.add(line)
        elif left is None or right is None:
            # What is done after an exchange, because of how it ended, happens on one side only where that exchange differs.
            if self.intended.naming(name.partition(' > ')[0]) not in self.met:
                self.fail('ONE SIDE ONLY: %s' % name)
        else:
            self.fail('DIFFERENT: ' + name + ''.join(map(difference, PARTS, left, right)))
        self.passed += failed == self.failed

    def fail(self, text):
        self.failed += 1
        print(text)

    def finish(self, whole):
        """Reports stale lines, if all groups were played, and the sum."""
        for line in sorted(set(self.intended.lines) - self.met) if whole else ():
            if not any(self.intended.lines[line].match(name) for name in self.same):
                self.fail('STALE: docs/compat.md says that %r differs, and no exchange has that name' % line)
        print('%d passed, %d failed' % (self.passed, self.failed))
        return 1 if self.failed else 0


def difference(part, left, right):
    if left == right:
        return ''
    same = len(os.path.commonprefix([left, right])) if part == 'body' and len(left) > 400 else 0
    same = max(0, same - 60)
    place = ' from %d' % same if same else ''
    return '\n  %s%s\n    Glance: %.400r\n    Glint:  %.400r' % (part, place, left[same:] if same else left, right[same:] if same else right)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('venv')
    parser.add_argument('binary')
    parser.add_argument('show', nargs='?')
    parser.add_argument('--group', action='append', choices=[group.name for group in GROUPS])
    arguments = parser.parse_args()
    groups = [group for group in GROUPS if not arguments.group or group.name in arguments.group]
    comparison = Comparison(Intended(DOCUMENT.read_text()), arguments.show)
    with ThreadPoolExecutor(2) as pool:
        for heard in pool.map(lambda group: play_group(group, arguments.venv, arguments.binary), groups):
            comparison.add(*heard)
    return comparison.finish(whole=len(groups) == len(GROUPS))


if __name__ == '__main__':
    sys.exit(main())
