"""Conversations about protected properties, by callers of several roles; the tokens are those of oracle_auth.py.

Run by compare.py with servers that read the rules of this file.
"""
import atexit
import json
import os
import tempfile

from exchange import call

V21 = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
SECTIONS = (
    # name, create, read, update, delete
    ('^x_owner_.*', 'admin,member', 'admin,member', 'admin', 'admin'), ('^x_all$', '@', '@', '@', '@'), ('^x_none$', '!', '!', '!', '!'),
    ('^x_seen$', 'admin', '@', 'admin', 'admin'), ('^x_hidden$', 'admin', 'admin', 'admin', 'admin'), ('^x_drop$', '@', 'admin', '@', '@'),
    ('Case[0-9]+', 'Member', 'MEMBER', '', ''), ('^os_glance_secret', '!', '!', '!', '!'))
RULES = ''.join('[%s]\ncreate = %s\nread = %s\nupdate = %s\ndelete = %s\n' % section for section in SECTIONS)
HANDLE, FILE = tempfile.mkstemp(prefix='glint-compat-', suffix='.conf')
with open(HANDLE, 'w') as file:
    file.write(RULES)
atexit.register(os.unlink, FILE)
OPTIONS = {'DEFAULT.property_protection_file': FILE}
NAMES = ('x_owner_a', 'x_all', 'x_none', 'x_seen', 'x_hidden', 'x_drop', 'my Case1', 'unmatched')
CALLERS = {'admin': 'adm:proj-a:admin', 'member': 'alice:proj-a:member,reader', 'reader': 'rita:proj-a:reader'}


def protections():
    def ask(name, who, method, path, body=None, **headers):
        return call('prot ' + name, method, path, {'X-Auth-Token': CALLERS[who], **headers}, body)

    def patch(name, who, path, *operations):
        return ask(name, who, 'PATCH', path, json.dumps(operations), **V21)
    for who in CALLERS:
        for name in NAMES:
            yield ask('create %s by %s' % (name, who), who, 'POST', '/v2/images', {name: 'x'})
    full = {name: 'x' for name in NAMES if name not in ('x_none', 'unmatched', 'my Case1')}
    answer = yield ask('image', 'admin', 'POST', '/v2/images', full)
    image = '/v2/images/' + json.loads(answer.body)['id']
    for who in CALLERS:
        yield ask('show to %s' % who, who, 'GET', image)
        yield ask('list to %s' % who, who, 'GET', '/v2/images?sort=created_at:asc')
        yield ask('list by hidden to %s' % who, who, 'GET', '/v2/images?x_hidden=x')
    for who in CALLERS:
        answer = yield ask('image for %s' % who, 'admin', 'POST', '/v2/images', full)
        image = '/v2/images/' + json.loads(answer.body)['id']
        for name in NAMES:
            for op in ('add', 'replace', 'remove'):
                yield patch('%s %s by %s' % (op, name, who), who, image, {'op': op, 'path': '/' + name, 'value': 'y'})
        yield ask('shown after %s' % who, who, 'GET', image)
        yield ask('to admin after %s' % who, 'admin', 'GET', image)
