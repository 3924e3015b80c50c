"""Plays the conversation to the real Glance and to Glint and compares the answers field by field.

usage: compare.py VENV GLINT_BINARY [SHOW]
VENV holds glance 33 and uwsgi. An exchange may differ only if docs/compat.md lists its name with the reason, and one listed there
must differ: a stale line is a failure too. SHOW (part of a name) prints both answers of the exchanges that match.
"""
import http.client
import os
import pathlib
import re
import sys
from collections import namedtuple

from conversation import conversation
from glance import Glance, Glint

Answer = namedtuple('Answer', 'status reason headers body')
UUID = re.compile(r'[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}')
REQUEST = re.compile('^req-' + UUID.pattern + '$')
TIME = re.compile(r'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ')
# Framing and the server's own marks: not what Glance says but how uWSGI carries it.
UNCOMPARED = {'connection', 'date', 'server', 'content-length', 'transfer-encoding', 'keep-alive'}
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'docs/compat.md'


def ask(server, call):
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    try:
        path = call.path.replace('<', '%3C').replace('>', '%3E').replace('"', '%22')
        connection.putrequest(call.method, path, skip_accept_encoding=True)
        for name, value in call.headers.items():
            connection.putheader(name, value)
        if call.body is not None:
            connection.putheader('Content-Length', str(len(call.body)))
        connection.endheaders()
        if call.body:
            try:
                connection.send(call.body)
            except (BrokenPipeError, ConnectionResetError):
                pass
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.getheaders(), response.read())
    except (http.client.HTTPException, OSError) as error:
        return Answer(0, type(error).__name__, [], b'')
    finally:
        connection.close()


class Names:
    """Gives each id of one server the name of its place of first appearance, so that two servers' ids compare."""

    def __init__(self, server):
        self.server, self.known = server, {}

    def plain(self, text):
        text = text.replace('127.0.0.1:%d' % self.server.port, 'HOST')
        text = UUID.sub(lambda found: self.known.setdefault(found[0].lower(), 'id-%d' % len(self.known)) + ('^' if found[0] != found[0].lower() else ''), text)
        return TIME.sub('TIME', text)

    def answer(self, answer):
        headers = sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in UNCOMPARED)
        headers = [(name, REQUEST.sub('REQUEST', value) if name == 'x-openstack-request-id' else self.plain(value)) for name, value in headers]
        body = self.plain(answer.body.decode('utf-8', 'backslashreplace'))
        return answer.status, answer.reason, headers, plain_image(body)


def plain_image(body):
    """Tags are a set: Glance shows them in no order. The virtual size is a difference by nature (docs/compat.md)."""
    body = re.sub(r'"virtual_size": \d+', '"virtual_size": null', body)
    return re.sub(r'"tags": \[("[^\]]*)\]', lambda found: '"tags": [%s]' % ', '.join(sorted(found[1].split(', '))), body)


def intended():
    """Names of the exchanges that docs/compat.md says differ: first column, in backquotes, of its table of exchanges."""
    table = DOCUMENT.read_text().partition('## By exchange')[2].partition('\n## ')[0]
    return set(re.findall(r'^\| `([^`]*)` \|', table, re.M))


def main():
    venv, binary = sys.argv[1:3]
    show = sys.argv[3] if len(sys.argv) > 3 else None
    glance = Glance(venv)
    try:
        glint = Glint(binary)
        try:
            return compare(glance, glint, show)
        finally:
            glint.stop()
    finally:
        glance.stop()


def compare(glance, glint, show):
    servers = [glance, glint]
    names = [Names(server) for server in servers]
    talks = [conversation() for _ in servers]
    calls = [next(talk) for talk in talks]
    allowed, met, failed, total = intended(), set(), 0, 0
    while calls[0] is not None:
        total += 1
        assert calls[0].name == calls[1].name, 'the conversations part at %r and %r' % (calls[0].name, calls[1].name)
        answers = [ask(server, call) for server, call in zip(servers, calls)]
        plain = [name.answer(answer) for name, answer in zip(names, answers)]
        name = calls[0].name
        if show and show in name:
            print(name, *plain, sep='\n  ')
        if plain[0] != plain[1]:
            met.add(name)
            if name not in allowed:
                failed += 1
                report(name, plain)
        try:
            calls = [talk.send(answer) for talk, answer in zip(talks, answers)]
        except StopIteration:
            calls = [None]
    for name in sorted(allowed - met):
        failed += 1
        print('STALE: docs/compat.md says that %r differs, and it does not' % name)
    print('%d passed, %d failed' % (total - failed, failed))
    return 1 if failed else 0


def report(name, plain):
    print('DIFFERENT: %s' % name)
    for part, left, right in zip(('status', 'reason', 'headers', 'body'), *plain):
        if left != right:
            same = len(os.path.commonprefix([left, right])) if part == 'body' and len(left) > 400 else 0
            same = max(0, same - 60)
            print('  %s from %d\n    Glance: %.400r\n    Glint:  %.400r' % (part, same, left[same:], right[same:]) if same
                  else '  %s\n    Glance: %.400r\n    Glint:  %.400r' % (part, left, right))


if __name__ == '__main__':
    sys.exit(main())
