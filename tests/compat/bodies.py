"""Every route that takes a body by every kind of body: of the wrong type, too much, too little, broken, huge, without a media type.

Played with the default policies after samples.py. What a body makes is removed again, so that each begins alike.
"""
import json
import uuid
from urllib.parse import quote

from conversation import OCTETS, V21
from exchange import JSON, call
from matrix import as_

OWNER, ADMIN, READER = 'olga:proj-a:member', 'adm:admin:admin', 'rita:proj-a:reader'
IMAGE = str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:bodies'))
PATH, NAMESPACE = '/v2/images/' + IMAGE, '/v2/metadefs/namespaces/NS::Bodies'
SMILE, DEEP = '\U0001f600', 100

# Bodies whatever the route.
ANY = {
    'none': None, 'empty': '', 'blank': ' \t\n', 'null': 'null', 'true': 'true', 'number': '5', 'text': '"x"', 'list': '[]', 'object': '{}', 'list of list': '[[]]', 'list of object': '[{}]', 'list of text': '["x"]', 'broken': '{"name": ',
    'two': '{} {}', 'comma': '{"name": "a",}', 'comment': '{/**/}', 'single quotes': "{'name': 'a'}", 'not utf-8': b'{"name": "\xff"}', 'utf-16': '{"name": "a"}'.encode('utf-16'), 'bom': b'\xef\xbb\xbf{}',
    'deep list': '[' * DEEP + ']' * DEEP, 'deep object': '{"a":' * DEEP + '1' + '}' * DEEP, 'unknown field': '{"zebra": "x"}', 'unknown number': '{"zebra": 5}', 'empty key': '{"": "x"}', 'nul': '{"name": "a\\u0000b"}', 'form': 'name=a&member=b'}


def say(name, method, path, who, body=None, headers=None):
    return call('body ' + name, method, path, as_(who, headers), body)


def texts(key):
    """Bodies whose one field is a text that is odd in some way, or no text."""
    odd = {'number': 5, 'null': None, 'true': True, 'list': [], 'object': {}, 'no text': '', 'blank': ' ', 'long': 'x' * 256, 'edge': 'x' * 255, 'smile': SMILE, 'nul': 'a\0b', 'newline': 'a\nb', 'slash': 'a/b', 'markup': '<b>&', 'accent': '\u00e9'}
    return {'%s %s' % (key, kind): {key: value} for kind, value in odd.items()}


def numbers(key):
    odd = {'text': '5', 'null': None, 'true': True, 'negative': -1, 'zero': 0, 'edge': 2**31 - 1, 'over': 2**31, 'far over': 2**63, 'whole float': 5.0, 'float': 5.5, 'list': [5]}
    return {'%s %s' % (key, kind): {key: value} for kind, value in odd.items()}


def with_field(bodies, **fields):
    return {kind: {**fields, **body} for kind, body in bodies.items()}


def patches(path, values):
    return {'%s %s' % (path, kind): [{'op': 'replace', 'path': path, 'value': next(iter(body.values()))}] for kind, body in values.items()}


TWICE = {'name twice': '{"name": "a", "name": "b"}', 'wrong then right': '{"name": 5, "name": "b"}'}
IMAGE_BODIES = {
    **texts('name'), **texts('visibility'), **texts('owner'), **texts('disk_format'), **texts('mine'), **numbers('min_disk'), **numbers('min_ram'), **TWICE,
    **{'%s as %s' % (key, type(value).__name__): {key: value} for key in ('protected', 'os_hidden', 'tags') for value in ('x', 5, True, None, ['x'], [5], {})},
    'tag too long': {'tags': ['x' * 256]}, 'tag empty': {'tags': ['']}, 'tags twice': {'tags': ['a', 'a']}, 'property key too long': {'k' * 256: 'x'}, 'property key edge': {'k' * 255: 'x'}, 'property key smile': {SMILE: 'x'}}
PATCH_BODIES = {
    **patches('/name', texts('name')), **patches('/visibility', texts('visibility')), **patches('/owner', texts('owner')), **patches('/min_disk', numbers('min_disk')), **patches('/mine', texts('mine')),
    'op twice': '[{"op": "add", "op": "remove", "path": "/mine", "value": "x"}]', 'more keys': [{'op': 'add', 'path': '/mine', 'value': 'x', 'from': '/name'}], 'path list': [{'op': 'add', 'path': [], 'value': 'x'}],
    'path nul': [{'op': 'add', 'path': '/a\0b', 'value': 'x'}], 'op number': [{'op': 5, 'path': '/mine', 'value': 'x'}], 'op capitals': [{'op': 'ADD', 'path': '/mine', 'value': 'x'}],
    'many': [{'op': 'replace', 'path': '/name', 'value': 'n%d' % number} for number in range(500)], 'value object': [{'op': 'add', 'path': '/mine', 'value': {}}]}
