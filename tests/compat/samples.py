"""One project's day with tokens and the default policies: every resource once, rightly and wrongly used, by those who may and may not.

What the matrix asks of every caller this asks in the order in which people work: create, upload, share, accept, deactivate,
delete. Played to a pair of servers of its own, since it lists all there is.
"""
import json
import uuid

from conversation import NOBODY, OCTETS, RAW, V20, V21
from exchange import call
from matrix import as_, patch

ALICE, BOB, RITA, EVE = 'alice:proj-a:member', 'bob:proj-b:member', 'rita:proj-a:reader', 'eve:proj-e:member'
GIVEN = str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:given'))


def say(name, method, path, who=ALICE, body=None, headers=None):
    return call('sample ' + name, method, path, as_(who, headers), body)


def new(name, who=ALICE, **fields):
    """Creates an image ready for data; gives its path."""
    answer = yield say('new ' + name, 'POST', '/v2/images', who, {'name': name, 'disk_format': 'raw', 'container_format': 'bare', **fields})
    return '/v2/images/' + json.loads(answer.body)['id']


def samples():
    yield from fronts()
    yield from documents()
    yield from faults()
    yield from creates()
    image = yield from new('a')
    yield from data(image)
    yield from other_data(image)
    yield from shows(image)
    yield from updates(image)
    yield from tags(image)
    yield from lists(image)
    yield from members(image)
    yield from actions(image)
    yield from imports(image)
    yield from others(image)
    yield from metadefs()
    yield from deletes(image)


def fronts():
    for path in ('/', '/versions', '/versions/', '/v9/images', '/v1/images', '/v2', '/v2/', '/v2/nothing', '/v2/images/', '/nothing', '/healthcheck'):
        yield say('front ' + path, 'GET', path)
        yield say('front %s without token' % path, 'GET', path, None)
    for path in ('/v2/images', '/v2.7/images', '/v2.15/images', '/v2.18/images', '/images'):
        yield say('route ' + path, 'GET', path, headers={'Accept': 'application/vnd.openstack.images-v2.3'} if path == '/images' else None)
    for method in ('PUT', 'DELETE', 'HEAD', 'OPTIONS', 'BREW'):
        yield say('route %s images' % method, method, '/v2/images')
        yield say('route %s nothing' % method, method, '/v2/nothing')
        yield say('route %s without token' % method, method, '/v2/images', None)
    yield say('route POST image', 'POST', '/v2/images/' + NOBODY)
    for name, given in (('short', 'req-abc'), ('without prefix', 'abc'), ('uuid', 'req-' + NOBODY), ('empty', '')):
        yield say('request id ' + name, 'GET', '/v2/images?limit=1', headers={'X-Openstack-Request-Id': given})
    for status in ('Confirmed', 'Invalid'):
        spoofed = {'X-Identity-Status': status, 'X-User-Id': 'mallory', 'X-Project-Id': 'proj-a', 'X-Roles': 'admin'}
        yield say('spoofed %s without token' % status, 'GET', '/v2/images', None, headers=spoofed)
        yield say('spoofed %s with token' % status, 'POST', '/v2/images', BOB, {'visibility': 'public'}, spoofed)
    for catalog in ('[]', '{}', 'nonsense', ''):
        yield say('catalog %r' % catalog, 'GET', '/v2/images?limit=1', headers={'X-Service-Catalog': catalog})
    for name, token in (('two parts', 'a:b'), ('five parts', 'a:b:c:d:e'), ('no user', ':b:member'), ('no project', 'a::member'), ('percent', 'alice%3Aproj-a%3Amember'),
                        ('blanks', 'alice : proj-a : member'), ('bare reader', 'a:proj-a:=reader'), ('bare admin', 'a:proj-a:=admin'), ('capital ADMIN', 'a:proj-a:ADMIN'), ('long', 'a' * 3000 + ':proj-a:member')):
        yield say('token ' + name, 'POST', '/v2/images', token, {'name': 'by token'})


