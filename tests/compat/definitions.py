"""Who may do what with metadata definitions: every caller by every route on namespaces of every visibility and owner.

The part of the matrix about /v2/metadefs; chained in by matrix.py. A namespace that a call changed is made anew.
"""
from exchange import call

BASE = '/v2/metadefs/namespaces'
# Label: owner and visibility. The namespaces are called by their labels, with `NS::` in front.
NAMESPACES = {'Public': ('admin', 'public', False), 'Private': ('proj-a', 'private', False), 'PublicOfA': ('proj-a', 'public', False), 'PrivateOfZ': ('proj-z', 'private', False), 'Protected': ('proj-a', 'public', True)}
CHANGED = ('Private', 'PublicOfA', 'PrivateOfZ', 'Protected')
PROPERTY = {'name': 'new', 'title': 'T', 'type': 'string'}
READS = ('', '?resource_type=Type', '/resource_types', '/properties', '/properties/cpu', '/properties/p_cpu?resource_type=Type', '/properties/absent', '/objects', '/objects/obj', '/objects/absent', '/tags', '/tags/tag', '/tags/absent')
CHANGES = {
    'PUT namespace': ('PUT', '', {'namespace': '{name}', 'description': 'changed'}), 'PUT namespace renamed': ('PUT', '', {'namespace': 'NS::Public'}), 'PUT namespace bad': ('PUT', '', {'namespace': 5}),
    'POST type': ('POST', '/resource_types', {'name': 'New'}), 'POST type again': ('POST', '/resource_types', {'name': 'Type'}), 'DELETE type': ('DELETE', '/resource_types/Type', None), 'DELETE absent type': ('DELETE', '/resource_types/Absent', None),
    'POST property': ('POST', '/properties', PROPERTY), 'POST property bad': ('POST', '/properties', {'name': 5}), 'PUT property': ('PUT', '/properties/cpu', {**PROPERTY, 'name': 'cpu'}), 'PUT absent property': ('PUT', '/properties/absent', PROPERTY),
    'DELETE property': ('DELETE', '/properties/cpu', None), 'DELETE absent property': ('DELETE', '/properties/absent', None), 'DELETE properties': ('DELETE', '/properties', None),
    'POST object': ('POST', '/objects', {'name': 'new'}), 'PUT object': ('PUT', '/objects/obj', {'name': 'obj', 'description': 'changed'}), 'PUT absent object': ('PUT', '/objects/absent', {'name': 'new'}),
    'DELETE object': ('DELETE', '/objects/obj', None), 'DELETE absent object': ('DELETE', '/objects/absent', None), 'DELETE objects': ('DELETE', '/objects', None),
    'POST tag': ('POST', '/tags/new', None), 'POST tags': ('POST', '/tags', {'tags': [{'name': 'other'}]}), 'PUT tag': ('PUT', '/tags/tag', {'name': 'renamed'}), 'PUT absent tag': ('PUT', '/tags/absent', {'name': 'x'}),
    'DELETE tag': ('DELETE', '/tags/tag', None), 'DELETE absent tag': ('DELETE', '/tags/absent', None), 'DELETE tags': ('DELETE', '/tags', None), 'DELETE namespace': ('DELETE', '', None)}
LISTS = ('', '?visibility=public', '?visibility=private', '?resource_types=Type', '?limit=2&sort_key=namespace&sort_dir=asc', '?owner=proj-z', '?marker=NS::Private', '?marker=NS::PrivateOfZ')
CREATES = {'bare': {}, 'public': {'visibility': 'public'}, 'of another': {'owner': 'proj-z'}, 'nested': {'tags': [{'name': 'a'}], 'objects': [{'name': 'o'}], 'properties': {'p': {'title': 'P', 'type': 'string'}}, 'resource_type_associations': [{'name': 'Type'}]}}


def definitions(callers, changing, as_):
    """`callers` names who reads, `changing` who changes; `as_` gives a caller's headers."""
    def say(name, method, path, who, body=None):
        return call('md ' + name, method, path, as_(who), body)

    for label in NAMESPACES:
        yield from make(say, label, 'begin')
    for who in callers:
        yield say('%s GET resource types' % who, 'GET', '/v2/metadefs/resource_types', who)
        for query in LISTS:
            yield say('%s list %s' % (who, query), 'GET', BASE + query, who)
        for label in [*NAMESPACES, 'Absent']:
            for tail in READS:
                yield say('%s GET %s, %s' % (who, tail, label), 'GET', '%s/NS::%s%s' % (BASE, label, tail), who)
    for who in changing:
        for kind, body in CREATES.items():
            name = '%s POST namespace %s' % (who, kind)
            answer = yield say(name, 'POST', BASE, who, {'namespace': 'NS::Mine', **body})
            if answer.status == 201:
                yield say(name + ' > delete', 'DELETE', BASE + '/NS::Mine', 'admin')
    yield from changes(say, changing)


def changes(say, changing):
    for route, (method, tail, body) in CHANGES.items():
        for label in CHANGED:
            for who in changing:
                path = '%s/NS::%s' % (BASE, label)
                given = {**body, 'namespace': 'NS::' + label} if body and body.get('namespace') == '{name}' else body
                name = '%s %s, %s' % (who, route, label)
                answer = yield say(name, method, path + tail, who, given)
                if 200 <= answer.status < 300:
                    yield say(name + ' > seen', 'GET', path, 'admin')
                    yield from remove(say, label, name)
                    yield from make(say, label, name)
            yield say('after %s, %s' % (route, label), 'GET', path, 'admin')


def make(say, label, place):
    owner, visibility, protected = NAMESPACES[label]
    body = {'namespace': 'NS::' + label, 'owner': owner, 'visibility': visibility, 'protected': protected, 'resource_type_associations': [{'name': 'Type', 'prefix': 'p_'}],
            'properties': {'cpu': {'title': 'CPU', 'type': 'integer'}}, 'objects': [{'name': 'obj', 'required': [], 'properties': {'k': {'title': 'K', 'type': 'string'}}}], 'tags': [{'name': 'tag'}]}
    yield say('%s > make %s' % (place, label), 'POST', BASE, 'admin', body)


def remove(say, label, place):
    path = '%s/NS::%s' % (BASE, label)
    if NAMESPACES[label][2]:
        yield say(place + ' > unprotect', 'PUT', path, 'admin', {'namespace': 'NS::' + label})
    yield say(place + ' > remove', 'DELETE', path, 'admin')
