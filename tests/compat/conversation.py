"""The conversation that is played to both servers: a generator of exchanges.

Each exchange is yielded as Call(name, method, path, headers, body) and the answer is sent back in, so that later exchanges can
use the ids that this server gave. Names are unique: they are what docs/compat.md refers to.
"""
import json

from exchange import JSON, call
from metadefs import metadefs
from resources import resources

V21 = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
V20 = {'Content-Type': 'application/openstack-images-v2.0-json-patch'}
OCTETS = {'Content-Type': 'application/octet-stream'}
NOBODY = '71c675ab-d94f-49cd-a114-e12490b328d9'
RAW = bytes(range(256)) * 40


def conversation():
    yield from versions()
    yield from schemas()
    yield from faults()
    yield from create()
    yield from update()
    yield from data()
    yield from ranges()
    yield from listing()
    yield from delete()
    yield from resources(call)
    yield from metadefs(call)
    # Glance refuses these two and keeps the image, after which lists differ: last.
    yield call('create 4 byte tag', 'POST', '/v2/images', body={'tags': ['\U0001f600']})
    yield call('create body lone surrogate', 'POST', '/v2/images', JSON, '{"name": "\\ud800"}')


def new(step, **fields):
    """Creates an image with both formats; gives its id."""
    answer = yield call(step, 'POST', '/v2/images', body={'name': 'compat', 'disk_format': 'raw', 'container_format': 'bare', **fields})
    return json.loads(answer.body)['id']


def versions():
    for path in ('/', '/versions', '/versions/', '/versions/x', '/v9/images', '/v1/images', '/v1', '/v2', '/v2/', '/healthcheck',
                 '/v2.5/images?limit=0', '/v2.8/images?limit=0', '/v2.15/images?limit=0', '/v2.18/images?limit=0', '/v3', '/images',
                 '//v2//images?limit=0', '/v2/images/'):
        yield call('version ' + path, 'GET', path)
    for method in ('POST', 'PUT', 'DELETE', 'PATCH'):
        yield call('version / ' + method, method, '/')
    for accept in ('v2', 'v2.5', 'v9', 'v2.99'):
        yield call('version accept ' + accept, 'GET', '/images?limit=0', {'Accept': 'application/vnd.openstack.images-' + accept})
    yield call('options', 'OPTIONS', '/v2/images')


def schemas():
    for schema in ('image', 'images'):
        yield call('schema ' + schema, 'GET', '/v2/schemas/' + schema)
    yield call('schema unknown', 'GET', '/v2/schemas/nothing')
    yield call('schema post', 'POST', '/v2/schemas/image', body={})
    yield call('schema body', 'GET', '/v2/schemas/image', body={'a': 1})


def faults():
    for accept in (None, '*/*', 'text/html', 'application/json', 'application/xml', 'text/plain', 'text/*', 'application/*',
                   'application/json;q=0.5, text/html;q=0.4', 'text/html;q=0.4, application/json;q=0.5', 'application/json;q=0', 'garbage'):
        headers = {} if accept is None else {'Accept': accept}
        yield call('fault 404 for %s' % accept, 'GET', '/v2/images/nope', headers)
        yield call('fault 405 for %s' % accept, 'PUT', '/v2/images', headers)
        yield call('fault 415 for %s' % accept, 'PATCH', '/v2/images/' + NOBODY, {**headers, 'Content-Type': 'text/plain'}, '[]')
        yield call('fault 400 for %s' % accept, 'POST', '/v2/images', headers, '{')
        yield call('fault 403 for %s' % accept, 'POST', '/v2/images', headers, '{"size": 5}')
    yield call('fault escaped', 'GET', '/v2/images/a<b>&"c', {'Accept': 'text/html'})
    yield call('fault escaped json', 'GET', '/v2/images/a<b>&"c', {'Accept': 'application/json'})
    for method, path in (('PUT', '/v2/images'), ('DELETE', '/v2/images'), ('PATCH', '/v2/images'), ('HEAD', '/v2/images'),
                         ('POST', '/v2/images/' + NOBODY), ('PUT', '/v2/images/' + NOBODY), ('POST', '/v2/images/%s/file' % NOBODY),
                         ('DELETE', '/v2/images/%s/file' % NOBODY), ('HEAD', '/v2/images/%s/file' % NOBODY), ('BREW', '/v2/images'),
                         ('GET', '/v2/nothing'), ('POST', '/v2/nothing'), ('BREW', '/v2/nothing'), ('GET', '/v2/images/x/y/z')):
        yield call('route %s %s' % (method, path), method, path)
    yield call('request id', 'GET', '/v2/images?limit=0', {'X-Openstack-Request-Id': 'req-mine'})
    yield call('request id without prefix', 'GET', '/v2/images?limit=0', {'X-Openstack-Request-Id': 'mine'})
    yield call('request id too long', 'GET', '/v2/images?limit=0', {'X-Openstack-Request-Id': 'a' * 80})