def documents():
    for schema in ('image', 'images', 'member', 'members', 'task', 'tasks', 'nothing'):
        yield say('schema ' + schema, 'GET', '/v2/schemas/' + schema)
    for schema in ('namespace', 'namespaces', 'resource_type', 'resource_types', 'property', 'properties', 'object', 'objects', 'tag', 'tags', 'nothing'):
        yield say('schema metadefs ' + schema, 'GET', '/v2/schemas/metadefs/' + schema, RITA)
    yield say('schema without token', 'GET', '/v2/schemas/image', None)
    yield say('schema with body', 'GET', '/v2/schemas/image', body={'a': 1})
    for what in ('import', 'stores', 'stores/detail', 'usage', 'nothing'):
        for who in (ALICE, 'adm:admin:admin', 'nova:service:service', None):
            yield say('info %s by %s' % (what, who), 'GET', '/v2/info/' + what, who)
        yield say('info POST ' + what, 'POST', '/v2/info/' + what, body={})


def faults():
    for accept in (None, '*/*', 'application/json', 'text/html', 'application/xml'):
        headers = {'Accept': accept} if accept else None
        yield say('fault 404 as %s' % accept, 'GET', '/v2/images/nope', headers=headers)
        yield say('fault 403 as %s' % accept, 'POST', '/v2/images', RITA, {}, headers)
        yield say('fault 405 as %s' % accept, 'PUT', '/v2/images', headers=headers)
        yield say('fault 401 as %s' % accept, 'GET', '/v2/images', None, headers=headers)
        yield say('fault owner as %s' % accept, 'POST', '/v2/images', body={'owner': 'proj-b'}, headers=headers)


CREATES = {
    'empty': {}, 'full': {'name': 'n\u00e9', 'disk_format': 'qcow2', 'container_format': 'bare', 'min_disk': 1, 'min_ram': 2, 'protected': False, 'os_hidden': False,
                          'visibility': 'private', 'tags': ['b', 'a', 'b'], 'mine': 'x', 'hw_disk_bus': 'virtio'},
    'wrong name': {'name': 5}, 'wrong disk_format': {'disk_format': 'zip'}, 'number property': {'p': 5}, 'null property': {'p': None}, 'status': {'status': 'active'}, 'direct_url': {'direct_url': 'x'},
    'location': {'location': 'x'}, 'os_glance': {'os_glance_x': 'x'}, 'checksum': {'checksum': 'a' * 32}, 'os_hash': {'os_hash_value': 'a'}, 'locations': {'locations': []}, 'wrong id': {'id': 'x'},
    'given id': {'id': GIVEN}, 'given id again': {'id': GIVEN}, 'other owner': {'owner': 'proj-b'}, 'public': {'visibility': 'public'}, 'long name': {'name': 'n' * 256}, 'long property': {'p' * 256: 'x'},
    'many properties': {'p%d' % number: 'v' for number in range(129)}, 'many tags': {'tags': ['t%d' % number for number in range(129)]}, 'aki in bare': {'disk_format': 'aki', 'container_format': 'bare'},
    'ari alone': {'disk_format': 'ari'}, 'large min_ram': {'min_ram': 2**31}, 'negative min_disk': {'min_disk': -1}, '4 bytes': {'name': '\U0001f600'}, 'stores': {'stores': 'x'}, 'self': {'self': 'x'}}


def creates():
    for name, body in CREATES.items():
        yield say('create ' + name, 'POST', '/v2/images', body=body)
    for name, body in (('no body', None), ('no object', '"x"'), ('broken', '{nope'), ('blank', '')):
        yield say('create ' + name, 'POST', '/v2/images', body=body)
    yield say('create by reader', 'POST', '/v2/images', RITA, {'name': 'r'})
    answer = yield say('create chunked', 'POST', '/v2/images', body='{"name": "chunked"}', headers={'Transfer-Encoding': 'chunked'})
    if answer.status == 201:
        yield say('create chunked > delete', 'DELETE', '/v2/images/' + json.loads(answer.body)['id'])


