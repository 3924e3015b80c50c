"""The part of the conversation about what hangs on images, and about tasks, stores, imports and the cache.

Chained in by conversation.py. Nobody authenticates: who may do what is asked in matrix.py.
"""
import json

NOBODY = '71c675ab-d94f-49cd-a114-e12490b328d9'
OCTETS = {'Content-Type': 'application/octet-stream'}
MEMBERS = {
    'first': {'member': 'proj-b'}, 'again': {'member': 'proj-b'}, 'second': {'member': 'proj-a', 'x': 1}, 'blank': {'member': ' '}, 'unicode': {'member': 'ä'},
    'empty': {'member': ''}, 'null': {'member': None}, 'missing': {}, 'list': [], 'list of key': ['member'], '4 byte': {'member': '\U0001f600'},
    'longest': {'member': 'a' * 255}, 'too long': {'member': 'a' * 256}, 'number': {'member': 5}, 'array': {'member': ['a']}, 'object': {'member': {}}}
STATUSES = {
    'accepted': {'status': 'accepted'}, 'rejected': {'status': 'rejected', 'x': 1}, 'pending': {'status': 'pending'}, 'unknown': {'status': 'deleted'},
    'capitals': {'status': 'Accepted'}, 'null': {'status': None}, 'number': {'status': 5}, 'array': {'status': []}, 'missing': {}, 'list': [], 'list of key': ['status']}
BODIES = {'no body': None, 'malformed body': '{', 'text body': '"a"', 'number body': '5', 'null body': 'null', 'body not utf-8': b'{"member": "\xff"}'}
TAGS = ('new', 'new', 'a%20b', 'a+b', '%C3%A4', 'a%2Fb', 'a%3Fb', 'x' * 255, 'x' * 256, '%F0%9F%98%80', 'first')
TASKS = {
    'empty': {}, 'list': [], 'list of keys': ['type', 'input'], 'no type': {'input': {}}, 'no input': {'type': 'import'}, 'null input': {'type': 'import', 'input': None},
    'array input': {'type': 'import', 'input': []}, 'no source': {'type': 'import', 'input': {}}, 'unknown type': {'type': 'export', 'input': {}}, 'number type': {'type': 5, 'input': {}},
    'extra key': {'type': 'import', 'input': {'import_from': 'http://x/'}, 'extra': 1}, 'bad id': {'type': 'import', 'input': {}, 'id': 'x'}, 'bad status': {'type': 'import', 'input': {}, 'status': 'x'},
    'null input of another': {'type': 'location_import', 'input': None}}
SOURCES = {
    'no text': '', 'zero': 0, 'float zero': 0.0, 'false': False, 'null': None, 'no list': [], 'no object': {}, 'odd number': 5, 'odd list': ['a'], 'odd bool': True, 'word': 'x', 'ftp': 'ftp://x/y',
    'file': 'file:///etc/passwd', 'filesystem': 'filesystem:///x', 'short file': 'file:/x', 'capitals': 'HTTP://x/', 'link local': 'http://169.254.169.254/'}
TASK_QUERIES = (
    'limit=0', 'limit=1', 'limit=x', 'limit=-1', 'limit=', 'limit=1.5', 'marker=x', 'marker=', 'marker=' + NOBODY, 'marker={%s}' % NOBODY, 'marker=' + NOBODY.replace('-', ''), 'sort_dir=up', 'sort_dir=asc', 'sort_dir=',
    'sort_key=nothing', 'sort_key=', 'sort_key=status', 'sort_key=id', 'sort_key=deleted', 'sort_key=expires_at&sort_dir=asc', 'sort_key=info', 'status=zz', 'status=', 'status=pending', 'status=success&status=failure', 'type=api_image_import',
    'type=import', 'type=', 'type=zz', 'owner=zz', 'image_id=x', 'created_at=x', 'zebra=1', 'deleted=true', 'limit=1&limit=2', 'a=b+c&d=%C3%A4', 'limit=1&limit=x', 'sort_dir=up&status=zz')