CREATES = {
    'empty': {}, 'named': {'name': 'one'}, 'null name': {'name': None}, 'full': {
        'name': 'full', 'disk_format': 'qcow2', 'container_format': 'bare', 'visibility': 'private', 'protected': False, 'min_disk': 1,
        'min_ram': 2, 'tags': ['only'], 'os_hidden': False, 'mine': 'yes', 'os_distro': 'debian'},
    'long name': {'name': 'a' * 256}, 'name 255': {'name': 'a' * 255}, 'number name': {'name': 5}, 'bool name': {'name': True},
    'bad disk_format': {'disk_format': 'floppy'}, 'bad container_format': {'container_format': 'box'}, 'bad visibility': {'visibility': 'secret'},
    'public': {'visibility': 'public'}, 'community': {'visibility': 'community'}, 'shared': {'visibility': 'shared'},
    'owner': {'owner': 'someone'}, 'null owner': {'owner': None}, 'empty owner': {'owner': ''}, 'text min_disk': {'min_disk': '1'},
    'negative min_disk': {'min_disk': -1}, 'huge min_disk': {'min_disk': 2**31}, 'largest min_ram': {'min_ram': 2**31 - 1},
    'float min_ram': {'min_ram': 1.5}, 'whole float min_ram': {'min_ram': 2.0}, 'text protected': {'protected': 'true'}, 'text hidden': {'os_hidden': 'no'},
    'bad id': {'id': 'nope'}, 'upper id': {'id': 'ABCDEF01-D94F-49CD-A114-E12490B328D9'}, 'given id': {'id': '0b1b2c3d-0000-4000-8000-000000000001'},
    'same id': {'id': '0b1b2c3d-0000-4000-8000-000000000001'}, 'number property': {'mine': 5}, 'null property': {'mine': None}, 'list property': {'mine': ['a']},
    'object property': {'mine': {}}, 'bool property': {'mine': True}, 'empty property': {'mine': ''}, 'tag not text': {'tags': [5]}, 'tags not a list': {'tags': 'a'},
    'long tag': {'tags': ['a' * 256]}, 'double tag': {'tags': ['a', 'a']}, 'no tags': {'tags': []}, 'long property name': {'a' * 256: 'x'}, 'property name 255': {'a' * 255: 'x'},
    'os_glance': {'os_glance_foo': 'x'}, 'os_glancefoo': {'os_glancefoo': 'x'}, 'location': {'location': 'x'}, 'deleted': {'deleted': 'x'},
    'deleted_at': {'deleted_at': 'x'}, 'direct_url': {'direct_url': 'x'}, 'self': {'self': 'x'}, 'file': {'file': 'x'}, 'schema': {'schema': 'x'},
    'stores': {'stores': 'x'}, 'checksum': {'checksum': 'x'}, 'status': {'status': 'queued'}, 'bad status': {'status': 'x'}, 'size': {'size': 1}, 'text size': {'size': '1'},
    'virtual_size': {'virtual_size': 1}, 'created_at': {'created_at': 'x'}, 'updated_at': {'updated_at': 'x'}, 'os_hash_algo': {'os_hash_algo': 'x'},
    'os_hash_value': {'os_hash_value': 'x'}, 'locations': {'locations': []}, 'locations of one': {'locations': [{'url': 'http://127.0.0.1/x', 'metadata': {}}]},
    '4 byte name': {'name': '\U0001f600'}, '4 byte property': {'mine': '\U0001f600'}, 'unicode': {'name': 'äöü€'},
    'aki mismatch': {'disk_format': 'aki', 'container_format': 'bare'}, 'aki': {'disk_format': 'aki', 'container_format': 'aki'}, 'aki alone': {'disk_format': 'aki'},
    'two faults': {'name': 5, 'min_disk': 'x'}, '129 properties': {'p%d' % n: 'x' for n in range(129)}, '128 properties': {'p%03d' % n: 'x' for n in range(128)},
    '129 tags': {'tags': ['t%d' % n for n in range(129)]}, 'quote': {'name': 'a"b\\c/d\u0001'}, 'null disk_format': {'disk_format': None},
    'image_id': {'image_id': 'x'}, 'members': {'members': 'x'}, 'is_public': {'is_public': 'True'},
}
BODIES = {
    'none': None, 'bad json': '{', 'list': '[]', 'text': '"a"', 'number': '5', 'null': 'null', 'two objects': '{}{}', 'duplicate keys': '{"name": "a", "name": "b"}', 'nan': '{"min_disk": NaN}',
    'not utf-8': b'{"name": "\xff"}', 'bom': b'\xef\xbb\xbf{}', 'blank': '   ', 'blanks around': '  {"name": "a"}  ', 'escapes': '{"name": "\\u00e4\\n"}',
    'big exponent': '{"min_disk": 1e400}', 'long number': '{"min_disk": 123456789012345678901234567890}', 'single quotes': "{'name': 'a'}", 'trailing comma': '{"name": "a",}',
}