def data(image):
    path = image + '/file'
    yield say('file before', 'GET', path)
    for name, headers in (('text', {'Content-Type': 'text/plain'}), ('no type', {}), ('store', {**OCTETS, 'X-Image-Meta-Store': 'nope'}), ('size', {**OCTETS, 'x-openstack-image-size': 'xx'}),
                          ('other size', {**OCTETS, 'x-openstack-image-size': '99'})):
        target = yield from new('for ' + name)
        yield say('put with ' + name, 'PUT', target + '/file', body=RAW, headers=headers)
        yield say('shown after ' + name, 'GET', target)
    for who in (BOB, RITA, 'nova:service:service', None):
        yield say('put by %s' % who, 'PUT', path, who, RAW, OCTETS)
        yield say('put as text by %s' % who, 'PUT', path, who, RAW, {'Content-Type': 'text/plain'})
    yield say('put', 'PUT', path, body=RAW, headers=OCTETS)
    yield say('shown with data', 'GET', image)
    yield say('put again', 'PUT', path, body=RAW, headers=OCTETS)
    for who in (ALICE, BOB, RITA, 'adm:admin:admin', None):
        yield say('file by %s' % who, 'GET', path, who)
    yield say('file HEAD', 'HEAD', path)
    for spec in ('bytes=0-9', 'bytes=-10', 'bytes=10230-', 'bytes=10230-99999', 'bytes=10240-', 'bytes=0-1,3-4', 'bytes=a-b', 'bytes=-99999', 'bytes=9-3', 'lines=0-3'):
        yield say('file range ' + spec, 'GET', path, headers={'Range': spec})
        yield say('file range %s by stranger' % spec, 'GET', path, BOB, headers={'Range': spec})
    for query in ('prefer=cheap,fast', 'prefer=', 'zebra=1'):
        yield say('file ' + query, 'GET', path + '?' + query)
        yield say('file %s by reader' % query, 'GET', path + '?' + query, RITA)


def other_data(image):
    chunked = yield from new('chunked')
    yield say('put chunked', 'PUT', chunked + '/file', body=RAW, headers={**OCTETS, 'Transfer-Encoding': 'chunked'})
    yield say('shown chunked', 'GET', chunked)
    empty = yield from new('empty')
    yield say('put nothing', 'PUT', empty + '/file', body=b'', headers=OCTETS)
    yield say('shown empty', 'GET', empty)
    answer = yield say('new without formats', 'POST', '/v2/images', body={})
    yield say('put without formats', 'PUT', '/v2/images/%s/file' % json.loads(answer.body)['id'], body=RAW, headers=OCTETS)
    yield say('put to nobody', 'PUT', '/v2/images/%s/file' % NOBODY, body=RAW, headers=OCTETS)
    yield say('put by admin', 'PUT', image + '/file', 'adm:admin:admin', RAW, OCTETS)


def shows(image):
    for who in (ALICE, BOB, RITA, EVE, 'adm:admin:admin', 'nova:service:service', None):
        yield say('show to %s' % who, 'GET', image, who)
        yield say('show nobody to %s' % who, 'GET', '/v2/images/' + NOBODY, who)
    yield say('show no id', 'GET', '/v2/images/xyz')
    yield say('show HEAD', 'HEAD', image)
    yield say('show with body', 'GET', image, body={'a': 1})


UPDATES = {
    'rename': patch(('replace', '/name', 'renamed')), 'property': patch(('add', '/my', 'x'), ('add', '/gone', 'y')), 'remove': patch(('remove', '/gone')), 'remove again': patch(('remove', '/gone')),
    'replace missing': patch(('replace', '/gone', '1')), 'remove name': patch(('remove', '/name')), 'empty': '[]', 'object': '{}', 'test': patch(('test', '/name', 'x')), 'no value': patch(('add', '/x')),
    'deep': patch(('add', '/a/b', 'x')), 'no slash': patch(('add', 'name', 'x')), 'size': patch(('replace', '/size', 1)), 'os_hash': patch(('replace', '/os_hash_value', 'a')),
    'os_glance': patch(('add', '/os_glance_x', 'x')), 'protected text': patch(('replace', '/protected', 'yes')), 'disk_format': patch(('replace', '/disk_format', 'qcow2')),
    'public': patch(('replace', '/visibility', 'public')), 'owner': patch(('replace', '/owner', 'z')), 'tags': patch(('replace', '/tags', ['x', 'y', 'x'])), 'tags end': patch(('add', '/tags/-', 'z')),
    'two, one wrong': patch(('replace', '/name', 'lost'), ('replace', '/visibility', 'public')), 'id': patch(('replace', '/id', NOBODY))}