IMPORTS = {
    'empty': {}, 'list': [], 'list of key': ['method'], 'no name': {'method': {}}, 'null method': {'method': None}, 'text method': {'method': 'x'}, 'list method': {'method': []}, 'unknown': {'method': {'name': 'x'}},
    'direct': {'method': {'name': 'glance-direct'}}, 'download': {'method': {'name': 'web-download', 'uri': 'http://x/'}}, 'null name': {'method': {'name': None}}, 'number name': {'method': {'name': 5}},
    'array name': {'method': {'name': ['a']}}, 'object name': {'method': {'name': {'a': 'b'}}}, 'bool name': {'method': {'name': True}}, 'quote': {'method': {'name': "a'b"}}, 'bad flag': {'method': {'name': 'x'}, 'all_stores': 5}}


def resources(call):
    """`call` makes one exchange of (name, method, path, headers, body)."""
    def res(name, method, path, body=None, headers=None):
        return call('res ' + name, method, path, headers, body)

    yield from schemas(res)
    yield from members(res)
    yield from tags(res)
    yield from actions(res)
    yield from info(res)
    yield from imports(res)
    yield from cache(res)
    yield from tasks(res)


def new(res, name, **fields):
    answer = yield res('new ' + name, 'POST', '/v2/images', {'name': name, 'disk_format': 'raw', 'container_format': 'bare', **fields})
    return '/v2/images/' + json.loads(answer.body)['id']


def methods(res, name, path, verbs):
    for verb in verbs.split():
        yield res('%s %s' % (name, verb), verb, path)


def schemas(res):
    for schema in ('member', 'members', 'task', 'tasks'):
        yield res('schema ' + schema, 'GET', '/v2/schemas/' + schema)
        yield res('schema post ' + schema, 'POST', '/v2/schemas/' + schema, {})
        yield res('schema body ' + schema, 'GET', '/v2/schemas/' + schema, {'a': 1})


def members(res):
    image = yield from new(res, 'of members')
    path = image + '/members'
    yield res('no members', 'GET', path)
    for name, body in {**MEMBERS, **BODIES}.items():
        yield res('member ' + name, 'POST', path, body)
    one = path + '/proj-b'
    yield res('member shown', 'GET', one)
    yield res('member of no name', 'GET', path + '/')
    yield res('member absent', 'GET', path + '/nobody')
    yield res('member absent unicode', 'GET', path + '/%C3%A4')
    yield res('member shown with body', 'GET', one, {'a': 1})
    yield res('members with body', 'GET', path, {'a': 1})
    for name, body in {**STATUSES, **BODIES}.items():
        yield res('member status ' + name, 'PUT', one, body)
    yield res('member status of absent', 'PUT', path + '/nobody', {'status': 'zz'})
    yield res('member listed', 'GET', '/v2/images?member_status=all&name=of%20members')
    yield res('member deleted with body', 'DELETE', one, {'a': 1})
    yield res('member deleted', 'DELETE', one)
    yield res('member deleted twice', 'DELETE', one)
    yield res('member again after deletion', 'POST', path, {'member': 'proj-b'})
    yield res('member is pending again', 'GET', one)
    for visibility in ('private', 'public', 'community'):
        other = (yield from new(res, visibility, visibility=visibility)) + '/members'
        yield res('members of %s' % visibility, 'GET', other)
        yield res('member of %s' % visibility, 'GET', other + '/x')
        yield res('member to %s' % visibility, 'POST', other, {'member': 'x'})
        yield res('member status of %s' % visibility, 'PUT', other + '/x', {'status': 'zz'})
        yield res('member off %s' % visibility, 'DELETE', other + '/x')
    for name, image in (('nobody', '/v2/images/' + NOBODY), ('no uuid', '/v2/images/nope')):
        yield res('members of ' + name, 'GET', image + '/members')
        yield res('member of ' + name, 'GET', image + '/members/x')
        yield res('member to ' + name, 'POST', image + '/members', {'member': 'x'})
        yield res('member to %s without one' % name, 'POST', image + '/members', {})
        yield res('member status of ' + name, 'PUT', image + '/members/x', {'status': 'zz'})
        yield res('member off ' + name, 'DELETE', image + '/members/x')
    crowd = (yield from new(res, 'crowd')) + '/members'
    for number in range(128):
        yield res('member %d' % number, 'POST', crowd, {'member': 'm%d' % number})
    yield res('member over the quota', 'POST', crowd, {'member': 'new'})
    yield res('member over the quota again', 'POST', crowd, {'member': 'm5'})
    yield from methods(res, 'members', path, 'PUT DELETE PATCH HEAD BREW')
    yield from methods(res, 'member', path + '/x', 'POST PATCH HEAD BREW')


