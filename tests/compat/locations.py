"""Conversations about locations: by patch, and the calls for services. Places lie on an HTTP server of this file, which both ask.

Run by compare.py with servers that may ask 127.0.0.1 and show locations.
"""
import http.server
import json
import threading

from exchange import call

V21 = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
V20 = {'Content-Type': 'application/openstack-images-v2.0-json-patch'}
SHA512, MD5 = 'ab' * 64, 'cd' * 16
READY = {'disk_format': 'raw', 'container_format': 'bare'}


class Places(http.server.BaseHTTPRequestHandler):
    """As many bytes as the path says; other paths are not there, or refuse, or lead away."""

    def do_HEAD(self):
        name = self.path.strip('/').partition('?')[0]
        if name.isdigit():
            self.send_response(200)
            self.send_header('Content-Length', name)
        elif name == 'nowhere':
            self.send_response(200)
        elif name == 'away':
            self.send_response(302)
            self.send_header('Location', place('77'))
        else:
            self.send_response(403 if name == 'refused' else 404)
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        name = self.path.strip('/').partition('?')[0]
        if name.isdigit():
            self.wfile.write(b'x' * int(name))

    def log_message(self, *_):
        pass


SERVER = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Places)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
PORT = SERVER.server_address[1]
OPTIONS = {
    'DEFAULT.show_multiple_locations': 'True', 'DEFAULT.show_image_direct_url': 'True', 'DEFAULT.image_location_quota': '4',
    'DEFAULT.user_storage_quota': '10KB', 'DEFAULT.do_secure_hash': 'False',
    'import_filtering_opts.allowed_hosts': '[127.0.0.1,localhost]', 'import_filtering_opts.allowed_ports': '[80,443,%d]' % PORT}


def place(path):
    return 'http://127.0.0.1:%d/%s' % (PORT, path)


def at(url, position='-', op='add', metadata=None, **more):
    return {'op': op, 'path': '/locations/' + position, 'value': {'url': url, 'metadata': metadata or {}, **more}}


def remove(position):
    return {'op': 'remove', 'path': '/locations/' + position}


def replace(*locations):
    return {'op': 'replace', 'path': '/locations', 'value': list(locations)}


def digests(algo='sha512', value=SHA512, **more):
    return {'validation_data': {'os_hash_algo': algo, 'os_hash_value': value, **more}}


def locations():
    yield from refused()
    yield from added()
    yield from replaced()
    yield from removed()
    yield from full()
    yield from for_services()


def new(name, body=READY):
    answer = yield call('loc new ' + name, 'POST', '/v2/images', {}, body)
    return '/v2/images/' + json.loads(answer.body)['id']


def patch(name, path, *operations, headers=V21):
    return (yield call('loc ' + name, 'PATCH', path, headers, json.dumps(operations)))


def refused():
    image = yield from new('refused')
    for url in ('file:///etc/passwd', 'filesystem:///etc/passwd', 'swift+config://a/b/c', 'rbd://a/b/c/d', 'cinder://a', 'ftp://127.0.0.1/x', 'x', '',
                place('none'), place('0'), place('nowhere'), place('refused'), 'http:///x', 'http://127.0.0.1:x/', 'HTTP://', 'http://127.0.0.1:1/x'):
        yield from patch('refused url %s' % url.replace(str(PORT), 'PORT'), image, at(url))
    for name, value in {
            'algo': digests('md5', 'aa'), 'hex': digests(value='zz'), 'odd hex': digests(value='abc'), 'length': digests(value='ab cd'), 'checksum': digests(checksum='z' * 32),
            'no algo': {'validation_data': {'os_hash_value': SHA512}}, 'more': digests(zebra='x'), 'no object': {'validation_data': []}}.items():
        yield from patch('refused digest ' + name, image, at(place('5'), **value))
    for position in ('x', '-1', '1.0', '~1', ''):
        yield from patch('refused position %r' % position, image, at(place('5'), position))
    yield from patch('refused deep', image, at(place('5'), '0/1'))
    yield from patch('refused without metadata', image, {'op': 'add', 'path': '/locations/-', 'value': {'url': place('5')}})
    yield from patch('refused without url', image, {'op': 'add', 'path': '/locations/-', 'value': {'metadata': {}}})
    yield from patch('refused long url', image, at(place('5?' + 'x' * 255)))
    yield from patch('refused number metadata', image, at(place('5'), metadata={'k': 5}))
    yield from patch('refused null metadata', image, at(place('5'), metadata={'k': ['x', None]}))
    yield from patch('refused remove queued', image, remove('0'))
    yield from patch('refused replace by nothing', image, replace())
    yield from patch('refused replace twice', image, replace({'url': place('5'), 'metadata': {}}, {'url': place('5'), 'metadata': {}}))
    yield from patch('refused replace part', image, {'op': 'replace', 'path': '/locations/0', 'value': {}})
    unready = yield from new('unready', {})
    yield from patch('refused unready', unready, at(place('5')))
    yield call('loc refused is as it was', 'GET', image)
    yield call('loc refused post', 'POST', '/v2/images', {}, {'locations': [{'url': place('5'), 'metadata': {}}]})


