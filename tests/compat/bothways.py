"""A database goes from Glance to Glint and back, and the other way round, field by field.

usage: bothways.py VENV GLINT_BINARY
The same things are made through both, each on a database of its own, and all rows are compared. Then each serves what the other made,
answer by answer as its maker; changes it; and the maker serves it again.
"""
import http.client
import json
import re
import signal
import sys

import tables
from glance import GRANTED, Glance, Glint

# One store, no cache, all that can be shown of locations.
OPTIONS = {'DEFAULT.show_multiple_locations': 'True', 'DEFAULT.show_image_direct_url': 'True', 'DEFAULT.image_location_quota': '10'}
SMILE = '\u00e4\u20ac'
JSON, PATCH, BYTES = 'application/json', 'application/openstack-images-v2.1-json-patch', 'application/octet-stream'
DATA = bytes(range(256)) * 64
MEMBERS = 'add_member get_member get_members modify_member delete_member'.split()
# Headers that name the request or its server.
PASSING = {'x-openstack-request-id', 'date', 'server', 'connection', 'content-length'}


def ask(server, method, path, body=None, kind=JSON):
    """Status, headers and body of an answer."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    connection.request(method, path, body, {'Content-Type': kind} if body is not None else {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    headers = sorted((name.lower(), value.replace(server.url, 'URL')) for name, value in answer.getheaders() if name.lower() not in PASSING)
    try:
        shown = json.loads(data, object_hook=unordered)
    except ValueError:
        shown = data
    return answer.status, headers, shown


def unordered(found):
    """Tags of images in no order: Glance keeps them in a set of Python's."""
    if 'checksum' in found:
        found['tags'] = sorted(found['tags'])
    return found


def image(number):
    return '00000000-0000-4000-8000-%012d' % number


def calls():
    """What makes one of everything: (method, path, body, kind, status)."""
    def create(number, **fields):
        return 'POST', '/v2/images', dict(id=image(number), **fields), JSON, 201

    def upload(number, data=DATA):
        return 'PUT', '/v2/images/%s/file' % image(number), data, BYTES, 204

    def patch(number, *changes):
        return 'PATCH', '/v2/images/' + image(number), list(changes), PATCH, 200

    formats = {'disk_format': 'raw', 'container_format': 'bare'}
    yield create(1)
    yield create(2, name=SMILE, visibility='public', min_disk=3, min_ram=4, protected=True, os_hidden=True, tags=['b', 'a', SMILE], owner='someone', **formats,
                 **{'property': 'value', 'empty': '', 'hw_disk_bus': 'scsi'})
    yield upload(2)
    yield create(3, name='deleted', tags=['t'], p='v', **formats)
    yield upload(3)
    yield 'DELETE', '/v2/images/' + image(3), None, JSON, 204
    yield create(4, name='shared', visibility='shared', **formats)
    yield 'POST', '/v2/images/%s/members' % image(4), {'member': 'one'}, JSON, 200
    yield 'POST', '/v2/images/%s/members' % image(4), {'member': 'two'}, JSON, 200
    yield 'PUT', '/v2/images/%s/members/two' % image(4), {'status': 'accepted'}, JSON, 200
    yield 'POST', '/v2/images/%s/members' % image(4), {'member': 'three'}, JSON, 200
    yield 'DELETE', '/v2/images/%s/members/three' % image(4), None, JSON, 204
    yield create(5, name='community', visibility='community', **formats)
    yield upload(5, b'')
    yield 'PUT', '/v2/images/%s/tags/one' % image(5), None, JSON, 204
    yield 'PUT', '/v2/images/%s/tags/two' % image(5), None, JSON, 204
    yield 'DELETE', '/v2/images/%s/tags/one' % image(5), None, JSON, 204
    yield create(6, name='deactivated', visibility='private', **formats)
    yield upload(6)
    yield 'POST', '/v2/images/%s/actions/deactivate' % image(6), None, JSON, 204
    yield create(7, name='changed', a='1', b='2', c='3')
    yield patch(7, {'op': 'replace', 'path': '/name', 'value': 'anew'}, {'op': 'remove', 'path': '/a'}, {'op': 'replace', 'path': '/b', 'value': '22'},
                {'op': 'add', 'path': '/d', 'value': '4'}, {'op': 'replace', 'path': '/tags', 'value': ['x', 'y']}, {'op': 'add', 'path': '/min_disk', 'value': 9})
    yield patch(7, {'op': 'add', 'path': '/a', 'value': 'again'}, {'op': 'replace', 'path': '/tags', 'value': ['y', 'z']})
    yield create(8, name='deleted without bytes')
    yield 'DELETE', '/v2/images/' + image(8), None, JSON, 204
    namespaces = '/v2/metadefs/namespaces'
    yield ('POST', namespaces, {
        'namespace': 'NS', 'owner': 'admin', 'display_name': 'D', 'description': SMILE, 'visibility': 'public', 'protected': False,
        'resource_type_associations': [{'name': 'OS::T', 'prefix': 'x_', 'properties_target': 'y'}],
        'properties': {'p': {'type': 'integer', 'title': 'P', 'minimum': 1, 'maximum': 5, 'enum': ['a'], 'default': 2}},
        'objects': [{'name': 'o', 'description': 'd', 'required': ['q'], 'properties': {'q': {'type': 'string', 'title': 'Q'}}}],
        'tags': [{'name': 't1'}, {'name': 't2'}]}, JSON, 201)
    yield 'PUT', namespaces + '/NS', {'namespace': 'NS', 'owner': 'admin', 'description': 'changed', 'protected': True}, JSON, 200
    yield 'PUT', namespaces + '/NS/objects/o', {'name': 'o', 'description': 'changed', 'properties': {'q': {'type': 'string', 'title': 'QQ'}}}, JSON, 200
    yield 'POST', namespaces, {'namespace': 'Gone', 'owner': 'admin'}, JSON, 201
    yield 'DELETE', namespaces + '/Gone', None, JSON, 204