def tags(res):
    image = yield from new(res, 'of tags', tags=['first'])
    for number, tag in enumerate(TAGS):
        yield res('tag %d' % number, 'PUT', '%s/tags/%s' % (image, tag))
    yield res('tagged', 'GET', image)
    yield res('tag with body', 'PUT', image + '/tags/other', {'a': 1})
    yield res('tag off with body', 'DELETE', image + '/tags/new', {'a': 1})
    for number, tag in enumerate(('new', 'new', '%C3%A4', 'absent', 'x' * 256)):
        yield res('tag off %d' % number, 'DELETE', '%s/tags/%s' % (image, tag))
    yield res('tagged at the end', 'GET', image)
    full = yield from new(res, 'full of tags', tags=['t%d' % number for number in range(128)])
    yield res('tag over the quota', 'PUT', full + '/tags/new')
    yield res('tag that is there', 'PUT', full + '/tags/t5')
    for name, image in (('nobody', '/v2/images/' + NOBODY), ('no uuid', '/v2/images/nope')):
        yield res('tag of ' + name, 'PUT', image + '/tags/x')
        yield res('tag off ' + name, 'DELETE', image + '/tags/x')
        yield res('long tag of ' + name, 'PUT', image + '/tags/' + 'x' * 256)
    yield from methods(res, 'tags', image + '/tags', 'GET PUT DELETE')
    yield from methods(res, 'tag', image + '/tags/x', 'GET POST PATCH HEAD BREW')


def actions(res):
    image = yield from new(res, 'of actions')
    act = image + '/actions/'
    for action in ('deactivate', 'reactivate'):
        yield res(action + ' queued', 'POST', act + action)
        yield res(action + ' with body', 'POST', act + action, {'a': 1})
        yield res(action + ' nobody', 'POST', '/v2/images/%s/actions/%s' % (NOBODY, action))
        yield res(action + ' no uuid', 'POST', '/v2/images/nope/actions/' + action)
        yield from methods(res, action, act + action, 'GET PUT DELETE PATCH HEAD BREW')
    yield res('action unknown', 'POST', act + 'nothing')
    yield res('data of actions', 'PUT', image + '/file', b'bytes', OCTETS)
    for number, action in enumerate(('reactivate', 'deactivate', 'deactivate', 'reactivate', 'deactivate')):
        yield res('%s %d' % (action, number), 'POST', act + action)
        yield res('image after action %d' % number, 'GET', image)
    yield res('data of deactivated', 'GET', image + '/file')
    yield res('upload to deactivated', 'PUT', image + '/file', b'bytes', OCTETS)
    yield res('deactivated listed', 'GET', '/v2/images?status=deactivated')
    yield res('deactivated deleted', 'DELETE', image)


def info(res):
    for name in ('import', 'stores', 'stores/detail', 'usage'):
        yield res('info ' + name, 'GET', '/v2/info/' + name)
        yield res('info with body ' + name, 'GET', '/v2/info/' + name, {'a': 1})
        yield res('info with malformed body ' + name, 'GET', '/v2/info/' + name, '{')
        yield from methods(res, 'info ' + name, '/v2/info/' + name, 'POST PUT DELETE PATCH HEAD BREW')
    for path in ('/v2/info', '/v2/info/', '/v2/info/nothing', '/v2/info/stores/fast'):
        yield res('info path ' + path, 'GET', path)
    for name, image in (('nobody', NOBODY), ('no uuid', 'nope')):
        yield res('store of ' + name, 'DELETE', '/v2/stores/file/' + image)
        yield res('store with body of ' + name, 'DELETE', '/v2/stores/file/' + image, {'a': 1})
    yield from methods(res, 'store', '/v2/stores/file/' + NOBODY, 'GET POST PUT HEAD BREW')
    yield res('store without image', 'DELETE', '/v2/stores/file')


