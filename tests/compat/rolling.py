"""A database of Glance 27 (2023.2) is upgraded with expand, migrate and contract while Glint serves on it.

usage: rolling.py VENV GLINT_BINARY
The database is made by Glance's own chain of migrations, up to the last revision that Glance 27 has. Requests of every kind go on
meanwhile; none may fail. Once with Glint's commands, once with Glance's.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import tables
from bothways import BYTES, DATA, JSON, PATCH, ask
from glance import Glance, Glint
from manage import OLDER, checkpoint, filled

# Rounds of requests that have to pass between two phases.
ROUNDS = 3
PATIENCE_S = 120


class Traffic:
    """Rounds of requests, one after the other, until told to stop."""

    def __init__(self, server):
        self.server, self.rounds, self.requests, self.failed = server, 0, 0, []
        self.ended, self.going, self.resting = threading.Event(), threading.Event(), threading.Event()
        self.going.set()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def ask(self, wanted, method, path, body=None, kind=JSON):
        try:
            status, _, shown = ask(self.server, method, path, body, kind)
        except OSError as error:
            status, shown = 0, repr(error)
        self.requests += 1
        if status != wanted:
            self.failed.append('%s %s: %s instead of %s: %.300r' % (method, path, status, wanted, shown))
        return shown

    def run(self):
        while not self.ended.is_set():
            if not self.going.is_set():
                self.resting.set()
                self.going.wait()
                self.resting.clear()
            self.round()
            self.rounds += 1

    def round(self):
        made = self.ask(201, 'POST', '/v2/images', {'name': 'rolling', 'disk_format': 'raw', 'container_format': 'bare', 'p': 'v', 'tags': ['t']})
        if not isinstance(made, dict) or 'id' not in made:
            return
        path = '/v2/images/' + made['id']
        self.ask(204, 'PUT', path + '/file', DATA, BYTES)
        self.ask(200, 'PATCH', path, [{'op': 'replace', 'path': '/name', 'value': 'rolled'}], PATCH)
        self.ask(200, 'POST', path + '/members', {'member': 'm'})
        if self.ask(200, 'GET', path + '/file') != DATA:
            self.failed.append('other bytes')
        self.ask(204, 'POST', path + '/actions/deactivate')
        self.ask(200, 'GET', path)
        self.ask(200, 'GET', '/v2/images?limit=5&sort=name:asc')
        self.ask(200, 'GET', '/v2/images/00000000-0000-4000-8000-000000000000')
        namespace = '/v2/metadefs/namespaces/' + made['id']
        self.ask(201, 'POST', '/v2/metadefs/namespaces', {'namespace': made['id'], 'owner': 'admin'})
        self.ask(200, 'GET', namespace)
        self.ask(204, 'DELETE', namespace)
        self.ask(204, 'DELETE', path)

    def pass_on(self):
        """Waits until some rounds have passed."""
        goal, deadline = self.rounds + ROUNDS, time.monotonic() + PATIENCE_S
        while self.rounds < goal and not self.failed and time.monotonic() < deadline:
            time.sleep(.02)

    def rest(self):
        self.going.clear()
        self.resting.wait(PATIENCE_S)

    def stop(self):
        self.ended.set()
        self.going.set()
        self.thread.join()


def upgrade(venv, binary, manage, rests, root):
    """The phases, with requests between them and, but for `rests`, during them; what failed, and how many requests there were."""
    database = root / 'glance.db'
    configuration = root / 'glance-api.conf'
    configuration.write_text('[database]\nconnection = sqlite:///%s\n' % database)

    def run(command, *words):
        done = subprocess.run([*map(str, command), '--config-file', str(configuration), *words], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr[-2000:]

    code, said = run([venv / 'bin/glance-manage'], 'db', 'upgrade', '--version', OLDER)
    assert code == 0, said
    with tables.connect(database) as filling:
        for statement in filled((40,)):
            filling.execute(statement)
    before = tables.rows(database)
    glint = Glint(binary, database='sqlite:///%s' % database)
    try:
        traffic = Traffic(glint)
        try:
            failed = []
            for phase in ('expand', 'migrate', 'contract'):
                traffic.pass_on()
                if rests:
                    traffic.rest()
                code, said = run(manage, 'db', phase)
                traffic.going.set()
                if code:
                    failed.append('db %s: %d: %s' % (phase, code, said))
            traffic.pass_on()
        finally:
            traffic.stop()
    finally:
        glint.stop()
    checkpoint(database)
    after = tables.rows(database)
    for table, rows in before.items():
        gone = [row for row in rows if row not in after[table]] if table != 'alembic_version' else []
        failed += ['%s lacks %r' % (table, row) for row in gone]
    glance = Glance(venv, database='sqlite:///%s' % database)
    try:
        status, _, shown = ask(glance, 'GET', '/v2/images/00000000-0000-4000-8000-000000000000')
        if status != 200:
            failed.append('Glance answers %s: %r' % (status, shown))
    finally:
        glance.stop()
    return failed + traffic.failed, traffic.requests, tables.schema(database)


def main():
    venv, binary = (pathlib.Path(path).absolute() for path in sys.argv[1:])
    root = pathlib.Path(tempfile.mkdtemp(prefix='glint-compat-rolling-'))
    try:
        results = []
        # On SQLite Alembic fails where anybody writes meanwhile ("database is locked"): Glance's commands get their moment alone.
        for name, manage, rests in (('glint', [binary, 'manage'], False), ('glance', [venv / 'bin/glance-manage'], True)):
            (root / name).mkdir()
            results.append(upgrade(venv, binary, manage, rests, root / name))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    failed = [text for result in results for text in result[0]]
    if results[0][2] != results[1][2]:
        failed.append('the tables differ: %r' % ([result[2] for result in results],))
    for text in failed[:20]:
        print('FAILED: ' + text)
    print('rolling: %d requests, %d failed' % (sum(result[1] for result in results), len(failed)))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