def updates(image):
    for name, body in UPDATES.items():
        yield say('patch ' + name, 'PATCH', image, body=body, headers=V21)
    yield say('patch of old', 'PATCH', image, body='[{"replace": "/name", "value": "v20"}]', headers=V20)
    yield say('patch of old, there', 'PATCH', image, body='[{"add": "/my", "value": "v20"}]', headers=V20)
    yield say('patch as json', 'PATCH', image, body=[])
    yield say('patch without type', 'PATCH', image, body='[]')
    for who in (BOB, RITA, None, 'nova:service:service'):
        for name in ('rename', 'public', 'owner', 'empty', 'size', 'object'):
            yield say('patch %s by %s' % (name, who), 'PATCH', image, who, UPDATES[name], V21)
    yield say('patched', 'GET', image)


def tags(image):
    for name, tag, who in (('', 'blue', ALICE), ('again', 'blue', ALICE), ('long', 'x' * 256, ALICE), ('255', 'x' * 255, ALICE), ('stranger', 'red', BOB), ('reader', 'red', RITA), ('without token', 'red', None),
                           ('4 bytes', '%F0%9F%98%80', ALICE), ('slash', 'a%2Fb', ALICE), ('accent', '%C3%A9', ALICE), ('blank', 'a%20b', ALICE)):
        yield say('tag put ' + name, 'PUT', image + '/tags/' + tag, who)
    yield say('tag put body', 'PUT', image + '/tags/green', body={'a': 1})
    for name, tag, who in (('by stranger', 'blue', BOB), ('by reader', 'blue', RITA), ('', 'blue', ALICE), ('again', 'blue', ALICE), ('accent', '%C3%A9', ALICE)):
        yield say('tag delete ' + name, 'DELETE', image + '/tags/' + tag, who)
    for method in ('GET', 'POST', 'PATCH'):
        yield say('tag ' + method, method, image + '/tags/blue')
    yield say('tagged', 'GET', image)


QUERIES = ('', 'limit=2', 'limit=2&sort=name:asc,size:desc', 'sort_key=name&sort_dir=asc&sort_key=size&sort_dir=desc&limit=2', 'sort_key=owner', 'sort=name&sort_key=id', 'limit=x', 'limit=-1', 'limit=0', 'marker=' + NOBODY,
           'name=in:a,empty', 'name=in:%22a%22,empty', 'created_at=gt:2020-01-01T00:00:00Z&limit=1', 'created_at=gt:yesterday', 'created_at=zz:2020-01-01T00:00:00Z', 'size_min=1&size_max=20000&limit=1', 'size_min=x', 'my=x',
           'tag=green&tag=x', 'os_hidden=maybe', 'protected=True', 'visibility=x', 'member_status=x', 'changes-since=2020-01-01', 'status=in:queued,active&limit=1', 'wibble=1', 'owner=proj-b', 'visibility=public')


def lists(image):
    for who in (ALICE, BOB, RITA):
        for query in QUERIES:
            yield say('list %s by %s' % (query, who), 'GET', '/v2/images?' + query, who)
        yield say('list after image by %s' % who, 'GET', '/v2/images?limit=1&marker=' + image.rpartition('/')[2], who)


def members(image):
    path = image + '/members'
    private = yield from new('private', visibility='private')
    yield say('member of private', 'POST', private + '/members', body={'member': 'proj-b'})
    yield say('members of private', 'GET', private + '/members')
    for name, body in (('', {'member': 'proj-b'}), ('again', {'member': 'proj-b'}), ('empty', {'member': ''}), ('no key', {}), ('list', []), ('null', {'member': None}),
                       ('text', '"proj-b"'), ('broken', '{'), ('none', None), ('more keys', {'member': 'proj-more', 'status': 'accepted'}), ('owner', {'member': 'proj-a'}), ('4 bytes', {'member': '\U0001f600'})):
        yield say('member add ' + name, 'POST', path, body=body)
    odd = yield from new('for odd members')
    for name, body in (('number', {'member': 5}), ('long', {'member': 'm' * 256}), ('edge', {'member': 'm' * 255}), ('true', {'member': True})):
        yield say('member add ' + name, 'POST', odd + '/members', body=body)
    for who in (ALICE, BOB, EVE, RITA, 'adm:admin:admin', None):
        yield say('members to %s' % who, 'GET', path, who)
        yield say('member to %s' % who, 'GET', path + '/proj-b', who)
        yield say('absent member to %s' % who, 'GET', path + '/proj-z', who)
        yield say('pending list to %s' % who, 'GET', '/v2/images?member_status=pending&visibility=shared', who)
    for who in (ALICE, EVE, BOB, None):
        for name, body in (('bad', {'status': 'nope'}), ('no status', {}), ('number', {'status': 5}), ('list', []), ('broken', '{'), ('none', None), ('accepted', {'status': 'accepted'}), ('pending', {'status': 'pending'}), ('accepted again', {'status': 'accepted'})):
            yield say('member put %s by %s' % (name, who), 'PUT', path + '/proj-b', who, body)
    yield say('list accepted', 'GET', '/v2/images', BOB)
    yield say('file by member', 'GET', image + '/file', BOB)
    yield say('patch by member', 'PATCH', image, BOB, UPDATES['rename'], V21)
    yield say('delete by member', 'DELETE', image, BOB)
    yield say('member delete by member', 'DELETE', path + '/proj-b', BOB)
    yield say('member delete', 'DELETE', path + '/proj-b')
    yield say('member delete again', 'DELETE', path + '/proj-b')
    yield say('file by former member', 'GET', image + '/file', BOB)
    for method in ('PUT', 'DELETE', 'PATCH'):
        yield say('members ' + method, method, path)