def create():
    for name, body in CREATES.items():
        yield call('create ' + name, 'POST', '/v2/images', body=body)
    for name, body in BODIES.items():
        yield call('create body ' + name, 'POST', '/v2/images', JSON, body)
    yield call('create as text', 'POST', '/v2/images', {'Content-Type': 'text/plain'}, '{"name": "a"}')


PATCHES = {
    'nothing': [], 'rename': [{'op': 'replace', 'path': '/name', 'value': 'renamed'}], 'add name': [{'op': 'add', 'path': '/name', 'value': 'added'}],
    'null name': [{'op': 'replace', 'path': '/name', 'value': None}], 'remove name': [{'op': 'remove', 'path': '/name'}], 'long name': [{'op': 'replace', 'path': '/name', 'value': 'a' * 256}],
    'number name': [{'op': 'replace', 'path': '/name', 'value': 5}], 'add property': [{'op': 'add', 'path': '/mine', 'value': 'a'}], 'add property again': [{'op': 'add', 'path': '/mine', 'value': 'b'}],
    'replace property': [{'op': 'replace', 'path': '/mine', 'value': 'c'}], 'replace missing': [{'op': 'replace', 'path': '/nothing', 'value': 'c'}], 'number property': [{'op': 'add', 'path': '/mine', 'value': 5}],
    'remove property': [{'op': 'remove', 'path': '/mine'}], 'remove missing': [{'op': 'remove', 'path': '/mine'}], 'add it back': [{'op': 'add', 'path': '/mine', 'value': 'back'}],
    'escaped': [{'op': 'add', 'path': '/a~1b~0c', 'value': 'x'}], 'bad escape': [{'op': 'add', 'path': '/a~2b', 'value': 'x'}], 'end escape': [{'op': 'add', 'path': '/a~', 'value': 'x'}],
    'no slash': [{'op': 'add', 'path': 'mine', 'value': 'x'}], 'two slashes': [{'op': 'add', 'path': '//mine', 'value': 'x'}], 'end slash': [{'op': 'add', 'path': '/mine/', 'value': 'x'}],
    'empty path': [{'op': 'add', 'path': '', 'value': 'x'}], 'root': [{'op': 'add', 'path': '/', 'value': 'x'}], 'deep': [{'op': 'add', 'path': '/mine/deep', 'value': 'x'}], 'blank path': [{'op': 'add', 'path': '/ spaced ', 'value': 'x'}],
    'no path': [{'op': 'add', 'value': 'x'}], 'no op': [{'path': '/mine', 'value': 'x'}], 'no value': [{'op': 'add', 'path': '/mine'}], 'unknown op': [{'op': 'move', 'path': '/mine', 'value': 'x'}], 'not an object': ['x'],
    'number path': [{'op': 'add', 'path': 5, 'value': 'x'}], 'status': [{'op': 'replace', 'path': '/status', 'value': 'active'}], 'size': [{'op': 'replace', 'path': '/size', 'value': 1}], 'id': [{'op': 'replace', 'path': '/id', 'value': NOBODY}],
    'checksum': [{'op': 'add', 'path': '/checksum', 'value': 'x'}], 'self': [{'op': 'replace', 'path': '/self', 'value': 'x'}], 'file': [{'op': 'remove', 'path': '/file'}], 'schema': [{'op': 'replace', 'path': '/schema', 'value': 'x'}],
    'os_hash_algo': [{'op': 'add', 'path': '/os_hash_algo', 'value': 'x'}], 'created_at': [{'op': 'add', 'path': '/created_at', 'value': 'x'}], 'direct_url': [{'op': 'add', 'path': '/direct_url', 'value': 'x'}],
    'location': [{'op': 'add', 'path': '/location', 'value': 'x'}], 'deleted': [{'op': 'add', 'path': '/deleted', 'value': 'x'}], 'os_glance': [{'op': 'add', 'path': '/os_glance_x', 'value': 'x'}], 'stores': [{'op': 'add', 'path': '/stores', 'value': 'x'}],
    'tags': [{'op': 'replace', 'path': '/tags', 'value': ['a']}], 'no tags': [{'op': 'replace', 'path': '/tags', 'value': []}], 'tag not text': [{'op': 'replace', 'path': '/tags', 'value': [5]}], 'tags end': [{'op': 'add', 'path': '/tags/-', 'value': 'x'}], 'remove tags': [{'op': 'remove', 'path': '/tags'}],
    'protect': [{'op': 'replace', 'path': '/protected', 'value': True}], 'unprotect': [{'op': 'replace', 'path': '/protected', 'value': False}], 'protected text': [{'op': 'replace', 'path': '/protected', 'value': 'x'}],
    'hide': [{'op': 'replace', 'path': '/os_hidden', 'value': True}], 'show': [{'op': 'replace', 'path': '/os_hidden', 'value': False}], 'private': [{'op': 'replace', 'path': '/visibility', 'value': 'private'}], 'shared': [{'op': 'replace', 'path': '/visibility', 'value': 'shared'}],
    'bad visibility': [{'op': 'replace', 'path': '/visibility', 'value': 'secret'}], 'owner': [{'op': 'replace', 'path': '/owner', 'value': 'other'}], 'no owner': [{'op': 'replace', 'path': '/owner', 'value': None}],
    'min_disk': [{'op': 'replace', 'path': '/min_disk', 'value': 7}], 'negative min_ram': [{'op': 'replace', 'path': '/min_ram', 'value': -7}], 'huge min_ram': [{'op': 'replace', 'path': '/min_ram', 'value': 2**31}], 'remove min_ram': [{'op': 'remove', 'path': '/min_ram'}],
    'disk_format': [{'op': 'replace', 'path': '/disk_format', 'value': 'qcow2'}], 'bad disk_format': [{'op': 'replace', 'path': '/disk_format', 'value': 'floppy'}], 'null container_format': [{'op': 'replace', 'path': '/container_format', 'value': None}],
    'container_format': [{'op': 'replace', 'path': '/container_format', 'value': 'bare'}], 'raw again': [{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}], 'locations': [{'op': 'replace', 'path': '/locations', 'value': []}],
    'add location': [{'op': 'add', 'path': '/locations/-', 'value': {'url': 'http://127.0.0.1/x', 'metadata': {}}}], 'remove location': [{'op': 'remove', 'path': '/locations/0'}],
    'several': [{'op': 'add', 'path': '/one', 'value': '1'}, {'op': 'add', 'path': '/two', 'value': '2'}, {'op': 'remove', 'path': '/one'}], 'last one bad': [{'op': 'add', 'path': '/three', 'value': '3'}, {'op': 'remove', 'path': '/absent'}],
    '4 bytes': [{'op': 'add', 'path': '/mine', 'value': '\U0001f600'}],
}
OLD_PATCHES = {
    'add': [{'add': '/old', 'value': 'a'}], 'add again': [{'add': '/old', 'value': 'b'}], 'replace': [{'replace': '/old', 'value': 'c'}], 'remove': [{'remove': '/old'}], 'two ops': [{'add': '/x', 'remove': '/y', 'value': 'a'}],
    'no op': [{'value': 'a'}], 'new style': [{'op': 'add', 'path': '/x', 'value': 'a'}], 'no value': [{'add': '/x'}], 'rename': [{'replace': '/name', 'value': 'old style'}],
}