def imports(res):
    image = yield from new(res, 'of imports')
    for name, body in {**IMPORTS, **BODIES}.items():
        yield res('import ' + name, 'POST', image + '/import', body)
    yield res('import of nobody', 'POST', '/v2/images/%s/import' % NOBODY, {'method': {'name': 'x'}})
    yield from methods(res, 'import', image + '/import', 'GET PUT DELETE PATCH HEAD BREW')
    for name, path in (('image', image), ('nobody', '/v2/images/' + NOBODY)):
        yield res('stage of ' + name, 'PUT', path + '/stage', b'bytes', OCTETS)
        yield res('stage of text of ' + name, 'PUT', path + '/stage', b'bytes', {'Content-Type': 'text/plain'})
    yield from methods(res, 'stage', image + '/stage', 'GET POST DELETE PATCH HEAD BREW')


def cache(res):
    image = (yield from new(res, 'of cache')).rpartition('/')[2]
    for name, method, path in (
            ('shown', 'GET', '/v2/cache'), ('cleared', 'DELETE', '/v2/cache'), ('queue', 'PUT', '/v2/cache/' + image), ('queue nobody', 'PUT', '/v2/cache/' + NOBODY),
            ('queue no uuid', 'PUT', '/v2/cache/nope'), ('off', 'DELETE', '/v2/cache/' + image), ('off nobody', 'DELETE', '/v2/cache/' + NOBODY), ('nodes', 'GET', '/v2/cache/nodes/' + image),
            ('clean', 'POST', '/v2/cache/clean'), ('prune', 'POST', '/v2/cache/prune')):
        yield res('cache ' + name, method, path)
        yield res('cache %s body %s' % ('without' if method == 'GET' else 'with', name), method, path, {'a': 1})
        yield res('cache with malformed body ' + name, method, path, '{')
    yield res('cache cleared target', 'DELETE', '/v2/cache', headers={'x-image-cache-clear-target': 'zz'})
    for path, verbs in (('', 'POST PUT HEAD BREW'), ('/x', 'GET POST HEAD BREW'), ('/nodes', 'GET'), ('/nodes/x', 'PUT POST HEAD'), ('/clean', 'GET PUT DELETE HEAD'), ('/prune', 'GET PUT DELETE')):
        yield from methods(res, 'cache' + path, '/v2/cache' + path, verbs)
    for path in ('/v2/cached_images', '/v2/queued_images', '/v2/cache/', '/v2/cache/a/b'):
        yield res('cache path ' + path, 'GET', path)


def tasks(res):
    image = yield from new(res, 'of tasks')
    yield res('tasks of image', 'GET', image + '/tasks')
    yield res('tasks of image with body', 'GET', image + '/tasks', {'a': 1})
    yield res('tasks of nobody', 'GET', '/v2/images/%s/tasks' % NOBODY)
    yield res('tasks of no uuid', 'GET', '/v2/images/nope/tasks')
    yield from methods(res, 'tasks of image', image + '/tasks', 'POST PUT DELETE PATCH HEAD BREW')
    yield res('tasks', 'GET', '/v2/tasks')
    for query in TASK_QUERIES:
        yield res('tasks ' + query, 'GET', '/v2/tasks?' + query)
    for name, body in {**TASKS, **BODIES}.items():
        yield res('task ' + name, 'POST', '/v2/tasks', body)
    for name, source in SOURCES.items():
        yield res('task from ' + name, 'POST', '/v2/tasks', {'type': 'import', 'input': {'import_from': source}})
    for name, path in (('nobody', '/v2/tasks/' + NOBODY), ('no uuid', '/v2/tasks/nope')):
        for method in ('GET', 'DELETE'):
            yield res('task %s %s' % (method, name), method, path)
            yield res('task with body %s %s' % (method, name), method, path, {'a': 1})
            yield res('task with malformed body %s %s' % (method, name), method, path, '{')
    for accept in ('*/*', 'application/json'):
        yield res('task DELETE for ' + accept, 'DELETE', '/v2/tasks/nope', headers={'Accept': accept})
    yield from methods(res, 'tasks', '/v2/tasks', 'PUT DELETE PATCH HEAD BREW')
    yield from methods(res, 'task', '/v2/tasks/nope', 'POST PUT PATCH HEAD BREW')
    # Without a project Glance cannot keep one: last.
    yield res('task made', 'POST', '/v2/tasks', {'type': 'location_import', 'input': {'a': ['b']}})