def added():
    image = yield from new('added')
    yield from patch('added with more than is known', image, at(place('50'), '7', zebra='x'))
    yield call('loc added shown', 'GET', image)
    yield from patch('added again', image, at(place('50')))
    yield from patch('added with other metadata', image, at(place('50'), '0', metadata={'k': 'v', 'l': ['a', {'b': 'c'}]}))
    yield from patch('added as last', image, at(place('60')))
    yield call('loc added shown three', 'GET', image)
    yield from patch('added digests to active', image, at(place('70'), **digests()))
    yield from patch('added away', image, at(place('away')))
    yield from patch('added over the quota', image, at(place('80')))
    other = yield from new('digests')
    yield from patch('added digests', other, at(place('50'), **digests(checksum=MD5)))
    yield call('loc added digests shown', 'GET', other)
    yield from patch('added same digests', other, at(place('51'), **digests()))
    yield from patch('added other digests', other, at(place('52'), **digests(value='cd' * 64)))
    formats = yield from new('with formats', {})
    yield from patch('added with formats', formats, {'op': 'add', 'path': '/disk_format', 'value': 'raw'},
                     {'op': 'add', 'path': '/container_format', 'value': 'bare'}, at(place('9')))
    old = yield from new('older')
    yield from patch('added in the older type', old, {'add': '/locations/-', 'value': {'url': place('9'), 'metadata': {}}}, headers=V20)
    yield call('loc added list', 'GET', '/v2/images?sort=created_at:asc&limit=3')
    yield call('loc added file of nothing', 'PUT', image + '/file', {'Content-Type': 'application/octet-stream'}, b'x')
    yield call('loc added deactivated', 'POST', image + '/actions/deactivate')
    yield from patch('added to deactivated', image, at(place('9')))
    yield from patch('replaced in deactivated', image, replace({'url': place('9'), 'metadata': {}}))
    yield from patch('removed from deactivated', image, remove('0'))
    for each in (image, other, formats, old):
        yield call('loc added delete %d' % (image, other, formats, old).index(each), 'DELETE', each)


def replaced():
    image = yield from new('replaced')
    yield from patch('replaced', image, replace({'url': place('20'), 'metadata': {}}, {'url': place('10'), 'metadata': {'a': 'b'}}))
    yield call('loc replaced shown', 'GET', image)
    yield from patch('replaced by the same', image, replace({'url': place('10'), 'metadata': {'n': '1'}}, {'url': place('20'), 'metadata': {}}))
    yield call('loc replaced by the same shown', 'GET', image)
    yield from patch('replaced by others', image, replace({'url': place('30'), 'metadata': {}}))
    yield from patch('replaced by too many', image, replace(*({'url': place('10?%d' % n), 'metadata': {}} for n in range(5))))
    yield from patch('replaced conflicting', image, replace({'url': place('10'), 'metadata': {}, **digests()}, {'url': place('20'), 'metadata': {}, **digests(value='cd' * 64)}))
    yield call('loc replaced delete', 'DELETE', image)


def removed():
    image = yield from new('removed')
    yield from patch('removed add', image, at(place('1')), at(place('2')), at(place('3')))
    for position in ('9', 'x', '-1', ''):
        yield from patch('removed position %r' % position, image, remove(position))
    yield from patch('removed last', image, remove('-'))
    yield from patch('removed first', image, remove('0'))
    yield from patch('removed only', image, remove('0'))
    yield call('loc removed shown', 'GET', image)
    yield call('loc removed delete', 'DELETE', image)


def full():
    image = yield from new('full')
    yield from patch('full add', image, at(place('10241')))
    yield from patch('full two', image, replace({'url': place('6000'), 'metadata': {}}, {'url': place('5'), 'metadata': {}}))
    yield from patch('full just', image, at(place('10240')))
    yield from patch('full second', image, at(place('1')))
    other = yield from new('full upload')
    yield call('loc full upload', 'PUT', other + '/file', {'Content-Type': 'application/octet-stream'}, b'x')
    yield call('loc full upload of nothing', 'PUT', other + '/file', {'Content-Type': 'application/octet-stream'}, b'')
    yield call('loc full upload shown', 'GET', other)
    yield call('loc full delete', 'DELETE', image)
    yield call('loc full delete other', 'DELETE', other)


def for_services():
    image = yield from new('services')
    path = image + '/locations'

    def post(name, body):
        return call('loc services ' + name, 'POST', path, {}, body)
    yield call('loc services list of nothing', 'GET', path)
    for name, body in {
            'empty': {}, 'list': [], 'number url': {'url': 5}, 'null url': {'url': None}, 'rbd': {'url': 'rbd://a/b/c/d'}, 'file': {'url': 'file:///etc/passwd'}, 'no scheme': {'url': 'x'},
            'filtered host': {'url': 'http://127.0.0.66/x'}, 'filtered port': {'url': 'http://127.0.0.1:81/x'}, 'no host': {'url': 'http:///x'}, 'upper case': {'url': 'HTTP://127.0.0.66/x'},
            'null digests': {'url': place('5'), 'validation_data': None}, 'half digests': {'url': place('5'), 'validation_data': {'os_hash_value': 'ab'}},
            'other half': {'url': place('5'), 'validation_data': {'os_hash_algo': 'md5'}}, 'bad algo': {'url': place('5'), 'validation_data': {'os_hash_algo': 'crc', 'os_hash_value': 'ab'}},
            'more digests': {'url': place('5'), 'validation_data': {'checksum': 'x'}}, 'bad hex': {'url': place('5'), 'validation_data': {'os_hash_algo': 'md5', 'os_hash_value': 'zz'}},
            'bad length': {'url': place('5'), 'validation_data': {'os_hash_algo': 'md5', 'os_hash_value': 'ab'}}}.items():
        yield post(name, body)
    yield call('loc services no body', 'POST', path)
    yield call('loc services put', 'PUT', path, {}, {})
    yield call('loc services absent', 'GET', '/v2/images/a4ebf63d-358f-460e-a52c-b4c280358498/locations')
    yield call('loc services absent post', 'POST', '/v2/images/a4ebf63d-358f-460e-a52c-b4c280358498/locations', {}, {'url': place('5')})
    yield call('loc services delete', 'DELETE', image)
