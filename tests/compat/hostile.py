"""Sends Glint some thousands of requests that nobody should send, and sees that it answers every one and is unharmed afterwards.

usage: hostile.py VENV GLINT_BINARY [--seed N] [--count N] [--only N]
Every request is a right one (routes, bodies, headers) with one to four mutations, made from the seed and its number alone; --only
sends a single one and shows it. Fails on: a 5xx (but for 501 to a method that HTTP does not have), no answer, an answer that is
not HTTP or whose JSON is none, a panic or an internal error in the log, a dead process, and a bystander that changed.
"""
import argparse
import copy
import json
import random
import re
import socket
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from conversation import OCTETS, V20, V21
from exchange import ask, call
from glance import Glint
from matrix import as_

ANSWER_SECONDS = 60
ADMIN = 'adm:admin:admin'
TOKENS = [ADMIN, 'olga:proj-a:member', 'bob:proj-b:reader', 'nova:service:service', 'una:none:member']
IDS = [str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:hostile:%d' % number)) for number in range(4)]
BYSTANDER = str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:bystander'))
BYTES = bytes(range(256)) * 16
METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
ODD_METHODS = METHODS + ['TRACE', 'BREW', 'get', 'PROPFIND', 'X' * 40]
IMAGE = {'name': 'hostile', 'visibility': 'private', 'disk_format': 'raw', 'container_format': 'bare', 'min_disk': 1, 'min_ram': 2, 'protected': False, 'os_hidden': False, 'tags': ['a', 'b'], 'mine': 'x', 'owner': 'proj-a'}
PROPERTY = {'name': 'p', 'title': 'P', 'type': 'array', 'items': {'type': 'string', 'enum': ['a']}, 'minimum': 1, 'maximum': 2.5, 'maxLength': 5, 'enum': ['a'], 'operators': ['<in>'], 'default': 'x', 'readonly': True}
OBJECT = {'name': 'o', 'description': 'd', 'required': ['p'], 'properties': {'p': {'title': 'P', 'type': 'string'}}}
NAMESPACE = {'namespace': 'NS::Hostile', 'display_name': 'd', 'visibility': 'public', 'protected': False, 'owner': 'proj-a', 'resource_type_associations': [{'name': 'T', 'prefix': 'p_'}],
             'properties': {'p': {'title': 'P', 'type': 'string'}}, 'objects': [OBJECT], 'tags': [{'name': 't'}]}
CHANGES = [{'op': 'replace', 'path': '/name', 'value': 'x'}, {'op': 'add', 'path': '/mine', 'value': 'y'}, {'op': 'replace', 'path': '/tags', 'value': ['t']}]
# Right requests: method, path, headers, body. ID is one of the images, NS the namespace.
SEEDS = [
    ('GET', '/v2/images', {}, None), ('POST', '/v2/images', {}, IMAGE), ('GET', '/v2/images/ID', {}, None), ('PATCH', '/v2/images/ID', V21, CHANGES), ('PATCH', '/v2/images/ID', V20, [{'replace': '/name', 'value': 'x'}]),
    ('DELETE', '/v2/images/ID', {}, None), ('GET', '/v2/images/ID/file', {'Range': 'bytes=0-9'}, None), ('PUT', '/v2/images/ID/file', {**OCTETS, 'x-openstack-image-size': '4096'}, BYTES), ('PUT', '/v2/images/ID/stage', OCTETS, BYTES),
    ('POST', '/v2/images/ID/import', {}, {'method': {'name': 'web-download', 'uri': 'http://127.0.0.1:1/x'}, 'stores': ['file'], 'all_stores': False}), ('GET', '/v2/images/ID/tasks', {}, None), ('GET', '/v2/images/ID/locations', {}, None),
    ('POST', '/v2/images/ID/locations', {}, {'url': 'http://127.0.0.1:1/x', 'validation_data': {'os_hash_algo': 'sha512', 'os_hash_value': 'ab'}}), ('POST', '/v2/images/ID/actions/deactivate', {}, None), ('POST', '/v2/images/ID/actions/reactivate', {}, None),
    ('PUT', '/v2/images/ID/tags/blue', {}, None), ('DELETE', '/v2/images/ID/tags/blue', {}, None), ('GET', '/v2/images/ID/members', {}, None), ('POST', '/v2/images/ID/members', {}, {'member': 'proj-b'}), ('GET', '/v2/images/ID/members/proj-b', {}, None),
    ('PUT', '/v2/images/ID/members/proj-b', {}, {'status': 'accepted'}), ('DELETE', '/v2/images/ID/members/proj-b', {}, None), ('DELETE', '/v2/stores/file/ID', {}, None), ('GET', '/v2/info/usage', {}, None), ('GET', '/v2/info/stores/detail', {}, None),
    ('GET', '/v2/schemas/image', {}, None), ('GET', '/v2/schemas/metadefs/namespace', {}, None), ('GET', '/v2/tasks', {}, None), ('POST', '/v2/tasks', {}, {'type': 'import', 'input': {'import_from': 'http://127.0.0.1:1/x', 'import_from_format': 'raw', 'image_properties': {'name': 'x'}}}),
    ('GET', '/v2/tasks/ID', {}, None), ('GET', '/v2/cache', {}, None), ('PUT', '/v2/cache/ID', {}, None), ('GET', '/', {}, None), ('GET', '/versions', {}, None), ('GET', '/healthcheck', {}, None),
    ('GET', '/v2/metadefs/resource_types', {}, None), ('GET', '/v2/metadefs/namespaces', {}, None), ('POST', '/v2/metadefs/namespaces', {}, NAMESPACE), ('GET', '/v2/metadefs/namespaces/NS', {}, None), ('PUT', '/v2/metadefs/namespaces/NS', {}, {'namespace': 'NS::Hostile', 'description': 'x'}),
    ('DELETE', '/v2/metadefs/namespaces/NS', {}, None), ('POST', '/v2/metadefs/namespaces/NS/resource_types', {}, {'name': 'T2', 'prefix': 'q', 'properties_target': 'x'}), ('DELETE', '/v2/metadefs/namespaces/NS/resource_types/T', {}, None),
    ('POST', '/v2/metadefs/namespaces/NS/properties', {}, PROPERTY), ('PUT', '/v2/metadefs/namespaces/NS/properties/p', {}, PROPERTY), ('GET', '/v2/metadefs/namespaces/NS/properties/p', {}, None), ('DELETE', '/v2/metadefs/namespaces/NS/properties', {}, None),
    ('POST', '/v2/metadefs/namespaces/NS/objects', {}, OBJECT), ('PUT', '/v2/metadefs/namespaces/NS/objects/o', {}, OBJECT), ('GET', '/v2/metadefs/namespaces/NS/objects', {}, None), ('POST', '/v2/metadefs/namespaces/NS/tags', {'X-Openstack-Append': 'True'}, {'tags': [{'name': 'a'}]}),
    ('POST', '/v2/metadefs/namespaces/NS/tags/t', {}, None), ('PUT', '/v2/metadefs/namespaces/NS/tags/t', {}, {'name': 'u'}), ('DELETE', '/v2/metadefs/namespaces/NS/tags', {}, None)]
TEXTS = ['', ' ', 'x', 'x' * 255, 'x' * 256, 'x' * 5000, '\0', 'a\0b', '\n', '\r\n', '\u00e9', '\u2028', '\ufeff', '\U0001f600', '\ud800', "'", '"', '\\', '%', '%s', '%(x)s', '{}', '<b>', '../../etc', '/', '//', ';', "' OR 1=1 --", 'None', 'null', 'NaN',
         '-1', '0', '1e400', '9' * 30, 'true', '2026-11-21T00:00:00Z', '0000-00-00T00:00:00Z', '9999-12-31T23:59:60Z', 'in:', 'in:"a', 'in:' + 'a,' * 300, 'gt:x', 'eq:', 'a:b', '$ref', '__class__', 'os_glance_x', IDS[0], IDS[0].upper(), '{' + IDS[0] + '}']
VALUES = [None, True, False, 0, -1, 1.5, 1e300, 2**31, 2**63, 2**64, -2**63, 10**30, [], {}, [[]], [{}], {'': ''}, {'a': {'b': ['c']}}, ['x'] * 300, {'k%d' % number: 'v' for number in range(200)}]
SEGMENTS = ['', '.', '..', '%2e%2e', '%2F', '%00', '%ff', '%', '%zz', '%F0%9F%98%80', '%ED%A0%80', 'x' * 256, 'x' * 3000, '*', '~', "'", ';', '%0d%0a', '%20', '+', '-', 'images', 'v2', 'file', IDS[1], IDS[0].upper(), IDS[0][:-1], IDS[0].replace('-', ''), '0' * 36]
KEYS = ['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'name', 'status', 'visibility', 'member_status', 'owner', 'tag', 'os_hidden', 'protected', 'size_min', 'size_max', 'min_ram_max', 'created_at', 'updated_at', 'checksum', 'id', 'container_format', 'disk_format',
        'deleted', 'properties', 'locations', 'members', 'tags', 'changes-since', 'resource_type', 'resource_types', 'type', 'prefer', '', 'zebra', 'zebra_min', 'a' * 300, '%00', '%ff', '__class__']
HEADERS = {
    'Content-Type': ['', 'text/plain', 'application/json; charset=utf-16', 'application/octet-stream', ';', 'a' * 500, 'application/openstack-images-v2.1-json-patch; x="'], 'Accept': ['', '*/*', 'text/html', 'application/json', 'a/b;q=x', ',' * 200, 'application/vnd.openstack.images-v9', '*'],
    'Range': ['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=,', 'x', 'bytes=' + '0-1,' * 200, 'bytes=18446744073709551616-', ''], 'Content-Range': ['bytes 0-1/2', 'bytes */*', 'x', 'bytes 9-1/0', ''], 'x-openstack-image-size': ['', '-1', '1', 'x', '9' * 30, '1.5', ' 4096 '],
    'X-Image-Meta-Store': ['', 'nope', 'file', 'x' * 300], 'X-Openstack-Request-Id': ['', 'x' * 400, 'req-', 'req-\xe9', '<b>'], 'X-Auth-Token': ['', ':', ':::', 'a:b:c', 'a:b:c:d', 'x' * 3000, '%00:a:admin', 'a:none:', '\xff:x:admin', 'A:B:=', 'a:p:' + 'r,' * 500],
    'X-Service-Token': ['x'], 'X-Service-Catalog': ['', 'x', '[]', '{}', '[[[['], 'X-Roles': ['admin'], 'X-Identity-Status': ['Confirmed', 'x'], 'X-Openstack-Append': ['', 'x', 'true'], 'Accept-Encoding': ['gzip', 'x;q=9'], 'Accept-Language': ['de', '*' * 200],
    'Origin': ['http://x', 'null', ''], 'X-Forwarded-Proto': ['https', 'x y'], 'X-Forwarded-Host': ['a', '"<>'], 'Forwarded': ['for=', 'proto="'], 'Host': ['', 'x', '[::1]', 'a' * 300, 'a:b:c', '\xe9'], 'Expect': ['100-continue', 'x'], 'If-None-Match': ['*'], 'Cookie': ['x' * 4000]}


class Maker:
    """Makes request number N of a seed."""

    def __init__(self, seed, number):
        self.random = random.Random('%d:%d' % (seed, number))

    def request(self):
        """Method, target and headers as text, body as bytes."""
        pick = self.random
        method, path, headers, body = pick.choice(SEEDS)
        headers, body = dict(headers), copy.deepcopy(body)
        headers['X-Auth-Token'] = pick.choice(TOKENS) if pick.random() < .5 else ADMIN
        path = path.replace('ID', pick.choice(IDS)).replace('/NS', '/NS::Hostile')
        query, data = '', body if isinstance(body, (bytes, type(None))) else None
        for _ in range(pick.randrange(1, 5)):
            kind = pick.randrange(8)
            if kind == 0:
                method = pick.choice(ODD_METHODS if pick.random() < .3 else METHODS)
            elif kind == 1:
                path = self.path(path)
            elif kind == 2:
                query = '?' + '&'.join(self.parameter() for _ in range(pick.randrange(1, 5)))
            elif kind == 3:
                name = pick.choice(list(HEADERS))
                headers[name] = pick.choice(HEADERS[name])
            elif data is None and body is None and kind == 4:
                body = self.value()
            elif data is None and body is not None:
                body = self.json(body)
        if data is None and body is not None:
            data = self.bytes(json.dumps(body, ensure_ascii=pick.random() < .5).encode('utf-8', 'surrogatepass'))
        return method, path + query, headers, data

    def path(self, path):
        parts = path.split('/')
        where = self.random.randrange(1, len(parts))
        how = self.random.randrange(3)
        if how == 0:
            parts[where] = self.random.choice(SEGMENTS)
        elif how == 1:
            parts.insert(where, self.random.choice(SEGMENTS))
        else:
            del parts[where]
        return '/'.join(parts) or '/'

    def parameter(self):
        value = self.random.choice(TEXTS)
        raw = ''.join(char if char.isalnum() and char.isascii() or char in ':,-"' and self.random.random() < .5 else ''.join('%%%02X' % byte for byte in char.encode('utf-8', 'surrogatepass')) for char in value)
        return self.random.choice(KEYS) + ('' if self.random.random() < .1 else '=') + raw.replace('"', '%22')

    def json(self, node):
        """The same with one node replaced, removed or added."""
        pick = self.random
        if pick.random() < .3 or not isinstance(node, (dict, list)) or not node:
            return pick.choice(TEXTS) if pick.random() < .6 else self.value()
        key = pick.choice(list(node)) if isinstance(node, dict) else pick.randrange(len(node))
        how = pick.random()
        if how < .15:
            del node[key]
        elif how < .3 and isinstance(node, dict):
            node[pick.choice(TEXTS)] = pick.choice(TEXTS)
        elif how < .35:
            return [copy.deepcopy(node) for _ in range(pick.randrange(1, 4))]
        else:
            node[key] = self.json(node[key])
        return node

    def value(self):
        """An odd value of its own: what is done to it is done to nothing else."""
        return copy.deepcopy(self.random.choice(VALUES))

    def bytes(self, data):
        """Now and then not JSON at all."""
        pick, how = self.random, self.random.random()
        if how < .8 or not data:
            return data
        where = pick.randrange(len(data))
        if how < .85:
            return data[:where]
        if how < .9:
            return data[:where] + bytes([pick.randrange(256)]) + data[where + 1:]
        if how < .93:
            return b'[' * pick.choice([50, 127, 128, 129, 5000]) + data
        if how < .96:
            return data + pick.choice([b'\0', b'}', b' ' * 70000, data])
        return data.decode('utf-8', 'replace').encode('utf-16')


def wire(port, method, target, headers, data, chunked):
    lines = ['%s %s HTTP/1.1' % (method, target.replace(' ', '%20'))]
    if 'Host' not in headers:
        lines.append('Host: 127.0.0.1:%d' % port)
    lines += ['%s: %s' % item for item in headers.items()]
    if data is not None:
        lines.append('Transfer-Encoding: chunked' if chunked else 'Content-Length: %d' % len(data))
        data = (b'%x\r\n%s\r\n0\r\n\r\n' % (len(data), data) if data else b'0\r\n\r\n') if chunked else data
    lines.append('Connection: close')
    return '\r\n'.join(lines).encode('latin-1', 'replace') + b'\r\n\r\n' + (data or b'')


def send(port, request):
    """The whole answer, up to the end of the connection."""
    with socket.create_connection(('127.0.0.1', port), ANSWER_SECONDS) as connection:
        try:
            connection.sendall(request)
        except OSError:
            pass
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b''.join(parts)


def complaint(method, answer):
    """What is wrong with an answer, or None."""
    head = re.match(rb'HTTP/1\.1 (\d\d\d) [^\r\n]*\r\n((?:[!-9;-~]+:[^\r\n]*\r\n)*)\r\n', answer)
    if not answer or not head:
        return 'no answer' if not answer else 'no HTTP'
    status, body = int(head[1]), answer[head.end():]
    if status == 100:
        return complaint(method, body)
    if status >= 500 and (status != 501 or method in METHODS):
        return 'a %d' % status
    length = re.search(rb'(?i)^content-length: *(\d+)', head[2], re.M)
    if length and method != 'HEAD' and int(length[1]) != len(body):
        return '%d bytes in place of %d' % (len(body), int(length[1]))
    if length and b'application/json' in head[2] and method != 'HEAD':
        try:
            json.loads(body)
        except ValueError:
            return 'JSON that is none'
    return None


class Attack:
    """Sends requests from several threads and collects what went wrong."""

    def __init__(self, glint, seed):
        self.glint, self.seed, self.wrong, self.statuses = glint, seed, [], {}
        self.lock = threading.Lock()

    def one(self, number, show=False):
        maker = Maker(self.seed, number)
        method, target, headers, data = maker.request()
        request = wire(self.glint.port, method, target, headers, data, maker.random.random() < .1)
        try:
            answer = send(self.glint.port, request)
            wrong = complaint(method, answer)
        except OSError as error:
            answer, wrong = b'', repr(error)
        with self.lock:
            status = answer[9:12].decode('latin-1')
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if wrong:
                self.wrong.append('request %d: %s: %r' % (number, wrong, request[:300]))
        if show:
            print(request[:4000], answer[:4000], sep='\n')

    def all(self, count, threads=4):
        def work(first):
            for number in range(first, count, threads):
                if len(self.wrong) < 50:
                    self.one(number)
                if number % 500 < threads:
                    prepare(self.glint)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))


