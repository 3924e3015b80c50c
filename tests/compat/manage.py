"""Plays commands to the real glance-manage and to Glint's, each on a database of its own, and compares what they print, the code
they end with, and every field of the databases after it.

usage: manage.py VENV GLINT_BINARY
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import tables

HEAD = '2024_1_contract01'
# The head of Glance 27 (2023.2): the revision before the tables of the centralised cache.
OLDER = '2023_1_contract01'


class Tool:
    """A command with a database file of its own."""

    def __init__(self, command, root):
        self.command, self.root = command, root
        self.output, self.errors = root / 'stdout', root / 'stderr'
        root.mkdir()
        self.database = root / 'glance.db'
        self.configuration = root / 'glance-api.conf'
        self.configuration.write_text('[database]\nconnection = sqlite:///%s\n[DEFAULT]\nmetadata_source_path = %s/none/\n' % (self.database, root))

    def run(self, *words, configuration=True):
        """Code, standard output, standard error."""
        files = ['--config-file', self.configuration] if configuration else []
        environment = {name: text for name, text in os.environ.items() if not name.startswith(('OS_', 'RUST_'))}
        code = self.play([str(word) for word in (*files, *words)], dict(environment, HOME=str(self.root)))
        said, why = (path.read_text().replace(str(self.root), 'ROOT') for path in (self.output, self.errors))
        return code, said, why

    def play(self, arguments, environment):
        with open(self.output, 'w') as output, open(self.errors, 'w') as errors:
            return subprocess.run([*self.command, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=self.root, env=environment,
                                  timeout=300).returncode

    def put(self, database):
        """Begins with a copy of `database`, or with none."""
        for ending in ('', '-wal', '-shm', '-journal'):
            path = pathlib.Path(str(self.database) + ending)
            path.unlink(missing_ok=True)
        if database:
            shutil.copy(database, self.database)


class Loaded(Tool):
    """The real one, loaded once."""

    def __init__(self, venv, root):
        super().__init__([], root)
        zygote = pathlib.Path(__file__).with_name('zygote.py')
        self.process = subprocess.Popen([venv / 'bin/python', '-I', '-W', 'ignore', zygote], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def play(self, arguments, environment):
        order = {'arguments': arguments, 'environment': environment, 'directory': str(self.root), 'stdout': str(self.output), 'stderr': str(self.errors)}
        self.process.stdin.write(json.dumps(order) + '\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


class Comparison:
    def __init__(self, venv, binary, root):
        self.root = root
        self.glance = Loaded(venv, root / 'glance')
        self.glint = Tool([binary, 'manage'], root / 'glint')
        self.passed = self.failed = 0

    def stop(self):
        self.glance.stop()

    def both(self, work):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(work, (self.glance, self.glint)))

    def expect(self, what, left, right):
        if left == right:
            self.passed += 1
        else:
            self.failed += 1
            print('DIFFERENT: %s\n  Glance: %.2000r\n  Glint:  %.2000r' % (what, left, right))

    def command(self, *words, said=True):
        """One command: code and standard output; of the last line of standard error, what Glance means operators to read."""
        name = ' '.join(map(str, words))
        left, right = self.both(lambda tool: tool.run(*words))
        self.expect(name, left[:2], right[:2])
        if left[0] == 1 and said:
            self.expect(name + ': why', left[2].rstrip().rpartition('\n')[2], right[2].rstrip().rpartition('\n')[2])
        return left, right

    def databases(self, what, without=()):
        left, right = (tables.schema(tool.database) for tool in (self.glance, self.glint))
        for table in sorted({*left, *right}):
            self.expect('%s: table %s' % (what, table), left.get(table), right.get(table))
        left, right = (tables.rows(tool.database, without) for tool in (self.glance, self.glint))
        for table in sorted({*left, *right}):
            self.expect('%s: rows of %s' % (what, table), left.get(table), right.get(table))

    def begin(self, database):
        for tool in (self.glance, self.glint):
            tool.put(database)

    def made(self, name, revision, fill=()):
        """A database that the real Glance made at a revision, with some rows."""
        self.glance.put(None)
        code, _, why = self.glance.run('db', 'upgrade', '--version', revision)
        assert code == 0, why
        database = tables.connect(self.glance.database)
        for statement in fill:
            database.execute(statement)
        database.commit()
        database.close()
        path = self.root / name
        shutil.copy(self.glance.database, path)
        return path


def at(days):
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '-%f days')" % days


def filled(deleted_days=()):
    """Statements for rows of every kind: some deleted so many days ago."""
    for number, days in enumerate((None, *deleted_days)):
        image = '00000000-0000-4000-8000-%012d' % number
        gone = 'NULL, 0' if days is None else '%s, 1' % at(days)
        status = 'active' if days is None else 'deleted'
        stamps = '%s, %s, %s' % (at(900), at(800), gone)
        yield ("INSERT INTO images (id, name, size, status, created_at, updated_at, deleted_at, deleted, disk_format, container_format, checksum, owner, "
               "min_disk, min_ram, protected, visibility) VALUES ('%s', 'image %d', %d, '%s', %s, 'raw', 'bare', 'd41d8cd98f00b204e9800998ecf8427e', 'p', 1, 2, 0, "
               "'shared')" % (image, number, number, status, stamps))
        of = 'created_at, updated_at, deleted_at, deleted'
        for name in ('a', 'b'):
            yield "INSERT INTO image_properties (image_id, name, value, %s) VALUES ('%s', '%s', 'v', %s)" % (of, image, name, stamps)
            yield "INSERT INTO image_tags (image_id, value, %s) VALUES ('%s', '%s', %s)" % (of, image, name, stamps)
        yield ("INSERT INTO image_locations (image_id, value, meta_data, status, %s) VALUES ('%s', 'file:///x/%s', '{\"store\": \"fast\"}', '%s', %s)"
               % (of, image, image, status, stamps))
        yield ("INSERT INTO image_members (image_id, member, can_share, status, %s) VALUES ('%s', 'q', 0, 'accepted', %s)" % (of, image, stamps))
        yield ("INSERT INTO tasks (id, type, status, owner, expires_at, %s) VALUES ('task %d', 'import', 'success', 'p', %s, %s)" % (of, number, at(1), stamps))
        yield "INSERT INTO task_info (task_id, input, result, message) VALUES ('task %d', '{\"a\": 1}', NULL, 'm')" % number


def phases(compare):
    """Every state a database is found in, and every phase."""
    compare.begin(None)
    for words in ('version', 'check', 'migrate', 'contract', 'version', 'sync', 'version', 'check', 'sync', 'expand', 'migrate', 'contract', 'upgrade'):
        compare.command('db', words)
    compare.databases('sync of an empty database')
    for name, revision in (('older', OLDER), ('halfway', 'zed_contract01'), ('wallaby', 'wallaby_contract01'), ('rocky', 'rocky_contract02'), ('ocata', 'ocata_contract01')):
        path = compare.made(name, revision, filled((40,)) if name in ('older', 'halfway', 'wallaby') else ())
        compare.begin(path)
        for words in ('version', 'check', 'migrate', 'contract', 'expand', 'version', 'check', 'expand', 'migrate', 'contract', 'version', 'check'):
            compare.command('db', words)
        compare.databases('phases from ' + revision)
        compare.begin(path)
        compare.command('db_sync')
        compare.databases('sync from ' + revision)


def in_turn(compare):
    """What one begins, the other goes on with."""
    path = compare.made('turn', OLDER, filled((40,)))
    for first, second in ((compare.glance, compare.glint), (compare.glint, compare.glance)):
        compare.begin(path)
        said = []
        for tool, words in ((first, 'expand'), (second, 'check'), (second, 'migrate'), (second, 'contract'), (first, 'check'), (first, 'sync')):
            shutil.copy(tool.database, compare.root / 'now')
            said.append(tool.run('db', words)[:2])
            checkpoint(tool.database)
            other = compare.glint if tool is compare.glance else compare.glance
            other.put(tool.database)
        compare.expect('in turn', [code for code, _ in said], [0, 5, 0, 0, 0, 0])
        compare.expect('in turn: heads', tables.rows(first.database)['alembic_version'], [(('version_num', HEAD),)])
    compare.begin(path)
    compare.both(lambda tool: tool.run('db', 'sync'))
    compare.databases('after turns')


def checkpoint(path):
    """Brings what stands in the write-ahead log into the file."""
    database = tables.connect(path)
    database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    database.close()


def revisions(compare):
    """upgrade and version_control with every kind of target, and what is not known."""
    path = compare.made('revisions', 'pike_contract01')
    compare.begin(path)
    for words in ('upgrade nonsense', 'upgrade --version rocky_expand01', 'version', 'upgrade 2023_1_c', 'upgrade head', 'upgrade mitaka01', 'upgrade 2024_1_e',
                  'version', 'upgrade expand@head', 'upgrade --version heads', 'version'):
        compare.command('db', *words.split(), said=False)
    compare.databases('upgrade step by step')
    compare.begin(None)
    for target in ('', '--version 2023_1_contract01', '2024_1_expand01', '2023_1_expand01', 'mitaka02', '2024_1_expand01', 'rocky_contract02', 'expand@head',
                   'contract@head', 'expand', 'contract', 'heads', 'nonsense', '2024'):
        compare.command('db', 'version_control', *target.split(), said=False)
        compare.command('db', 'version')
    compare.command('db_version_control')
    compare.command('db_version_control', OLDER)
    compare.begin(compare.made('newer', 'heads', ["UPDATE alembic_version SET version_num = '2031_1_contract01'"]))
    for words in ('version', 'check', 'sync', 'expand', 'migrate', 'contract', 'upgrade', 'version_control --version ' + HEAD):
        compare.command('db', *words.split(), said=words in ('migrate', 'contract'))
    compare.databases('a newer database')


def purging(compare):
    path = compare.made('deleted', 'heads', filled((1, 29, 31, 60, 181, 400, 500)))
    for runs in (('purge',), ('purge --age_in_days 0 --max_rows -1', 'purge_images_table --age_in_days 0 --max_rows -1'), ('purge --max_rows 3', 'purge --max_rows 3'),
                 ('purge 100 1', 'purge'), ('purge --max_rows 0',), ('purge --max_rows -1', 'purge_images_table', 'purge_images_table 100 1'),
                 ('purge --age_in_days 40 --max_rows 2147483647',)):
        compare.begin(path)
        for words in runs:
            left, right = compare.command('db', *words.split())
            compare.expect(words + ': log', purged(left[2]), purged(right[2]))
        compare.databases('; '.join(runs))
    compare.begin(path)
    for words in ('purge --age_in_days -1', 'purge --age_in_days 99999', 'purge --max_rows -2', 'purge --max_rows 2147483648', 'purge x', 'purge 1 x', 'purge -5',
                  'purge_images_table --age_in_days -1', 'purge_images_table x'):
        compare.command('db', *words.split())
    compare.databases('nothing purged')


def purged(log):
    """The lines about purging, without what stands before them."""
    return [line[line.index(word):] for line in log.splitlines() for word in ('Purging deleted', 'Deleted ') if word in line][:99]


FILES = {
    'a.json': '{"namespace": "A", "display_name": "Display A", "visibility": "public", "protected": false, "resource_type_associations": [{"name": "OS::T", "prefix": "x_"}], '
              '"properties": {"p": {"type": "string", "title": "P"}}, "objects": [{"name": "o", "description": "d", "properties": {"q": {"title": "Q", "type": "integer"}}}], '
              '"tags": [{"name": "t"}]}',
    'b.json': '{"namespace": "B", "owner": "someone", "description": "\u00e4\u20ac"}',
    'broken.json': '{"namespace": ',
    'passed.txt': 'not a definition'}
CHANGED = FILES['a.json'].replace('"Display A"', '"Changed"').replace('x_', 'y_').replace('"P"', '"PP"').replace('"d"', '"dd"').replace('"t"}', '"t"}, {"name": "new"}')


def definitions(compare, shipped):
    path = compare.made('definitions', 'heads')
    directory, changed = compare.root / 'metadefs', compare.root / 'changed'
    directory.mkdir()
    changed.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    (changed / 'a.json').write_text(CHANGED)
    compare.begin(path)

    def step(*words):
        compare.command('db', *words) if words[0] != 'short' else compare.command(*words[1:])
        compare.expect('definitions after %s' % (words,), *(tables.metadefs(tool.database) for tool in (compare.glance, compare.glint)))

    step('load_metadefs', '--path', directory)
    step('load_metadefs', directory)
    step('load_metadefs', '--path', changed)
    for flags in (('--prefer_new',), ('--overwrite',), ('--merge', '--prefer_new', '--overwrite'), ('--merge',), ('--merge', '--prefer_new')):
        step('load_metadefs', '--path', changed / 'a.json', *flags)
    step('load_metadefs', '--path', directory, '--merge', '--overwrite')
    step('load_metadefs', '--path', compare.root / 'nothing')
    step('load_metadefs')
    step('short', 'db_load_metadefs', changed, 'True', 'True')
    step('unload_metadefs')
    step('short', 'db_load_metadefs', shipped)
    step('short', 'db_unload_metadefs')
    # Glance cannot export; what Glint exports is loaded by Glance, and gives what was exported.
    compare.glint.run('db', 'load_metadefs', shipped)
    compare.glint.run('db', 'load_metadefs', directory)
    exported = compare.root / 'exported'
    exported.mkdir()
    compare.expect('export', (0, ''), compare.glint.run('db', 'export_metadefs', '--path', exported)[:2])
    compare.glance.run('db', 'load_metadefs', exported)
    compare.expect('what was exported', *(tables.metadefs(tool.database) for tool in (compare.glance, compare.glint)))
    compare.expect('files exported', len(list(pathlib.Path(shipped).glob('*.json'))) + 2, len(list(exported.iterdir())))


def usage(compare):
    for words in ('db', 'nonsense', 'db nonsense', 'db purge --age_in_days x', 'db_sync 1 2', '--version', 'db_purge'):
        left, right = compare.both(lambda tool: tool.run(*words.split(), configuration=False))
        compare.expect('usage: ' + words, left[0], right[0])
        if left[0] != 2 or words == 'db':
            compare.expect('usage: %s: output' % words, left[1], right[1])
    for tool in (compare.glance, compare.glint):
        tool.configuration.write_text('[database]\nconnection = sqlite:////no/such/directory/glance.db\n')
    for words in ('db version', 'db sync', 'db check', 'db purge', 'db load_metadefs'):
        compare.command(*words.split(), said=False)
    for tool in (compare.glance, compare.glint):
        tool.configuration.write_text('[DEFAULT]\n')
    compare.command('db', 'version', said=False)


def main():
    venv, binary = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2]).absolute()
    root = pathlib.Path(tempfile.mkdtemp(prefix='glint-compat-manage-'))
    compare = Comparison(venv, binary, root)
    try:
        phases(compare)
        in_turn(compare)
        revisions(compare)
        purging(compare)
        definitions(compare, venv / 'etc/glance/metadefs')
        usage(compare)
    finally:
        compare.stop()
        shutil.rmtree(root, ignore_errors=True)
    print('manage: %d passed, %d failed' % (compare.passed, compare.failed))
    return 1 if compare.failed else 0


if __name__ == '__main__':
    sys.exit(main())