def update():
    image = yield from new('update target')
    path = '/v2/images/' + image
    for name, patch in PATCHES.items():
        yield call('patch ' + name, 'PATCH', path, V21, json.dumps(patch))
    for name, patch in OLD_PATCHES.items():
        yield call('patch 2.0 ' + name, 'PATCH', path, V20, json.dumps(patch))
    for name, body in BODIES.items():
        yield call('patch body ' + name, 'PATCH', path, V21, body)
    for content_type in ('application/json', 'text/plain', 'application/openstack-images-v2.1-json-patch; charset=utf-8', 'application/openstack-images-v2.2-json-patch', 'APPLICATION/OPENSTACK-IMAGES-V2.1-JSON-PATCH'):
        yield call('patch as ' + content_type, 'PATCH', path, {'Content-Type': content_type}, '[]')
    yield call('patch without type', 'PATCH', path, {}, '[]')
    yield call('patch unknown image', 'PATCH', '/v2/images/' + NOBODY, V21, '[{"op": "replace", "path": "/name", "value": "x"}]')
    yield call('patched image', 'GET', path)


def data():
    image = yield from new('data target')
    path = '/v2/images/%s/file' % image
    unset = json.loads((yield call('data without formats', 'POST', '/v2/images', body={})).body)['id']
    yield call('file before data', 'GET', path)
    yield call('file of nobody', 'GET', '/v2/images/%s/file' % NOBODY)
    yield call('file of no uuid', 'GET', '/v2/images/nope/file')
    yield call('put without formats', 'PUT', '/v2/images/%s/file' % unset, OCTETS, RAW)
    yield call('put unknown', 'PUT', '/v2/images/%s/file' % NOBODY, OCTETS, RAW)
    yield call('put no uuid', 'PUT', '/v2/images/nope/file', OCTETS, RAW)
    yield call('put text', 'PUT', path, {'Content-Type': 'text/plain'}, RAW)
    yield call('put no type', 'PUT', path, {}, RAW)
    yield call('put bad size', 'PUT', path, {**OCTETS, 'x-openstack-image-size': 'x'}, RAW)
    yield call('put wrong size', 'PUT', path, {**OCTETS, 'x-openstack-image-size': '99'}, RAW)
    yield call('image after wrong size', 'GET', '/v2/images/' + image)
    yield call('put', 'PUT', path, {'Content-Type': 'application/octet-stream; x=y'}, RAW)
    yield call('image with data', 'GET', '/v2/images/' + image)
    yield call('put again', 'PUT', path, OCTETS, RAW)
    yield call('get file', 'GET', path)
    yield call('get file with body', 'GET', path, body={'a': 1})
    yield call('get v2.5 file', 'GET', '/v2.5/images/%s/file' % image)
    yield call('get file by accept', 'GET', '/images/%s/file' % image, {'Accept': 'application/vnd.openstack.images-v2'})
    yield call('get file unmodified', 'GET', path, {'If-None-Match': '*', 'If-Modified-Since': 'Sat, 21 Nov 2026 00:00:00 GMT'})
    yield call('disk_format of active', 'PATCH', '/v2/images/' + image, V21, '[{"op": "replace", "path": "/disk_format", "value": "qcow2"}]')
    empty = yield from new('empty target')
    yield call('put nothing', 'PUT', '/v2/images/%s/file' % empty, OCTETS, b'')
    yield call('empty image', 'GET', '/v2/images/' + empty)
    yield call('get empty', 'GET', '/v2/images/%s/file' % empty)
    for spec in ('bytes=0-', 'bytes=0-0', 'bytes=-5'):
        yield call('empty range ' + spec, 'GET', '/v2/images/%s/file' % empty, {'Range': spec})


