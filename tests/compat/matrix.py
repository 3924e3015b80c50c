"""Who may do what: every caller by every route and method on every kind of image and namespace.

Played with tokens (oracle_auth.py) and the default policies. The images are made anew, under ids that both servers are given,
whenever a call changed one: what comes after it is called by its name and ` > `. The exchange is named by its caller, route and
object, as in `owner PUT file, private queued`.
"""
import json
import uuid

from conversation import OCTETS, V21
from definitions import definitions
from exchange import call

CALLERS = {
    'admin': 'adm:admin:admin', 'owner': 'olga:proj-a:member', 'owner reader': 'rita:proj-a:reader', 'owner manager': 'max:proj-a:manager',
    'owner capitals': 'olga:proj-a:MEMBER', 'stranger': 'bob:proj-b:member', 'accepted': 'ann:proj-c:member', 'accepted reader': 'ron:proj-c:reader',
    'pending': 'pam:proj-p:member', 'rejected': 'rex:proj-r:member', 'service': 'nova:service:service', 'owner with service': 'olga:proj-a:member:service',
    'no role': 'nora:proj-a:', 'unscoped': 'una:none:member', 'unscoped admin': 'ada:none:admin', 'bad token': 'garbage', 'no token': None}
# Those who say nothing new where something is to be changed.
READING = {'owner manager', 'owner capitals', 'accepted reader', 'rejected', 'unscoped admin', 'bad token', 'pending', 'owner with service'}
CHANGING = [caller for caller in CALLERS if caller not in READING]
MEMBERS = {'proj-c': 'accepted', 'proj-p': 'pending', 'proj-r': 'rejected'}
RAW = bytes(range(64))
IMAGES = {
    '%s %s' % (visibility, status): {'visibility': visibility, 'status': status}
    for visibility in ('public', 'community', 'shared', 'private') for status in ('queued', 'active', 'deactivated')}
IMAGES.update({
    'protected': {'visibility': 'private', 'status': 'active', 'protected': True},
    'hidden': {'visibility': 'shared', 'status': 'active', 'os_hidden': True},
    'hidden public': {'visibility': 'public', 'status': 'active', 'os_hidden': True},
    'of nobody': {'visibility': 'private', 'status': 'active', 'owner': None},
    'public of nobody': {'visibility': 'public', 'status': 'queued', 'owner': None},
    'shared of nobody': {'visibility': 'shared', 'status': 'active', 'owner': None},
    'of another': {'visibility': 'shared', 'status': 'active', 'owner': 'proj-z'},
    'deleted': {'visibility': 'public', 'status': 'deleted'}})
CHANGED = ('public queued', 'public active', 'community active', 'shared active', 'private queued', 'private deactivated', 'protected', 'of nobody')


def as_(caller, headers=None):
    token = CALLERS.get(caller, caller)
    return {**(headers or {}), **({'X-Auth-Token': token} if token else {})}


def patch(*changes):
    return json.dumps([{'op': op, 'path': path, **({'value': value[0]} if value else {})} for op, path, *value in changes])


# Routes that change nothing: method, tail of the path below the image.
READS = {
    'GET image': ('GET', ''), 'GET file': ('GET', '/file'), 'GET members': ('GET', '/members'), 'GET member': ('GET', '/members/proj-c'), 'GET pending member': ('GET', '/members/proj-p'),
    'GET absent member': ('GET', '/members/proj-x'), 'GET locations': ('GET', '/locations'), 'GET tasks': ('GET', '/tasks')}