def changes():
    """What the other one does to what was made."""
    yield 'PATCH', '/v2/images/' + image(2), [{'op': 'replace', 'path': '/protected', 'value': False}, {'op': 'remove', 'path': '/property'},
                                              {'op': 'replace', 'path': '/tags', 'value': ['a', 'c']}, {'op': 'add', 'path': '/more', 'value': SMILE}], PATCH, 200
    yield 'PUT', '/v2/images/%s/members/one' % image(4), {'status': 'rejected'}, JSON, 200
    yield 'DELETE', '/v2/images/%s/members/two' % image(4), None, JSON, 204
    yield 'POST', '/v2/images/%s/members' % image(4), {'member': 'two'}, JSON, 200
    yield 'PUT', '/v2/images/%s/file' % image(4), DATA, BYTES, 204
    yield 'POST', '/v2/images/%s/actions/reactivate' % image(6), None, JSON, 204
    yield 'DELETE', '/v2/images/' + image(5), None, JSON, 204
    yield 'POST', '/v2/images', {'id': image(9), 'name': 'by the other'}, JSON, 201
    yield 'PATCH', '/v2/images/' + image(7), [{'op': 'remove', 'path': '/d'}, {'op': 'replace', 'path': '/name', 'value': None}], PATCH, 200
    yield 'PUT', '/v2/metadefs/namespaces/NS', {'namespace': 'NS', 'owner': 'admin', 'protected': False}, JSON, 200
    yield 'DELETE', '/v2/metadefs/namespaces/NS/tags/t1', None, JSON, 204
    yield 'POST', '/v2/metadefs/namespaces/NS/properties', {'name': 'new', 'type': 'string', 'title': 'N'}, JSON, 201