RANGES = ('bytes=0-9', 'bytes=0-0', 'bytes=10239-', 'bytes=10239-10239', 'bytes=10240-', 'bytes=10240-10241', 'bytes=0-10239', 'bytes=0-10240', 'bytes=0-99999', 'bytes=-1', 'bytes=-10240', 'bytes=-10241', 'bytes=-0',
          'bytes=5-2', 'bytes=-', 'bytes=', 'bytes', 'lines=0-1', 'bytes=a-b', 'bytes=0-1,3-4', 'bytes=0-1,', 'bytes= 0-9', 'bytes=0 - 9', 'BYTES=0-9', 'bytes=+1-2', 'bytes=1-+2', 'bytes=0x1-2', 'bytes=18446744073709551616-', 'bytes=0-18446744073709551616',
          'bytes=--5', 'bytes=1--2', 'bytes = 0-9', '0-9', '')
CONTENT_RANGES = ('bytes 0-9/10240', 'bytes 0-9/*', 'bytes 0-10239/10240', 'bytes 0-10240/*', 'bytes 10240-10241/10242', 'bytes 5-2/10240', 'bytes */10240', 'garbage', 'bytes 0-9/5', 'bytes 10239-10239/*')


def ranges():
    image = yield from new('range target')
    path = '/v2/images/%s/file' % image
    yield call('range put', 'PUT', path, OCTETS, RAW)
    for spec in RANGES:
        yield call('range %r' % spec, 'GET', path, {'Range': spec})
    for spec in CONTENT_RANGES:
        yield call('content-range %r' % spec, 'GET', path, {'Content-Range': spec})
    yield call('range over content-range', 'GET', path, {'Range': 'bytes=0-4', 'Content-Range': 'bytes 5-9/10240'})
    queued = yield from new('range of nothing')
    yield call('range before data', 'GET', '/v2/images/%s/file' % queued, {'Range': 'bytes=0-4'})