# Routes that may change something: method, tail of the path, headers, body.
CHANGES = {
    'PATCH name': ('PATCH', '', V21, patch(('replace', '/name', 'renamed'))),
    'PATCH nothing': ('PATCH', '', V21, '[]'),
    'PATCH property': ('PATCH', '', V21, patch(('add', '/mine', 'x'), ('remove', '/kept'))),
    'PATCH public': ('PATCH', '', V21, patch(('replace', '/visibility', 'public'))),
    'PATCH community': ('PATCH', '', V21, patch(('replace', '/visibility', 'community'))),
    'PATCH private': ('PATCH', '', V21, patch(('replace', '/visibility', 'private'))),
    'PATCH owner': ('PATCH', '', V21, patch(('replace', '/owner', 'proj-b'))),
    'PATCH no owner': ('PATCH', '', V21, patch(('replace', '/owner', None))),
    'PATCH tags': ('PATCH', '', V21, patch(('replace', '/tags', ['x']))),
    'PATCH protected': ('PATCH', '', V21, patch(('replace', '/protected', False))),
    'PATCH hidden': ('PATCH', '', V21, patch(('replace', '/os_hidden', True))),
    'PATCH status': ('PATCH', '', V21, patch(('replace', '/status', 'active'))),
    'PUT file': ('PUT', '/file', OCTETS, RAW),
    'PUT tag': ('PUT', '/tags/blue', {}, None),
    'DELETE tag': ('DELETE', '/tags/green', {}, None),
    'DELETE absent tag': ('DELETE', '/tags/absent', {}, None),
    'POST member': ('POST', '/members', {}, {'member': 'proj-n'}),
    'POST member again': ('POST', '/members', {}, {'member': 'proj-c'}),
    'POST member caller': ('POST', '/members', {}, {'member': 'proj-b'}),
    'PUT member accepted': ('PUT', '/members/proj-p', {}, {'status': 'accepted'}),
    'PUT member rejected': ('PUT', '/members/proj-c', {}, {'status': 'rejected'}),
    'PUT member bad': ('PUT', '/members/proj-c', {}, {'status': 'maybe'}),
    'PUT absent member': ('PUT', '/members/proj-x', {}, {'status': 'accepted'}),
    'DELETE member': ('DELETE', '/members/proj-c', {}, None),
    'DELETE absent member': ('DELETE', '/members/proj-x', {}, None),
    'POST deactivate': ('POST', '/actions/deactivate', {}, None),
    'POST reactivate': ('POST', '/actions/reactivate', {}, None),
    'DELETE image': ('DELETE', '', {}, None)}


class Fixtures:
    """The images on one server. An id is made of the label and of the exchange it was made for, so it is the same on both."""

    def __init__(self):
        self.ids = {}

    def make(self, label, place):
        """Makes an image of this kind; `place` is the exchange that made it necessary."""
        fields = dict(IMAGES[label])
        status, name = fields.pop('status'), '%s > ' % place
        image = self.ids[label] = str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:%s:%s' % (label, place)))
        wanted = {'id': image, 'name': label, 'owner': 'proj-a', 'disk_format': 'raw', 'container_format': 'bare', 'tags': ['green'], 'kept': 'x', **fields}
        yield call(name + 'create ' + label, 'POST', '/v2/images', as_('admin'), wanted)
        if status != 'queued':
            yield call(name + 'data ' + label, 'PUT', '/v2/images/%s/file' % image, as_('admin', OCTETS), RAW)
        if fields['visibility'] == 'shared':
            yield from self.share(image, name, label)
        if status == 'deactivated':
            yield call(name + 'deactivate ' + label, 'POST', '/v2/images/%s/actions/deactivate' % image, as_('admin'))
        if status == 'deleted':
            yield call(name + 'delete ' + label, 'DELETE', '/v2/images/' + image, as_('admin'))

    def share(self, image, name, label):
        for project, status in MEMBERS.items():
            yield call('%sshare %s with %s' % (name, label, project), 'POST', '/v2/images/%s/members' % image, as_('admin'), {'member': project})
            if status != 'pending':
                body = {'status': status}
                yield call('%s%s %s by %s' % (name, status, label, project), 'PUT', '/v2/images/%s/members/%s' % (image, project), as_('m:%s:member' % project), body)

    def renew(self, label, place):
        """Replaces an image that a call changed."""
        path, name = '/v2/images/' + self.ids[label], '%s > ' % place
        if IMAGES[label].get('protected'):
            yield call(name + 'unprotect', 'PATCH', path, as_('admin', V21), patch(('replace', '/protected', False)))
        yield call(name + 'remove', 'DELETE', path, as_('admin'))
        yield from self.make(label, place)