def questions():
    """All that can be asked of it."""
    for query in ('', '?limit=2', '?sort=name:asc,created_at:desc', '?visibility=public', '?os_hidden=true', '?tag=a', '?status=deactivated', '?name=anew',
                  '?size_min=1', '?member_status=all&visibility=shared', '?property=value'):
        yield '/v2/images' + query
    for number in range(1, 10):
        yield '/v2/images/' + image(number)
        yield '/v2/images/%s/members' % image(number)
        yield '/v2/images/%s/file' % image(number)
    yield '/v2/images/%s/members/one' % image(4)
    namespaces = '/v2/metadefs/namespaces'
    for path in ('', '/NS', '/NS/resource_types', '/NS/properties', '/NS/properties/p', '/NS/objects', '/NS/objects/o', '/NS/tags', '/NS/tags/t2', '/Gone'):
        yield namespaces + path
    yield '/v2/metadefs/resource_types'


class Comparison:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, what, left, right):
        if left == right:
            self.passed += 1
        else:
            self.failed += 1
            print('DIFFERENT: %s\n  %.1500r\n  %.1500r' % (what, left, right))

    def play(self, server, what):
        for method, path, body, kind, wanted in what:
            status, _, shown = ask(server, method, path, body, kind)
            self.expect('%s %s %s: %.300r' % (type(server).__name__, method, path, shown), wanted, status)

    def same_answers(self, what, before, after):
        for path in before:
            self.expect('%s: GET %s' % (what, path), before[path], after[path])


def answers(server):
    return {path: ask(server, 'GET', path) for path in questions()}


def halt(server):
    """Ends the process and leaves what it wrote: on SQLite a transaction of Python's driver fails where another process writes meanwhile."""
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)


def plain(rows):
    """Rows without what two databases cannot have in common: times, numbers of rows and places of files.

    `virtual_size` is left out, which docs/compat.md explains, and so is the time of a deletion that was taken back: Glance keeps it.
    """
    found = {}
    for table, those in rows.items():
        kept = []
        for row in those:
            fields = [(column, (field is not None) if column in tables.TIMES else re.sub(r'file://\S*/', 'file:///', field) if isinstance(field, str) else field)
                      for column, field in row if (column != 'id' or table in ('images', 'tasks')) and column != 'virtual_size'
                      and (column != 'deleted_at' or ('deleted', 0) not in row)]
            kept.append(fields)
        found[table] = sorted(kept, key=repr)
    return found


def there_and_back(compare, maker, other, start, servers):
    """What `maker` made, as `other` serves and changes it, as `maker` serves that. Gives the database."""
    def begin(kind, at=None):
        servers.append(start(kind, at))
        return servers[-1]

    first = begin(maker)
    compare.play(first, calls())
    made = answers(first)
    halt(first)
    rows = plain(tables.rows(first.state / 'glance.db'))
    second = begin(other, first.state)
    compare.same_answers('made by ' + maker, made, answers(second))
    compare.play(second, changes())
    changed = answers(second)
    halt(second)
    third = begin(maker, first.state)
    compare.same_answers('changed by ' + other, changed, answers(third))
    halt(third)
    return rows, first.state / 'glance.db'


def main():
    venv, binary = sys.argv[1:]
    compare, servers = Comparison(), []

    def start(kind, at):
        options = dict(OPTIONS, **{'database.connection': 'sqlite:///%s/glance.db' % (at or '{state}'),
                                   'glance_store.filesystem_store_datadir': '%s/images' % (at or '{state}')})
        return Glance(venv, options, granted=GRANTED + MEMBERS) if kind == 'Glance' else Glint(binary, options)

    try:
        made, changed = zip(there_and_back(compare, 'Glance', 'Glint', start, servers), there_and_back(compare, 'Glint', 'Glance', start, servers))
        for table in sorted({*made[0], *made[1]}):
            compare.expect('rows of ' + table, made[0].get(table), made[1].get(table))
        compare.expect('tables', *map(tables.schema, changed))
        rows = [plain(tables.rows(path)) for path in changed]
        for table in sorted({*rows[0], *rows[1]}):
            compare.expect('rows after changes of ' + table, rows[0].get(table), rows[1].get(table))
    finally:
        for server in servers:
            server.stop()
    print('bothways: %d passed, %d failed' % (compare.passed, compare.failed))
    return 1 if compare.failed else 0


if __name__ == '__main__':
    sys.exit(main())