QUERIES = (
    '', 'limit=0', 'limit=1', 'limit=2', 'limit=-1', 'limit=x', 'limit=1.5', 'limit=', 'limit=99999', 'marker=' + NOBODY, 'marker=x', 'sort=name', 'sort=name:asc', 'sort=name:asc,size:desc', 'sort=name:up', 'sort=nothing', 'sort=', 'sort_key=name', 'sort_key=nothing', 'sort_key=name&sort_dir=asc',
    'sort_key=name&sort_key=size&sort_dir=asc', 'sort_key=name&sort_key=size&sort_dir=asc&sort_dir=desc', 'sort_key=name&sort_dir=asc&sort_dir=desc', 'sort_dir=asc', 'sort_dir=up', 'sort=name&sort_key=name', 'sort_key=status', 'sort_key=disk_format', 'sort_key=container_format', 'sort_key=size', 'sort_key=created_at&sort_dir=asc', 'sort_key=updated_at', 'sort_key=min_ram',
    'name=listed-1', 'name=nothing', 'name=in:listed-1,listed-2', 'name=in:"listed-1",listed-2', 'name=in:"listed-1', 'name=eq:listed-1', 'name=neq:listed-1', 'name=a:b', 'status=queued', 'status=active', 'status=zz', 'status=in:queued,active', 'disk_format=raw', 'disk_format=in:raw,qcow2', 'container_format=bare', 'id=' + NOBODY, 'id=in:' + NOBODY,
    'visibility=public', 'visibility=private', 'visibility=shared', 'visibility=community', 'visibility=all', 'visibility=secret', 'member_status=accepted', 'member_status=all', 'member_status=zz', 'os_hidden=true', 'os_hidden=True', 'os_hidden=false', 'os_hidden=x', 'protected=true', 'protected=false', 'protected=True', 'tag=blue', 'tag=red', 'tag=blue&tag=green', 'tag=nothing',
    'size_min=1', 'size_max=1', 'size_min=x', 'size_min=1&size_max=99999', 'size=abc', 'min_ram_max=5', 'min_disk_min=1', 'name_min=5', 'created_at=gt:2000-01-01T00:00:00Z', 'created_at=lt:2000-01-01T00:00:00Z', 'created_at=gte:2000-01-01T00:00:00', 'created_at=neq:2000-01-01T00:00:00Z', 'created_at=eq:2000-01-01T00:00:00Z', 'created_at=2000-01-01T00:00:00Z', 'created_at=zz:2000-01-01T00:00:00Z', 'created_at=gt:yesterday', 'updated_at=gt:2000-01-01T00:00:00Z', 'changes-since=2000-01-01T00:00:00Z',
    'checksum=abc', 'os_hash_value=abc', 'owner=someone', 'owner=nobody', 'mine=yes', 'mine=no', 'unknown=x', 'deleted=true', 'deleted=false', 'min_ram=2', 'min_disk=1', 'name=listed-1&status=queued', 'name=%ff', 'limit=1&name=in:listed-1,listed-2&sort=name:asc', 'limit=2&sort_key=name&sort_dir=asc&visibility=all', 'name=%C3%A4', 'name=a+b',
)