def prepare(glint):
    """Makes what requests are about, as far as it is not there (any more)."""
    for image in IDS:
        ask(glint, call('', 'POST', '/v2/images', as_(ADMIN), {**IMAGE, 'id': image, 'visibility': 'shared'}))
    ask(glint, call('', 'PUT', '/v2/images/%s/file' % IDS[0], as_(ADMIN, OCTETS), BYTES))
    ask(glint, call('', 'POST', '/v2/metadefs/namespaces', as_(ADMIN), NAMESPACE))


def bystander(glint):
    """What must not change: an image that no request names, its data, and that lists work."""
    image = '/v2/images/' + BYSTANDER
    answers = [ask(glint, call('', 'GET', path, as_(ADMIN))) for path in (image, image + '/file', '/v2/images?limit=1000', '/v2/metadefs/namespaces', '/v2/tasks')]
    return [answer.status for answer in answers], answers[0].body, answers[1].body


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('venv')
    parser.add_argument('binary')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=8000)
    parser.add_argument('--only', type=int)
    arguments = parser.parse_args()
    glint = Glint(arguments.binary, flavor='keystone', venv=arguments.venv)
    try:
        ask(glint, call('', 'POST', '/v2/images', as_(ADMIN), {**IMAGE, 'id': BYSTANDER, 'protected': True}))
        ask(glint, call('', 'PUT', '/v2/images/%s/file' % BYSTANDER, as_(ADMIN, OCTETS), BYTES))
        prepare(glint)
        before = bystander(glint)
        attack = Attack(glint, arguments.seed)
        if arguments.only is not None:
            attack.one(arguments.only, show=True)
        else:
            attack.all(arguments.count)
        return verdict(glint, attack, before)
    finally:
        glint.stop()


def verdict(glint, attack, before):
    wrong = list(attack.wrong)
    if before[0][:4] != [200] * 4 or before[2] != BYTES:
        wrong.append('the bystander was not there to begin with: %r' % before[0])
    if glint.process.poll() is not None:
        wrong.append('the process ended with %d' % glint.process.returncode)
    elif bystander(glint) != before:
        wrong.append('the bystander changed: %r' % bystander(glint)[0])
    log = (glint.state / 'test.log').read_text(errors='replace')
    wrong += ['log: ' + line for line in log.splitlines() if 'panicked' in line or ' ERROR ' in line][:20]
    for line in wrong:
        print(line)
    print('hostile: %d requests, answers %s, %d wrong' % (sum(attack.statuses.values()), dict(sorted(attack.statuses.items())), len(wrong)))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