# What is no text and becomes one in Glance is asked in samples.py, of an image of its own.
MEMBER_BODIES = {kind: body for kind, body in texts('member').items() if kind not in ('member number', 'member true')}
STATUS_BODIES = texts('status')
# An empty name could not be deleted again.
NAMESPACE_BODIES = {**{kind: body for kind, body in texts('namespace').items() if kind != 'namespace no text'}, **with_field(texts('display_name'), namespace='NS::New'), **with_field(texts('owner'), namespace='NS::New'),
                    **with_field(texts('visibility'), namespace='NS::New'), **with_field({'protected text': {'protected': 'x'}, 'protected number': {'protected': 1}}, namespace='NS::New')}
PROPERTY_BODIES = {**with_field(texts('name'), title='T', type='string'), **with_field(texts('title'), name='new', type='string'), **with_field(texts('type'), name='new', title='T'), **with_field(numbers('minimum'), name='new', title='T', type='integer'),
                   **with_field(numbers('maxLength'), name='new', title='T', type='string')}
OBJECT_BODIES = {**texts('name'), **with_field(texts('description'), name='new'), **with_field({'properties %s' % kind: {'properties': value} for kind, value in {'list': [], 'text': 'x', 'null': None, 'empty': {}, 'of text': {'a': 'x'}, 'bare': {'a': {}}}.items()}, name='new')}
TAG_BODIES = texts('name')
TAGS_BODIES = {'tags ' + kind: {'tags': [body]} for kind, body in texts('name').items()}
TYPE_BODIES = {**texts('name'), **with_field(texts('prefix'), name='Type'), **with_field(texts('properties_target'), name='Type')}
# Route: method, path, media type, callers, bodies of its own.
ROUTES = {
    'POST images': ('POST', '/v2/images', {}, (OWNER, READER), IMAGE_BODIES),
    'PATCH image': ('PATCH', PATH, V21, (OWNER, READER), PATCH_BODIES),
    'PUT image': ('PUT', PATH, {}, (OWNER,), {}),
    'POST members': ('POST', PATH + '/members', {}, (OWNER, READER), MEMBER_BODIES),
    'PUT member': ('PUT', PATH + '/members/proj-m', {}, ('mia:proj-m:member', OWNER), STATUS_BODIES),
    'PUT tag': ('PUT', PATH + '/tags/new', {}, (OWNER,), {}),
    'POST deactivate': ('POST', PATH + '/actions/deactivate', {}, (OWNER,), {}),
    'POST import': ('POST', PATH + '/import', {}, (OWNER,), {}),
    'POST tasks': ('POST', '/v2/tasks', {}, (ADMIN, OWNER), texts('type')),
    'POST namespaces': ('POST', '/v2/metadefs/namespaces', {}, (ADMIN, OWNER), NAMESPACE_BODIES),
    'PUT namespace': ('PUT', NAMESPACE, {}, (ADMIN,), with_field(texts('description'), namespace='NS::Bodies', visibility='public')),
    'POST types': ('POST', NAMESPACE + '/resource_types', {}, (ADMIN, OWNER), TYPE_BODIES),
    'POST properties': ('POST', NAMESPACE + '/properties', {}, (ADMIN, OWNER), PROPERTY_BODIES),
    'PUT property': ('PUT', NAMESPACE + '/properties/kept', {}, (ADMIN,), with_field(texts('title'), name='kept', type='string')),
    'POST objects': ('POST', NAMESPACE + '/objects', {}, (ADMIN, OWNER), OBJECT_BODIES),
    'PUT object': ('PUT', NAMESPACE + '/objects/kept', {}, (ADMIN,), with_field(texts('description'), name='kept')),
    'POST tags': ('POST', NAMESPACE + '/tags', {}, (ADMIN, OWNER), TAGS_BODIES),
    'POST tag': ('POST', NAMESPACE + '/tags/new', {}, (ADMIN,), {}),
    'PUT md tag': ('PUT', NAMESPACE + '/tags/kept', {}, (ADMIN,), TAG_BODIES)}
# Routes that take no body: given one.
BARE = {'GET images': ('GET', '/v2/images?limit=0'), 'GET image': ('GET', PATH), 'GET file': ('GET', PATH + '/file'), 'GET members': ('GET', PATH + '/members'), 'GET member': ('GET', PATH + '/members/proj-m'), 'DELETE member': ('DELETE', PATH + '/members/proj-m'),
        'DELETE tag': ('DELETE', PATH + '/tags/x'), 'GET tasks': ('GET', '/v2/tasks'), 'GET schema': ('GET', '/v2/schemas/image'), 'GET namespaces': ('GET', '/v2/metadefs/namespaces'), 'GET namespace': ('GET', NAMESPACE),
        'GET objects': ('GET', NAMESPACE + '/objects'), 'GET info': ('GET', '/v2/info/import'), 'GET locations': ('GET', PATH + '/locations'), 'GET nothing': ('GET', '/v2/nothing'), 'DELETE image': ('DELETE', PATH)}