def listing():
    for number in range(6):
        fields = {'name': 'listed-%d' % (number % 4), 'tags': [['blue'], ['blue', 'green'], []][number % 3], 'visibility': ['private', 'shared', 'public', 'community'][number % 4], 'min_ram': number, 'min_disk': number % 2, 'protected': number == 5, 'mine': 'yes' if number % 2 else 'no'}
        yield from new('listed %d' % number, **fields)
    for query in QUERIES:
        yield call('list ' + query, 'GET', '/v2/images?' + query if query else '/v2/images')
    path, page = '/v2/images?limit=5&sort=name:asc,status:desc', 0
    while path and page < 40:
        answer = yield call('page %d' % page, 'GET', path)
        path, page = json.loads(answer.body).get('next'), page + 1
    path, page = '/v2/images?limit=7&sort_key=size&sort_dir=asc&sort_key=name', 0
    while path and page < 40:
        answer = yield call('size page %d' % page, 'GET', path)
        path, page = json.loads(answer.body).get('next'), page + 1


def delete():
    image = yield from new('delete target', tags=['a'], mine='x')
    path = '/v2/images/' + image
    yield call('delete data', 'PUT', path + '/file', OCTETS, RAW)
    yield call('delete with body', 'DELETE', path, body={'a': 1})
    yield call('delete', 'DELETE', path)
    for method in ('GET', 'DELETE'):
        yield call('deleted ' + method, method, path)
    yield call('deleted PATCH', 'PATCH', path, V21, '[{"op": "replace", "path": "/name", "value": "x"}]')
    yield call('deleted file', 'GET', path + '/file')
    yield call('deleted put', 'PUT', path + '/file', OCTETS, RAW)
    yield call('deleted id again', 'POST', '/v2/images', body={'id': image})
    yield call('deleted marker', 'GET', '/v2/images?marker=' + image)
    protected = yield from new('protected target', protected=True)
    yield call('delete protected', 'DELETE', '/v2/images/' + protected)
    yield call('delete nobody', 'DELETE', '/v2/images/' + NOBODY)
    yield call('delete no uuid', 'DELETE', '/v2/images/nope')