def actions(image):
    queued = yield from new('queued')
    for action in ('deactivate', 'reactivate', 'restart'):
        yield say(action + ' queued', 'POST', queued + '/actions/' + action)
    for action in ('deactivate', 'reactivate'):
        for who in (BOB, RITA, ALICE):
            yield say('%s by %s' % (action, who), 'POST', '%s/actions/%s' % (image, action), who)
        yield say(action + ' again', 'POST', '%s/actions/%s' % (image, action))
        yield say(action + ' with body', 'POST', '%s/actions/%s' % (image, action), body={'a': 1})
        yield say(action + ' GET', 'GET', '%s/actions/%s' % (image, action))
        for who in (ALICE, 'adm:admin:admin', BOB):
            yield say('file after %s by %s' % (action, who), 'GET', image + '/file', who)
            yield say('shown after %s to %s' % (action, who), 'GET', image, who)


def imports(image):
    queued = yield from new('to import')
    for who in (ALICE, BOB, RITA, None):
        yield say('stage by %s' % who, 'PUT', queued + '/stage', who, RAW, OCTETS)
        yield say('stage as text by %s' % who, 'PUT', queued + '/stage', who, RAW, {'Content-Type': 'text/plain'})
        for name, body in (('direct', {'method': {'name': 'glance-direct'}}), ('web', {'method': {'name': 'web-download', 'uri': 'http://127.0.0.1:1/x'}}), ('unknown', {'method': {'name': 'zz'}}), ('no method', {}), ('no name', {'method': {}}), ('list', []), ('none', None)):
            yield say('import %s by %s' % (name, who), 'POST', queued + '/import', who, body)
        yield say('tasks of image by %s' % who, 'GET', queued + '/tasks', who)
    yield say('import GET', 'GET', queued + '/import')
    yield say('stage GET', 'GET', queued + '/stage')
    yield say('import active', 'POST', image + '/import', body={'method': {'name': 'web-download', 'uri': 'http://127.0.0.1:1/x'}})


def others(image):
    who_all = (ALICE, RITA, 'adm:admin:admin', None)
    identity = image.rpartition('/')[2]
    for who in who_all:
        for method, path in (('GET', '/v2/tasks'), ('GET', '/v2/tasks?limit=2'), ('GET', '/v2/tasks/' + NOBODY), ('DELETE', '/v2/tasks/' + NOBODY), ('PUT', '/v2/tasks'), ('GET', '/v2/cache'), ('DELETE', '/v2/cache'),
                             ('DELETE', '/v2/stores/file/' + identity), ('DELETE', '/v2/stores/file/' + NOBODY), ('GET', '/v2/cached_images'), ('GET', '/v2/queued_images'), ('PUT', '/v2/queued_images/' + identity),
                             ('PUT', '/v2/cache/' + identity), ('PUT', '/v2/cache/' + NOBODY), ('DELETE', '/v2/cache/' + identity), ('GET', '/v2/cache/nodes/' + identity), ('POST', '/v2/cache/clean'), ('POST', '/v2/cache/prune')):
            yield say('%s %s by %s' % (method, path.replace(identity, 'IMAGE'), who), method, path, who)
        for name, body in (('no type', {'input': {}}), ('no input', {'type': 'import'}), ('unknown type', {'type': 'export', 'input': {}}), ('empty input', {'type': 'import', 'input': {}}), ('list', []), ('broken', '{'), ('none', None),
                           ('file', {'type': 'import', 'input': {'import_from': 'file:///etc/hostname', 'import_from_format': 'raw', 'image_properties': {}}})):
            yield say('task %s by %s' % (name, who), 'POST', '/v2/tasks', who, body)