def bodies():
    yield from begin()
    yield from large()
    for route, (method, path, headers, callers, own) in ROUTES.items():
        for who in callers:
            for kind, body in {**ANY, **own}.items():
                name = '%s to %s by %s' % (kind, route, who.partition(':')[0])
                answer = yield say(name, method, path, who, body, headers)
                if answer.status in (0, 200, 201, 204):
                    yield from undo(name, route, body, answer)
        for media in ('text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8', 'application/json, text/plain', ''):
            yield say('as %r to %s' % (media, route), method, path, callers[0], '[5]' if method == 'PATCH' else '{"name": 5}', {'Content-Type': media})
    for route, (method, path) in BARE.items():
        for kind, body, headers in (('json', '{}', JSON), ('blank', ' ', {}), ('chunk', 'x', {'Transfer-Encoding': 'chunked'}), ('no chunk', '', {'Transfer-Encoding': 'chunked'}), ('empty', '', {})):
            if (route, kind) not in (('DELETE image', 'empty'), ('DELETE image', 'no chunk')):
                yield say('%s to %s' % (kind, route), method, path, ADMIN, body, headers)


def begin():
    yield say('begin image', 'POST', '/v2/images', OWNER, {'id': IMAGE, 'name': 'bodies', 'disk_format': 'raw', 'container_format': 'bare'})
    yield say('begin data', 'PUT', PATH + '/file', OWNER, b'bytes', OCTETS)
    yield say('begin member', 'POST', PATH + '/members', OWNER, {'member': 'proj-m'})
    yield say('begin namespace', 'POST', '/v2/metadefs/namespaces', ADMIN, {'namespace': 'NS::Bodies', 'visibility': 'public'})
    yield say('begin property', 'POST', NAMESPACE + '/properties', ADMIN, {'name': 'kept', 'title': 'T', 'type': 'string'})
    yield say('begin object', 'POST', NAMESPACE + '/objects', ADMIN, {'name': 'kept'})
    yield say('begin tag', 'POST', NAMESPACE + '/tags/kept', ADMIN)


def large():
    """Texts so large that quoting them helps nobody, each to something of its own."""
    answer = yield say('for large', 'POST', '/v2/images', OWNER, {'name': 'large'})
    path, huge = '/v2/images/' + json.loads(answer.body)['id'], 'x' * 70000
    yield say('large key', 'PATCH', path, OWNER, [{'op': 'add', 'path': '/' + 'p' * 256, 'value': 'x'}], V21)
    yield say('large name', 'PATCH', path, OWNER, [{'op': 'replace', 'path': '/name', 'value': huge}], V21)
    yield say('large create', 'POST', '/v2/images', OWNER, {'visibility': huge})
    yield say('large namespace', 'POST', '/v2/metadefs/namespaces', ADMIN, {'namespace': huge})
    yield say('large type', 'POST', NAMESPACE + '/properties', ADMIN, {'name': 'new', 'title': 'T', 'type': huge})
    yield say('large member', 'POST', path + '/members', OWNER, {'member': huge})
    yield say('large > delete', 'DELETE', path, OWNER)


def undo(name, route, body, answer):
    """Removes what an exchange made, or puts back what it changed, as far as a later one would notice."""
    name += ' > '
    try:
        made = json.loads(answer.body)
    except ValueError:
        made = {}
    if route == 'POST images':
        yield say(name + 'delete', 'DELETE', '/v2/images/' + made['id'], ADMIN)
    elif route == 'PATCH image':
        yield say(name + 'back', 'PATCH', PATH, ADMIN, '[{"op": "replace", "path": "/visibility", "value": "shared"}, {"op": "replace", "path": "/owner", "value": "proj-a"}]', V21)
    elif route == 'POST namespaces':
        yield say(name + 'delete', 'DELETE', '/v2/metadefs/namespaces/' + quote(body['namespace'], safe=''), ADMIN)
    elif route == 'POST members':
        yield say(name + 'delete', 'DELETE', '%s/members/%s' % (PATH, quote(str(made['member_id']), safe='')), ADMIN)
    elif route == 'POST types':
        yield say(name + 'delete', 'DELETE', NAMESPACE + '/resource_types/Type', ADMIN)
    elif route == 'POST properties':
        yield say(name + 'delete', 'DELETE', NAMESPACE + '/properties/new', ADMIN)
    elif route == 'POST objects':
        yield say(name + 'delete', 'DELETE', NAMESPACE + '/objects/new', ADMIN)
    elif route in ('POST tags', 'PUT md tag'):
        yield say(name + 'back', 'POST', NAMESPACE + '/tags', ADMIN, {'tags': [{'name': 'kept'}]})
    elif route == 'POST tag':
        yield say(name + 'delete', 'DELETE', NAMESPACE + '/tags/new', ADMIN)