def matrix():
    fixtures = Fixtures()
    for label in IMAGES:
        yield from fixtures.make(label, 'begin')
    yield from reads(fixtures)
    yield from lists()
    yield from changes(fixtures)
    yield from creates()
    yield from definitions(CALLERS, CHANGING, as_)


def reads(fixtures):
    for label, image in fixtures.ids.items():
        for caller in CALLERS:
            for route, (method, tail) in READS.items():
                yield call('%s %s, %s' % (caller, route, label), method, '/v2/images/%s%s' % (image, tail), as_(caller))


def changes(fixtures):
    for route, (method, tail, headers, body) in CHANGES.items():
        for label in CHANGED:
            for caller in CHANGING:
                name = '%s %s, %s' % (caller, route, label)
                answer = yield call(name, method, '/v2/images/%s%s' % (fixtures.ids[label], tail), as_(caller, headers), body)
                if 200 <= answer.status < 300:
                    yield call(name + ' > seen', 'GET', '/v2/images/' + fixtures.ids[label], as_('admin'))
                    yield from fixtures.renew(label, name)
            yield call('after %s, %s' % (route, label), 'GET', '/v2/images/' + fixtures.ids[label], as_('admin'))


LISTS = (
    '', 'visibility=public', 'visibility=community', 'visibility=shared', 'visibility=private', 'visibility=all', 'visibility=zz', 'member_status=pending', 'member_status=rejected', 'member_status=all',
    'visibility=shared&member_status=pending', 'visibility=shared&member_status=all', 'owner=proj-a', 'owner=proj-z', 'owner=proj-b', 'owner=proj-a&visibility=public', 'owner=proj-a&visibility=private',
    'os_hidden=true', 'os_hidden=true&visibility=public', 'protected=true', 'status=active', 'status=deactivated', 'name=in:private%20active,shared%20active', 'tag=green&visibility=private', 'kept=x&status=queued',
    'limit=3', 'limit=3&sort=name:asc', 'limit=0')


def lists():
    for caller in CALLERS:
        for query in LISTS:
            yield call('%s list %s' % (caller, query), 'GET', '/v2/images?' + query, as_(caller))
        path, page = '/v2/images?limit=4&sort=name:asc', 0
        while path and page < 10:
            answer = yield call('%s page %d' % (caller, page), 'GET', path, as_(caller))
            path, page = json.loads(answer.body).get('next') if answer.status == 200 else None, page + 1


CREATES = {
    'nothing': {}, 'private': {'visibility': 'private'}, 'public': {'visibility': 'public'}, 'community': {'visibility': 'community'}, 'shared': {'visibility': 'shared'},
    'own': {'owner': 'proj-a'}, 'foreign': {'owner': 'proj-b'}, 'of nobody': {'owner': None}, 'empty owner': {'owner': ''}, 'foreign public': {'owner': 'proj-b', 'visibility': 'public'},
    'foreign community': {'owner': 'proj-b', 'visibility': 'community'}, 'protected': {'protected': True}, 'read-only': {'size': 5}, 'reserved': {'location': 'x'}, 'wrong': {'name': 5}, 'list': [],
    'taken': {'id': str(uuid.uuid5(uuid.NAMESPACE_URL, 'glint:deleted:begin'))}, 'wrong public': {'visibility': 'public', 'disk_format': 'floppy'}}


def creates():
    for caller in CALLERS:
        for label, body in CREATES.items():
            name = '%s POST images %s' % (caller, label)
            answer = yield call(name, 'POST', '/v2/images', as_(caller), body)
            if answer.status == 201 and label != 'protected':
                image = json.loads(answer.body)['id']
                yield call(name + ' > show', 'GET', '/v2/images/' + image, as_('admin'))
                yield call(name + ' > delete', 'DELETE', '/v2/images/' + image, as_(caller))