NAMESPACE = '/v2/metadefs/namespaces/NS::One'


def metadefs():
    who_all = (ALICE, 'adm:admin:admin')
    for who in who_all:
        for name, method, path, body in (
                ('create', 'POST', '/v2/metadefs/namespaces', {'namespace': 'NS::One', 'display_name': 'One', 'visibility': 'public'}), ('create again', 'POST', '/v2/metadefs/namespaces', {'namespace': 'NS::One'}),
                ('create unnamed', 'POST', '/v2/metadefs/namespaces', {'display_name': 'x'}), ('put', 'PUT', NAMESPACE, {'namespace': 'NS::One', 'description': 'd', 'visibility': 'public'}),
                ('type', 'POST', NAMESPACE + '/resource_types', {'name': 'OS::Glance::Image', 'prefix': 'p_'}), ('type again', 'POST', NAMESPACE + '/resource_types', {'name': 'OS::Glance::Image', 'prefix': 'p_'}),
                ('property', 'POST', NAMESPACE + '/properties', {'name': 'cpu', 'title': 'CPU', 'type': 'integer', 'minimum': 1}), ('property bad', 'POST', NAMESPACE + '/properties', {'name': 'cpu'}),
                ('property put', 'PUT', NAMESPACE + '/properties/cpu', {'name': 'cpu', 'title': 'CPUs', 'type': 'integer'}), ('object', 'POST', NAMESPACE + '/objects', {'name': 'obj', 'properties': {'k': {'title': 'K', 'type': 'string'}}}),
                ('object put', 'PUT', NAMESPACE + '/objects/obj', {'name': 'obj', 'description': 'z'}), ('tag', 'POST', NAMESPACE + '/tags/t1', None), ('tags', 'POST', NAMESPACE + '/tags', {'tags': [{'name': 'a'}, {'name': 'b'}]}),
                ('tag put', 'PUT', NAMESPACE + '/tags/a', {'name': 'aa'})):
            yield say('md %s by %s' % (name, who), method, path, who, body)
    for who in (ALICE, RITA, 'nora:proj-a:', 'nova:service:service', 'una:none:member', None):
        for tail in ('', '/resource_types', '/properties', '/properties/cpu', '/properties/p_cpu?resource_type=OS::Glance::Image', '/objects', '/objects/obj', '/tags', '/tags/aa'):
            yield say('md GET %s by %s' % (tail, who), 'GET', NAMESPACE + tail, who)
        yield say('md namespaces by %s' % who, 'GET', '/v2/metadefs/namespaces', who)
        yield say('md resource types by %s' % who, 'GET', '/v2/metadefs/resource_types', who)
    for who in (ALICE, 'adm:admin:admin'):
        for tail in ('/tags/aa', '/tags', '/objects/obj', '/objects', '/properties/cpu', '/properties', '/resource_types/OS::Glance::Image', ''):
            yield say('md DELETE %s by %s' % (tail, who), 'DELETE', NAMESPACE + tail, who)


def deletes(image):
    protected = yield from new('protected', protected=True)
    for who in (RITA, BOB, ALICE, 'adm:admin:admin', None):
        yield say('delete protected by %s' % who, 'DELETE', protected, who)
    for who in (RITA, BOB, None, ALICE, ALICE + ':again'):
        yield say('delete by %s' % who, 'DELETE', image, who)
    for who in (ALICE, 'adm:admin:admin'):
        yield say('show deleted to %s' % who, 'GET', image, who)
        yield say('deleted as marker for %s' % who, 'GET', '/v2/images?limit=1&marker=' + image.rpartition('/')[2], who)
    yield say('members of deleted', 'GET', image + '/members')
    yield say('deactivate deleted', 'POST', image + '/actions/deactivate')
    yield say('tag of deleted', 'PUT', image + '/tags/x')
