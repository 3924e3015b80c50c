"""glance-manage and Glint's on MariaDB and PostgreSQL, as manage.py on SQLite: words, codes, tables and rows.

usage: servers.py VENV GLINT_BINARY
The servers are those of tests/databases (GLINT_TEST_MARIADB, GLINT_TEST_POSTGRESQL); without them nothing is compared.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import uuid
from urllib.parse import unquote, urlsplit

from manage import OLDER, Comparison, purged

# What there is of tables, without those of Glint: columns; indexes; what refers to what.
SHAPE = {
    'mysql': ("SELECT table_name, column_name, column_type, is_nullable, column_default, extra, character_set_name FROM information_schema.columns "
              "WHERE table_schema = database() AND table_name NOT LIKE 'glint%' ORDER BY table_name, ordinal_position",
              "SELECT table_name, index_name, column_name, non_unique FROM information_schema.statistics "
              "WHERE table_schema = database() AND table_name NOT LIKE 'glint%' ORDER BY table_name, index_name, seq_in_index",
              "SELECT table_name, constraint_name, column_name, referenced_table_name FROM information_schema.key_column_usage "
              "WHERE table_schema = database() AND table_name NOT LIKE 'glint%' ORDER BY table_name, constraint_name, column_name"),
    'postgresql': ("SELECT table_name, column_name, udt_name, is_nullable, column_default, character_maximum_length FROM information_schema.columns "
                   "WHERE table_schema = 'public' AND table_name NOT LIKE 'glint%' ORDER BY table_name, ordinal_position",
                   "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'glint%' ORDER BY tablename, indexname",
                   "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                   "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'glint%' ORDER BY 1, 2, 3")}
TABLES = ('alembic_version', 'image_locations', 'image_members', 'image_properties', 'image_tags', 'images', 'task_info', 'tasks')
# Rows that were deleted some years ago, and rows that live.
FILLED = (
    "INSERT INTO images (id, name, status, created_at, updated_at, deleted_at, deleted, min_disk, min_ram, protected) VALUES "
    "('i1', 'gone', 'deleted', '2020-01-01', '2020-01-01', '2020-01-02', true, 0, 0, false), ('i2', 'here', 'active', '2020-01-01', '2020-01-01', NULL, false, 1, 2, true)",
    "INSERT INTO image_properties (image_id, name, value, created_at, deleted_at, deleted) VALUES "
    "('i1', 'a', 'v', '2020-01-01', '2020-01-02', true), ('i1', 'b', 'v', '2020-01-01', '2020-01-02', true), ('i2', 'a', 'v', '2020-01-01', NULL, false)",
    "INSERT INTO image_tags (image_id, value, created_at, deleted_at, deleted) VALUES ('i1', 't', '2020-01-01', '2020-01-02', true), ('i2', 't', '2020-01-01', NULL, false)",
    "INSERT INTO image_members (image_id, member, can_share, status, created_at, deleted_at, deleted) VALUES "
    "('i1', 'm', false, 'pending', '2020-01-01', '2020-01-02', true), ('i2', 'm', false, 'accepted', '2020-01-01', NULL, false)",
    "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, deleted_at, deleted) VALUES "
    "('i2', 'file:///x', '{\"store\": \"fast\"}', 'active', '2020-01-01', NULL, false)",
    "INSERT INTO tasks (id, type, status, owner, created_at, deleted_at, deleted) VALUES "
    "('t1', 'import', 'success', 'o', '2020-01-01', '2020-01-02', true), ('t2', 'import', 'success', 'o', '2020-01-01', NULL, false)",
    "INSERT INTO task_info (task_id, input) VALUES ('t1', '{}'), ('t2', '{}')")


class Server:
    """A database server, as Python speaks to it."""

    def __init__(self, url):
        self.url, self.kind = urlsplit(url), urlsplit(url).scheme.partition('+')[0]

    def ask(self, database, *statements):
        """The rows of the last statement."""
        account = {'host': self.url.hostname, 'port': self.url.port, 'user': self.url.username, 'password': unquote(self.url.password or '')}
        if self.kind == 'mysql':
            import pymysql
            connection = pymysql.connect(database=database, autocommit=True, **account)
        else:
            import psycopg2
            connection = psycopg2.connect(dbname=database or 'postgres', **account)
            connection.autocommit = True
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def of(self, database):
        return '%s/%s' % (self.url.geturl(), database)


class OnServer(Comparison):
    def __init__(self, venv, binary, root, server):
        super().__init__(venv, binary, root)
        self.server, self.made = server, []

    def begin(self, *revision, fill=()):
        """Both begin with a database that the real Glance made at a revision, or with an empty one."""
        for tool in (self.glance, self.glint):
            tool.database = 'glint_' + uuid.uuid4().hex
            self.server.ask(None, 'CREATE DATABASE ' + tool.database)
            self.made.append(tool.database)
            self.use(tool, tool.database)
            if revision:
                self.use(self.glance, tool.database)
                code, _, why = self.glance.run('db', 'upgrade', *revision)
                assert code == 0, why
                self.server.ask(tool.database, *fill)
        self.use(self.glance, self.glance.database)

    def use(self, tool, database):
        url = self.server.of(database)
        tool.configuration.write_text('[database]\nconnection = %s\n' % url)

    def alike(self, what):
        for question in SHAPE[self.server.kind]:
            self.expect('%s: shape' % what, *(self.server.ask(tool.database, question) for tool in (self.glance, self.glint)))
        for table in TABLES:
            rows = (sorted(map(repr, self.server.ask(tool.database, 'SELECT * FROM ' + table))) for tool in (self.glance, self.glint))
            self.expect('%s: rows of %s' % (what, table), *rows)

    def end(self):
        self.stop()
        for database in self.made:
            self.server.ask(None, 'DROP DATABASE ' + database)


def compare_on(compare, shipped):
    compare.begin()
    for words in ('version', 'check', 'migrate', 'contract', 'sync', 'version', 'check', 'sync', 'expand'):
        compare.command('db', words)
    compare.alike('sync of an empty database')
    for revision in (OLDER, 'rocky_contract02'):
        compare.begin(revision, fill=FILLED)
        for words in ('check', 'contract', 'expand', 'version', 'check', 'migrate', 'contract', 'check', 'sync', 'version'):
            compare.command('db', words)
        compare.alike('phases from ' + revision)
    for words in ('purge --max_rows 1', 'purge', 'purge_images_table --max_rows 0', 'purge_images_table'):
        left, right = compare.command('db', *words.split())
        compare.expect(words + ': log', purged(left[2]), purged(right[2]))
        compare.alike(words)
    compare.command('db', 'load_metadefs', shipped)
    for question in ('SELECT namespace, display_name, description, visibility, protected, owner FROM metadef_namespaces',
                     'SELECT n.namespace, p.name FROM metadef_properties p JOIN metadef_namespaces n ON n.id = p.namespace_id',
                     'SELECT n.namespace, o.name, o.description FROM metadef_objects o JOIN metadef_namespaces n ON n.id = o.namespace_id',
                     'SELECT n.namespace, t.name, a.prefix, a.properties_target FROM metadef_namespace_resource_types a '
                     'JOIN metadef_namespaces n ON n.id = a.namespace_id JOIN metadef_resource_types t ON t.id = a.resource_type_id'):
        compare.expect('definitions', *(sorted(map(repr, compare.server.ask(tool.database, question))) for tool in (compare.glance, compare.glint)))
    # What one begins, the other goes on with.
    compare.begin(OLDER, fill=FILLED)
    for tool, words in ((compare.glint, 'upgrade expand@head'), (compare.glance, 'sync')):
        compare.use(tool, compare.glance.database)
        compare.expect('begun by Glint: ' + words, 0, tool.run('db', *words.split())[0])
    for tool, words in ((compare.glance, 'upgrade expand@head'), (compare.glint, 'sync')):
        compare.use(tool, compare.glint.database)
        compare.expect('begun by Glance: ' + words, 0, tool.run('db', *words.split())[0])
    compare.alike('in turn')


def main():
    venv, binary = (pathlib.Path(path).absolute() for path in sys.argv[1:])
    passed = failed = 0
    for name in ('GLINT_TEST_MARIADB', 'GLINT_TEST_POSTGRESQL'):
        if not os.environ.get(name):
            print('servers: no %s, nothing compared (tests/databases has them)' % name)
            continue
        root = pathlib.Path(tempfile.mkdtemp(prefix='glint-compat-servers-'))
        compare = OnServer(venv, binary, root, Server(os.environ[name]))
        try:
            compare_on(compare, venv / 'etc/glance/metadefs')
        finally:
            compare.end()
            shutil.rmtree(root, ignore_errors=True)
        passed, failed = passed + compare.passed, failed + compare.failed
    print('servers: %d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
