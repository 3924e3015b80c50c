"""The part of the conversation about metadata definitions: namespaces, resource types, properties, objects, tags.

Chained in by conversation.py. Every list is of namespaces that this part made itself: both servers begin with none.
"""
import json

BASE = '/v2/metadefs/namespaces'
SMILE = '\U0001f600'
PROPERTY = {'title': 'K', 'type': 'string'}
# All that a property may say, in no particular order.
WHOLE_PROPERTY = {
    'additionalItems': False, 'maxItems': 9, 'minItems': 1, 'uniqueItems': True, 'items': {'enum': ['a', 'b'], 'type': 'string'}, 'maxLength': 8, 'minLength': 2,
    'pattern': '^a', 'enum': ['a', None, 'b'], 'maximum': 7.9, 'minimum': -1.5, 'readonly': True, 'default': 'a', 'operators': ['<in>', '<or>'],
    'description': 'all of it', 'title': 'Whole', 'type': 'array', 'name': 'whole'}
SCHEMAS = ('namespace', 'namespaces', 'resource_type', 'resource_types', 'property', 'properties', 'object', 'objects', 'tag', 'tags')


def metadefs(call):
    """`call` makes one exchange of (name, method, path, headers, body)."""
    def md(name, method, path, body=None, headers=None):
        return call('md ' + name, method, path, headers, body)

    yield from schemas(md)
    yield from routes(md)
    yield from create_namespaces(md)
    yield from nested(md)
    yield from update_namespaces(md)
    yield from list_namespaces(md)
    yield from resource_types(md)
    yield from properties(md)
    yield from objects(md)
    yield from tags(md)
    yield from protected(md)
    yield from malformed(md)
    yield from delete_namespaces(md)


def schemas(md):
    for schema in SCHEMAS:
        yield md('schema ' + schema, 'GET', '/v2/schemas/metadefs/' + schema)
    yield md('schema unknown', 'GET', '/v2/schemas/metadefs/nothing')
    yield md('schema root', 'GET', '/v2/schemas/metadefs')
    yield md('schema post', 'POST', '/v2/schemas/metadefs/tag', {})
    yield md('schema body', 'GET', '/v2/schemas/metadefs/tag', {'a': 1})


def routes(md):
    for path, methods in (('/v2/metadefs', 'GET POST'), ('/v2/metadefs/resource_types', 'POST PUT DELETE HEAD'), (BASE, 'PUT DELETE PATCH HEAD BREW'),
                          (BASE + '/n', 'POST PATCH HEAD'), (BASE + '/n/resource_types', 'PUT DELETE'), (BASE + '/n/resource_types/r', 'GET POST PUT'),
                          (BASE + '/n/properties', 'PUT PATCH'), (BASE + '/n/properties/p', 'POST PATCH'), (BASE + '/n/objects', 'PUT PATCH'),
                          (BASE + '/n/objects/o', 'POST PATCH'), (BASE + '/n/tags', 'PUT PATCH'), (BASE + '/n/tags/t', 'PATCH HEAD'),
                          (BASE + '/n/nothing', 'GET'), (BASE + '/', 'GET'), (BASE + '/n/', 'GET'), (BASE + '/n/tags/t/x', 'GET')):
        for method in methods.split():
            yield md('route %s %s' % (method, path), method, path)
    yield md('no namespaces', 'GET', BASE)
    yield md('no resource types', 'GET', '/v2/metadefs/resource_types')


CREATES = {
    'minimal': {'namespace': 'NS::Minimal', 'owner': 'admin'}, 'again': {'namespace': 'NS::Minimal', 'owner': 'admin'},
    'without name': {'owner': 'admin'}, 'empty': {}, 'full': {
        'owner': 'someone', 'protected': False, 'visibility': 'public', 'description': 'd', 'display_name': 'Full', 'namespace': 'NS::Full'},
    'name 80': {'namespace': 'n' * 80, 'owner': 'admin'}, 'name 81': {'namespace': 'n' * 81, 'owner': 'admin'}, 'number name': {'namespace': 5},
    'null name': {'namespace': None}, 'unicode': {'namespace': 'NS::äöü€', 'owner': 'admin'}, 'blank name': {'namespace': 'NS with blanks', 'owner': 'admin'}, 'slash name': {'namespace': 'NS/slash', 'owner': 'admin'},
    'long display name': {'namespace': 'x', 'owner': 'a', 'display_name': 'd' * 81}, 'null display name': {'namespace': 'x', 'owner': 'a', 'display_name': None}, 'empty display name': {'namespace': 'NS::Empty', 'owner': 'a', 'display_name': '', 'description': ''},
    'long description': {'namespace': 'x', 'owner': 'a', 'description': 'd' * 501}, 'description 500': {'namespace': 'NS::Long', 'owner': 'a', 'description': 'd' * 500}, 'number description': {'namespace': 'x', 'owner': 'a', 'description': 1.5},
    'bad visibility': {'namespace': 'x', 'owner': 'a', 'visibility': 'shared'}, 'null visibility': {'namespace': 'x', 'owner': 'a', 'visibility': None}, 'text protected': {'namespace': 'x', 'owner': 'a', 'protected': 'true'}, 'number protected': {'namespace': 'x', 'owner': 'a', 'protected': 1},
    'long owner': {'namespace': 'x', 'owner': 'o' * 256}, 'null owner': {'namespace': 'x', 'owner': None}, 'empty owner': {'namespace': 'NS::EmptyOwner', 'owner': ''}, 'self': {'namespace': 'x', 'self': 'x'}, 'schema': {'namespace': 'x', 'schema': 'x'},
    'created_at': {'namespace': 'x', 'created_at': 'x'}, 'updated_at': {'updated_at': 5}, 'unknown key': {'namespace': 'x', 'owner': 'a', 'zebra': 1}, 'unknown keys': {'namespace': 'x', 'owner': 'a', 'zebra': 1, 'ant': 2}, 'two faults': {'namespace': 5, 'visibility': 'x'},
    '4 byte name': {'namespace': SMILE, 'owner': 'a'}, '4 byte display name': {'namespace': 'x', 'owner': 'a', 'display_name': SMILE}, '4 byte description': {'namespace': 'x', 'owner': 'a', 'description': SMILE}, '4 byte owner': {'namespace': 'x', 'owner': SMILE},
    'list of key': ['self'], 'list': [], 'list of object': [{'namespace': 'x'}],
}
NESTED = {
    'types': {'resource_type_associations': [{'name': 'OS::A', 'prefix': 'a_', 'properties_target': 't'}, {'name': 'OS::B'}]}, 'no types': {'resource_type_associations': []}, 'type without name': {'resource_type_associations': [{'prefix': 'x'}]},
    'type unknown key': {'resource_type_associations': [{'name': 'x', 'zebra': 1}]}, 'type number name': {'resource_type_associations': [{'name': 5}]}, 'type not an object': {'resource_type_associations': ['x']}, 'types not a list': {'resource_type_associations': {}}, 'type twice': {'resource_type_associations': [{'name': 'OS::A'}, {'name': 'OS::A'}]},
    'type with times': {'resource_type_associations': [{'created_at': 'then', 'name': 'OS::A', 'updated_at': 'now'}]}, 'type number time': {'resource_type_associations': [{'name': 'OS::A', 'created_at': 5}]}, 'type 4 byte': {'resource_type_associations': [{'name': 'OS::A', 'prefix': SMILE}]},
    'properties': {'properties': {'zz': PROPERTY, 'aa': {**PROPERTY, 'name': 'other'}, 'mm': WHOLE_PROPERTY}}, 'no properties': {'properties': {}}, 'property without title': {'properties': {'p': {'type': 'string'}}}, 'property without type': {'properties': {'p': {'title': 'x'}}}, 'property bad type': {'properties': {'p': {'title': 'x', 'type': 'text'}}},
    'property null type': {'properties': {'p': {'title': 'x', 'type': None}}}, 'property unknown key': {'properties': {'p': {**PROPERTY, 'zebra': 1}}}, 'property confidential': {'properties': {'p': {**PROPERTY, 'confidential': True}}}, 'property confidential word': {'properties': {'p': {**PROPERTY, 'confidential': 'yes'}}},
    'property confidential number': {'properties': {'p': {**PROPERTY, 'confidential': 5}}}, 'property confidential odd': {'properties': {'p': {**PROPERTY, 'confidential': 'maybe'}}}, 'property confidential null': {'properties': {'p': {**PROPERTY, 'confidential': None}}}, 'property required': {'properties': {'p': {**PROPERTY, 'required': ['x']}}}, 'property enum of numbers': {'properties': {'p': {**PROPERTY, 'enum': [1]}}},
    'property negative length': {'properties': {'p': {**PROPERTY, 'maxLength': -1}}}, 'property negative least length': {'properties': {'p': {**PROPERTY, 'minLength': -1}}}, 'property text length': {'properties': {'p': {**PROPERTY, 'maxLength': '1'}}}, 'property long name': {'properties': {'p': {**PROPERTY, 'name': 'n' * 81}}}, 'property long key': {'properties': {'p' * 81: PROPERTY}},
    'property empty key': {'properties': {'': PROPERTY}}, 'property not an object': {'properties': {'p': 'x'}}, 'properties not an object': {'properties': []}, 'property 4 byte title': {'properties': {'p': {**PROPERTY, 'title': SMILE}}},
    'objects': {'objects': [{'name': 'zz', 'required': ['a', 'b'], 'description': 'd', 'properties': {'zz': PROPERTY, 'aa': {**PROPERTY, 'default': 5}}}, {'name': 'aa'}]}, 'no objects': {'objects': []}, 'object without name': {'objects': [{'description': 'd'}]}, 'object unknown key': {'objects': [{'name': 'o', 'zebra': 1}]}, 'object twice': {'objects': [{'name': 'o'}, {'name': 'o'}]},
    'object required twice': {'objects': [{'name': 'o', 'required': ['a', 'a']}]}, 'object required empty': {'objects': [{'name': 'o', 'required': []}]}, 'object required number': {'objects': [{'name': 'o', 'required': [5]}]}, 'object with self': {'objects': [{'schema': 's', 'name': 'o', 'self': 'me', 'created_at': 'c', 'updated_at': 'u'}]},
    'object bad property': {'objects': [{'name': 'o', 'properties': {'p': {'type': 'string'}}}]}, 'object not an object': {'objects': [5]}, 'object long name': {'objects': [{'name': 'o' * 81}]}, 'tags': {'tags': [{'name': 'zz'}, {'name': 'aa'}]}, 'no tags': {'tags': []}, 'tag without name': {'tags': [{}]}, 'tag unknown key': {'tags': [{'name': 't', 'zebra': 1}]},
    'tag twice': {'tags': [{'name': 't'}, {'name': 't'}]}, 'tag number name': {'tags': [{'name': 1}]}, 'tag not an object': {'tags': ['t']}, 'tag 4 byte': {'tags': [{'name': SMILE}]}, 'tag long name': {'tags': [{'name': 't' * 81}]},
    'everything': {'resource_type_associations': [{'name': 'OS::A', 'prefix': 'a_'}], 'properties': {'p': PROPERTY}, 'objects': [{'name': 'o', 'properties': {'q': PROPERTY}, 'required': ['q']}], 'tags': [{'name': 't'}], 'visibility': 'public', 'protected': False},
}


def create_namespaces(md):
    for name, body in CREATES.items():
        yield md('create ' + name, 'POST', BASE, body)
    yield md('create without owner', 'POST', BASE, {'namespace': 'NS::Nobody'})
    yield md('created without owner', 'DELETE', BASE + '/NS::Nobody')
    for path in ('NS::Minimal', 'NS::Full', 'NS::Nobody', 'NS::nothing', 'ns::minimal', 'n' * 80, 'NS%3A%3AMinimal', 'NS%20with%20blanks', 'NS::%C3%A4%C3%B6%C3%BC%E2%82%AC', 'NS::%C3%A4', 'NS/slash', 'NS%2Fslash', 'x', 'NS::Empty',
                 'NS::EmptyOwner', 'NS::Minimal?visibility=public', 'NS::Minimal?visibility=odd', 'NS::Minimal?resource_type=', 'NS::Minimal?zebra=1'):
        yield md('show ' + path, 'GET', BASE + '/' + path)
    yield md('show with body', 'GET', BASE + '/NS::Minimal', {'a': 1})


def nested(md):
    for name, body in NESTED.items():
        path = BASE + '/NS::' + name.title().replace(' ', '')
        yield md('nested ' + name, 'POST', BASE, {'namespace': path[len(BASE) + 1:], 'owner': 'admin', **body})
        yield md('nested shown ' + name, 'GET', path)
        if name not in ('everything', 'types'):
            yield md('nested deleted ' + name, 'DELETE', path)
    for query in ('resource_type=OS::A', 'resource_type=OS::B', 'resource_type=OS::Nothing'):
        yield md('nested prefixed ' + query, 'GET', BASE + '/NS::Everything?' + query)
        yield md('nested prefixed types ' + query, 'GET', BASE + '/NS::Types?' + query)
    yield md('types known', 'GET', '/v2/metadefs/resource_types')


UPDATES = {
    'owner only': {'namespace': 'NS::Update', 'owner': 'admin'}, 'all': {'namespace': 'NS::Update', 'owner': 'other', 'display_name': 'D', 'description': 'x', 'visibility': 'public', 'protected': True}, 'reset': {'namespace': 'NS::Update', 'owner': 'admin'},
    'without name': {'owner': 'admin'}, 'unknown key': {'namespace': 'NS::Update', 'owner': 'admin', 'zebra': 1}, 'self': {'namespace': 'NS::Update', 'self': 'x'}, 'taken name': {'namespace': 'NS::Minimal', 'owner': 'admin'}, '4 byte': {'namespace': 'NS::Update', 'owner': 'admin', 'description': SMILE},
    'long name': {'namespace': 'n' * 81, 'owner': 'admin'}, 'bad visibility': {'namespace': 'NS::Update', 'owner': 'admin', 'visibility': 'odd'}, 'nested': {'namespace': 'NS::Update', 'owner': 'admin', 'tags': [{'name': 'ignored'}], 'objects': [{'name': 'ignored'}]},
    'nested odd': {'namespace': 'NS::Update', 'owner': 'admin', 'tags': [{'zebra': 1}]}, 'list': [],
}


def update_namespaces(md):
    yield md('update target', 'POST', BASE, {'namespace': 'NS::Update', 'owner': 'admin', 'display_name': 'first', 'description': 'first', 'visibility': 'public'})
    for name, body in UPDATES.items():
        yield md('update ' + name, 'PUT', BASE + '/NS::Update', body)
        yield md('updated ' + name, 'GET', BASE + '/NS::Update')
    # Both set the owner to the caller's project, and here there is none.
    yield md('update without owner', 'PUT', BASE + '/NS::Update', {'namespace': 'NS::Update'})
    yield md('update empty owner', 'PUT', BASE + '/NS::Update', {'namespace': 'NS::Update', 'owner': ''})
    yield md('update unknown', 'PUT', BASE + '/NS::Nothing', {'namespace': 'NS::Nothing', 'owner': 'admin'})
    yield md('update unknown and bad', 'PUT', BASE + '/NS::Nothing', {'namespace': 5})
    yield md('update tagged', 'POST', BASE + '/NS::Update/tags/kept')
    yield md('rename', 'PUT', BASE + '/NS::Update', {'namespace': 'NS::Renamed', 'owner': 'admin'})
    yield md('renamed old', 'GET', BASE + '/NS::Update')
    yield md('renamed new', 'GET', BASE + '/NS::Renamed')


QUERIES = (
    '', 'limit=0', 'limit=1', 'limit=3', 'limit=99999', 'limit=-1', 'limit=x', 'limit=', 'limit=1.5', 'limit=1&limit=2', 'marker=', 'marker=NS::Nothing', 'marker=NS::Full', 'marker=NS::Full&limit=2', 'marker=NS::Full&sort_dir=asc', 'sort_dir=asc', 'sort_dir=desc', 'sort_dir=up', 'sort_dir=', 'sort_key=namespace', 'sort_key=namespace&sort_dir=asc',
    'sort_key=created_at', 'sort_key=updated_at', 'sort_key=owner&sort_dir=asc', 'sort_key=visibility', 'sort_key=protected', 'sort_key=display_name', 'sort_key=display_name&sort_dir=asc', 'sort_key=description', 'sort_key=id', 'sort_key=id&sort_dir=asc', 'sort_key=nothing', 'sort_key=', 'sort_key=properties', 'visibility=public', 'visibility=private', 'visibility=shared', 'visibility=', 'visibility=public&limit=1',
    'resource_types=OS::A', 'resource_types=OS::B', 'resource_types=OS::A,OS::B', 'resource_types=OS::Nothing', 'resource_types=', 'resource_types=OS::A&visibility=public', 'resource_types=OS::A&visibility=private', 'resource_types=OS::A&marker=NS::Nothing', 'zebra=1', 'owner=admin', 'namespace=NS::Full', 'limit=1&zebra=a%20b%2Bc:d', 'limit=2&sort_key=namespace&sort_dir=asc&marker=NS::Full', 'name=%ff',
    'limit=2&sort_key=owner&sort_dir=asc&marker=NS::Types',
)


def list_namespaces(md):
    for number in range(4):
        yield md('listed %d' % number, 'POST', BASE, {'namespace': 'NS::Listed%d' % number, 'owner': 'o%d' % (number % 2), 'visibility': ('public', 'private')[number // 2], 'display_name': 'D%d' % (3 - number)})
    for query in QUERIES:
        yield md('list ' + query, 'GET', BASE + '?' + query if query else BASE)
    for name, path in (('', BASE + '?limit=3'), (' by name', BASE + '?limit=4&sort_key=namespace&sort_dir=asc'), (' by owner', BASE + '?sort_key=owner&limit=2')):
        page = 0
        while path and page < 40:
            answer = yield md('page%s %d' % (name, page), 'GET', path)
            path, page = json.loads(answer.body).get('next'), page + 1
    yield md('list with body', 'GET', BASE + '?limit=1', {'a': 1})


def resource_types(md):
    path = BASE + '/NS::Minimal/resource_types'
    yield md('types none', 'GET', path)
    for name, body in {
        'one': {'name': 'OS::New', 'prefix': 'new_', 'properties_target': 'image'}, 'again': {'name': 'OS::New'}, 'known': {'name': 'OS::A'}, 'no name': {'prefix': 'x'}, 'long name': {'name': 'n' * 81}, 'null prefix': {'name': 'x', 'prefix': None}, 'empty prefix': {'name': 'OS::EmptyPrefix', 'prefix': ''},
        'long prefix': {'name': 'x', 'prefix': 'p' * 81}, 'unknown key': {'name': 'x', 'zebra': 1}, 'created_at': {'name': 'x', 'created_at': 'x'}, 'empty name': {'name': ''}, 'list': [], '4 byte': {'name': SMILE, 'prefix': SMILE}, 'number': {'name': 5}, 'no body': None,
    }.items():
        yield md('type ' + name, 'POST', path, body)
    yield md('types listed', 'GET', path)
    yield md('types with body', 'GET', path, {'a': 1})
    yield md('types of nothing', 'GET', BASE + '/NS::Nothing/resource_types')
    yield md('type of nothing', 'POST', BASE + '/NS::Nothing/resource_types', {'name': 'OS::A'})
    yield md('type delete', 'DELETE', path + '/OS::New')
    yield md('type delete again', 'DELETE', path + '/OS::New')
    yield md('type delete with body', 'DELETE', path + '/OS::A', {'a': 1})
    yield md('type delete of nothing', 'DELETE', BASE + '/NS::Nothing/resource_types/OS::A')
    yield md('type delete unknown', 'DELETE', path + '/OS::Nothing')
    yield md('types all', 'GET', '/v2/metadefs/resource_types')
    yield md('types all with body', 'GET', '/v2/metadefs/resource_types', {'a': 1})


DEFAULTS = {'text': 'a', 'empty': '', 'not ascii': 'ä', 'number': 5, 'float': 1.5, 'whole float': 1.0, 'big float': 1e30, 'small float': 1e-7, 'true': True, 'null': None, 'list': ['a'], 'object': {'a': 1}, 'negative': -7, '4 byte': SMILE}
ODD_PROPERTIES = {
    'no name': PROPERTY, 'no title': {'name': 'p', 'type': 'string'}, 'nothing': {}, 'bad type': {**PROPERTY, 'name': 'p', 'type': 'text'}, 'null type': {**PROPERTY, 'name': 'p', 'type': None}, 'long name': {**PROPERTY, 'name': 'n' * 81}, 'empty name': {**PROPERTY, 'name': ''}, 'null title': {**PROPERTY, 'name': 'p', 'title': None}, 'unknown key': {**PROPERTY, 'name': 'p', 'zebra': 1},
    'confidential': {**PROPERTY, 'name': 'p', 'confidential': True}, 'created_at': {**PROPERTY, 'name': 'p', 'created_at': 'x'}, 'self': {**PROPERTY, 'name': 'p', 'self': 'x'}, 'text minimum': {**PROPERTY, 'name': 'p', 'minimum': '1'}, 'bool minimum': {**PROPERTY, 'name': 'p', 'minimum': True}, 'negative maxLength': {**PROPERTY, 'name': 'p', 'maxLength': -1},
    'float maxLength': {**PROPERTY, 'name': 'p', 'maxLength': 1.5}, 'whole float maxLength': {**PROPERTY, 'name': 'whole-float', 'maxLength': 2.0}, 'negative minLength': {**PROPERTY, 'name': 'p', 'minLength': -1}, 'text minLength': {**PROPERTY, 'name': 'p', 'minLength': 'x'}, 'negative minItems': {**PROPERTY, 'name': 'p', 'minItems': -1}, 'negative maxItems': {**PROPERTY, 'name': 'p', 'maxItems': -2},
    'enum not a list': {**PROPERTY, 'name': 'p', 'enum': 'a'}, 'enum of numbers': {**PROPERTY, 'name': 'p', 'enum': [1, 2]}, 'enum of nulls': {**PROPERTY, 'name': 'enum-null', 'enum': [None]}, 'empty enum': {**PROPERTY, 'name': 'enum-empty', 'enum': []}, 'operators of numbers': {**PROPERTY, 'name': 'p', 'operators': [1]}, 'pattern number': {**PROPERTY, 'name': 'p', 'pattern': 5},
    'bad pattern': {**PROPERTY, 'name': 'bad-pattern', 'pattern': '['}, 'items empty': {**PROPERTY, 'name': 'p', 'items': {}}, 'items unknown key': {**PROPERTY, 'name': 'p', 'items': {'type': 'string', 'zebra': 1}}, 'items bad type': {**PROPERTY, 'name': 'p', 'items': {'type': 'text'}}, 'items enum of numbers': {**PROPERTY, 'name': 'p', 'items': {'type': 'string', 'enum': [1]}},
    'items null': {**PROPERTY, 'name': 'p', 'items': None}, 'items list': {**PROPERTY, 'name': 'p', 'items': []}, 'required': {**PROPERTY, 'name': 'p', 'required': ['a']}, 'required empty': {**PROPERTY, 'name': 'p', 'required': []}, 'required twice': {**PROPERTY, 'name': 'p', 'required': ['a', 'a']}, 'readonly text': {**PROPERTY, 'name': 'p', 'readonly': 'yes'}, 'uniqueItems text': {**PROPERTY, 'name': 'p', 'uniqueItems': 'yes'},
    '4 byte name': {**PROPERTY, 'name': SMILE}, '4 byte title': {**PROPERTY, 'name': 'p', 'title': SMILE}, '4 byte enum': {**PROPERTY, 'name': 'four-enum', 'enum': [SMILE]}, '4 byte items': {**PROPERTY, 'name': 'four-items', 'items': {'type': 'string', 'enum': [SMILE]}}, 'list': [], 'list of created_at': ['created_at'], 'no body': None,
    'two faults': {'name': 5, 'type': 5, 'title': 'x'}, 'unicode': {**PROPERTY, 'name': 'äöü', 'title': '€'},
}


def properties(md):
    path = BASE + '/NS::Minimal/properties'
    yield md('properties none', 'GET', path)
    yield md('property', 'POST', path, {**PROPERTY, 'name': 'k'})
    yield md('property again', 'POST', path, {**PROPERTY, 'name': 'k', 'title': 'again'})
    yield md('property whole', 'POST', path, WHOLE_PROPERTY)
    for name, default in DEFAULTS.items():
        yield md('property default ' + name, 'POST', path, {**PROPERTY, 'name': 'default-' + name.replace(' ', '-'), 'default': default})
        yield md('property default shown ' + name, 'GET', path + '/default-' + name.replace(' ', '-'))
    for name, body in ODD_PROPERTIES.items():
        yield md('property ' + name, 'POST', path, body)
    yield md('properties listed', 'GET', path)
    yield md('properties with body', 'GET', path, {'a': 1})
    yield md('property shown', 'GET', path + '/k')
    yield md('property shown with body', 'GET', path + '/k', {'a': 1})
    yield md('property shown whole', 'GET', path + '/whole')
    yield md('property unknown', 'GET', path + '/nothing')
    yield md('property shown unicode', 'GET', path + '/%C3%A4%C3%B6%C3%BC')
    yield md('property with types', 'POST', BASE + '/NS::Minimal/resource_types', {'name': 'OS::Prefixed', 'prefix': 'pre_'})
    yield md('property without prefix', 'POST', BASE + '/NS::Minimal/resource_types', {'name': 'OS::Plain'})
    for query in ('pre_k?resource_type=OS::Prefixed', 'k?resource_type=OS::Prefixed', 'pre_nothing?resource_type=OS::Prefixed', 'k?resource_type=OS::Plain', 'k?resource_type=OS::Nothing', 'k?resource_type=OS::B', 'k?resource_type=', 'k?zebra=1', 'pre_?resource_type=OS::Prefixed'):
        yield md('property of type ' + query, 'GET', path + '/' + query)
    for name, body in {'title': {**PROPERTY, 'name': 'k', 'title': 'new'}, 'no name': PROPERTY, 'odd': {**PROPERTY, 'name': 'k', 'zebra': 1}, 'enum of numbers': {**PROPERTY, 'name': 'k', 'enum': [1]}, '4 byte': {**PROPERTY, 'name': 'k', 'title': SMILE}, 'created_at': {**PROPERTY, 'name': 'k', 'created_at': 'x'}, 'list': [], 'rename': {**PROPERTY, 'name': 'kk'}}.items():
        yield md('property update ' + name, 'PUT', path + '/k', body)
    yield md('property update taken', 'PUT', path + '/kk', {**PROPERTY, 'name': 'whole'})
    yield md('property after taken', 'GET', path + '/kk')
    yield md('property update unknown', 'PUT', path + '/nothing', {**PROPERTY, 'name': 'nothing'})
    yield md('property delete', 'DELETE', path + '/kk')
    yield md('property delete again', 'DELETE', path + '/kk')
    yield md('property delete with body', 'DELETE', path + '/whole', {'a': 1})
    for method, body in (('GET', None), ('POST', {**PROPERTY, 'name': 'k'}), ('DELETE', None)):
        yield md('properties of nothing ' + method, method, BASE + '/NS::Nothing/properties', body)
    for method, body in (('GET', None), ('PUT', {**PROPERTY, 'name': 'k'}), ('DELETE', None)):
        yield md('property of nothing ' + method, method, BASE + '/NS::Nothing/properties/k', body)
    yield md('properties delete with body', 'DELETE', path, {'a': 1})
    yield md('properties delete with bad body', 'DELETE', path, '{')
    yield md('properties delete', 'DELETE', path)
    yield md('properties delete again', 'DELETE', path)
    yield md('properties deleted', 'GET', path)


ODD_OBJECTS = {
    'again': {'name': 'obj'}, 'no name': {'description': 'd'}, 'empty': {}, 'null name': {'name': None}, 'long name': {'name': 'n' * 81}, 'empty name': {'name': ''}, 'number description': {'name': 'o', 'description': 5}, 'self': {'name': 'o', 'self': 'x'}, 'schema': {'name': 'o', 'schema': 'x'}, 'created_at': {'name': 'o', 'created_at': 'x'}, 'updated_at': {'name': 'o', 'updated_at': 'x'},
    'unknown key': {'name': 'o', 'zebra': 1}, 'required empty': {'name': 'required-empty', 'required': []}, 'required twice': {'name': 'o', 'required': ['a', 'a']}, 'required number': {'name': 'o', 'required': [5]}, 'required text': {'name': 'o', 'required': 'a'}, 'required comma': {'name': 'required-comma', 'required': ['a,b', 'c']}, 'no properties': {'name': 'no-properties', 'properties': {}},
    'properties list': {'name': 'o', 'properties': []}, 'property text': {'name': 'o', 'properties': {'p': 'x'}}, 'property without title': {'name': 'o', 'properties': {'p': {'type': 'string'}}}, 'property unknown key': {'name': 'o', 'properties': {'p': {**PROPERTY, 'zebra': 1}}}, 'property confidential': {'name': 'o', 'properties': {'p': {**PROPERTY, 'confidential': True}}},
    'property required empty': {'name': 'o', 'properties': {'p': {**PROPERTY, 'required': []}}}, 'property required': {'name': 'o', 'properties': {'p': {**PROPERTY, 'required': ['a']}}}, 'property enum of numbers': {'name': 'o', 'properties': {'p': {**PROPERTY, 'enum': [5]}}}, 'property default not ascii': {'name': 'o', 'properties': {'p': {**PROPERTY, 'default': 'ä'}}}, '4 byte name': {'name': SMILE}, '4 byte description': {'name': 'o', 'description': SMILE},
    '4 byte required': {'name': 'o', 'required': [SMILE]}, '4 byte property': {'name': 'four-key', 'properties': {SMILE: PROPERTY}}, '4 byte property title': {'name': 'o', 'properties': {'p': {**PROPERTY, 'title': SMILE}}}, 'list': [], 'list of self': ['self'], 'list of properties': ['properties'], 'no body': None, 'unicode': {'name': 'äöü', 'description': '€'},
}


def objects(md):
    path = BASE + '/NS::Minimal/objects'
    yield md('objects none', 'GET', path)
    yield md('object', 'POST', path, {'properties': {'z': PROPERTY, 'a': WHOLE_PROPERTY}, 'required': ['z', 'a'], 'description': 'd', 'name': 'obj'})
    yield md('object minimal', 'POST', path, {'name': 'minimal'})
    for name, body in ODD_OBJECTS.items():
        yield md('object ' + name, 'POST', path, body)
    for query in ('', 'limit=1', 'limit=0', 'limit=x', 'limit=-1', 'marker=obj', 'marker=nothing', 'sort_key=name', 'sort_key=nothing', 'sort_dir=asc', 'sort_dir=up', 'visibility=public', 'visibility=shared', 'visibility=odd', 'zebra=1'):
        yield md('objects listed ' + query, 'GET', path + '?' + query if query else path)
    yield md('objects with body', 'GET', path, {'a': 1})
    for name in ('obj', 'minimal', 'nothing', 'required-empty', 'required-comma', '%C3%A4%C3%B6%C3%BC', 'OBJ'):
        yield md('object shown ' + name, 'GET', path + '/' + name)
    yield md('object shown with body', 'GET', path + '/obj', {'a': 1})
    for name, body in {'all': {'name': 'obj', 'description': 'new', 'required': ['z'], 'properties': {'z': {**PROPERTY, 'title': 'new'}}}, 'less': {'name': 'obj'}, 'required empty': {'name': 'obj', 'required': [], 'properties': {}}, 'confidential': {'name': 'obj', 'properties': {'p': {**PROPERTY, 'confidential': True}}},
                       'property unknown key': {'name': 'obj', 'properties': {'p': {**PROPERTY, 'zebra': 1}}}, 'no name': {'description': 'd'}, 'self': {'name': 'obj', 'self': 'x'}, '4 byte': {'name': 'obj', 'description': SMILE}, 'list': [], 'rename': {'name': 'obj2', 'description': 'renamed'}}.items():
        yield md('object update ' + name, 'PUT', path + '/obj', body)
    yield md('object updated', 'GET', path + '/obj2')
    yield md('object update taken', 'PUT', path + '/obj2', {'name': 'minimal'})
    yield md('object after taken', 'GET', path + '/obj2')
    yield md('object update unknown', 'PUT', path + '/nothing', {'name': 'nothing'})
    yield md('object delete with body', 'DELETE', path + '/obj2', {'a': 1})
    yield md('object delete', 'DELETE', path + '/obj2')
    yield md('object delete again', 'DELETE', path + '/obj2')
    for method, body in (('GET', None), ('POST', {'name': 'o'}), ('DELETE', None)):
        yield md('objects of nothing ' + method, method, BASE + '/NS::Nothing/objects', body)
    for method, body in (('GET', None), ('PUT', {'name': 'o'}), ('DELETE', None)):
        yield md('object of nothing ' + method, method, BASE + '/NS::Nothing/objects/o', body)
    yield md('objects delete with body', 'DELETE', path, {'a': 1})
    yield md('objects delete', 'DELETE', path)
    yield md('objects deleted', 'GET', path)


def tags(md):
    path = BASE + '/NS::Minimal/tags'
    yield md('tags at first', 'GET', path)
    for name in ('t1', 'T1', '%C3%A4', 'a%20b', 't' * 80, 't' * 81):
        yield md('tag create ' + name, 'POST', path + '/' + name)
    yield md('tag create again', 'POST', path + '/t1')
    yield md('tag create with body', 'POST', path + '/t9', {'name': 't9'})
    yield md('tags listed', 'GET', path)
    for name, body in {'three': {'tags': [{'name': 'c'}, {'name': 'a'}, {'name': 'b'}]}, 'twice': {'tags': [{'name': 'x'}, {'name': 'x'}]}, 'none': {'tags': []}, 'no key': {}, 'no name': {'tags': [{}]}, 'unknown key': {'tags': [{'name': 'x', 'zebra': 1}]}, 'long': {'tags': [{'name': 'l' * 81}]}, 'created_at': {'tags': [], 'created_at': 'x'}, 'inner created_at': {'tags': [{'name': 'x', 'created_at': 'x'}]},
                       'other key': {'tags': [], 'zebra': 1}, 'list': [], 'text': {'tags': ['a']}, '4 byte': {'tags': [{'name': SMILE}]}, 'no body': None, 'not a list': {'tags': {}}, 'again': {'tags': [{'name': 'a'}, {'name': 'b'}, {'name': 'c'}]}}.items():
        yield md('tags ' + name, 'POST', path, body)
        yield md('tags after ' + name, 'GET', path)
    for append, names in (('True', 'd e'), ('true', 'f'), ('1', 'g'), ('yes', 'h'), ('on', 'i'), (' TRUE ', 'j'), ('no', 'k l'), ('odd', 'm'), ('', 'n'), ('True', 'n'), ('True', 'o p q r')):
        yield md('tags append %r %s' % (append, names), 'POST', path, {'tags': [{'name': name} for name in names.split()]}, {'X-Openstack-Append': append})
        yield md('tags appended %r %s' % (append, names), 'GET', path)
    for query in ('limit=2', 'limit=0', 'limit=', 'limit=x', 'limit=-1', 'marker=p', 'marker=p&limit=1', 'marker=nothing', 'marker=', 'sort_key=name', 'sort_key=name&sort_dir=asc', 'sort_key=name&sort_dir=asc&marker=o', 'sort_key=nothing', 'sort_key=id', 'sort_key=namespace_id', 'sort_key=updated_at', 'sort_dir=asc', 'sort_dir=up', 'visibility=public', 'visibility=odd', 'zebra=1'):
        yield md('tags listed ' + query, 'GET', path + '?' + query)
    yield md('tags with body', 'GET', path, {'a': 1})
    for name in ('n', 'nothing', 'N'):
        yield md('tag shown ' + name, 'GET', path + '/' + name)
    yield md('tag shown with body', 'GET', path + '/n', {'a': 1})
    for name, body in {'same': {'name': 'n'}, 'no name': {}, 'created_at': {'name': 'n', 'created_at': 'x'}, 'unknown key': {'name': 'n', 'zebra': 1}, 'long': {'name': 'n' * 81}, '4 byte': {'name': SMILE}, 'list': [], 'number': {'name': 5}, 'rename': {'name': 'nn'}}.items():
        yield md('tag update ' + name, 'PUT', path + '/n', body)
    yield md('tag update taken', 'PUT', path + '/nn', {'name': 'o'})
    yield md('tag update unknown', 'PUT', path + '/nothing', {'name': 'x'})
    yield md('tag delete with body', 'DELETE', path + '/nn', {'a': 1})
    yield md('tag delete', 'DELETE', path + '/nn')
    yield md('tag delete again', 'DELETE', path + '/nn')
    for method, body in (('GET', None), ('POST', {'tags': [{'name': 'x'}]}), ('DELETE', None)):
        yield md('tags of nothing ' + method, method, BASE + '/NS::Nothing/tags', body)
    for method, body in (('GET', None), ('POST', None), ('PUT', {'name': 'x'}), ('DELETE', None)):
        yield md('tag of nothing ' + method, method, BASE + '/NS::Nothing/tags/x', body)
    yield md('tags delete with body', 'DELETE', path, {'a': 1})
    yield md('tags delete', 'DELETE', path)
    yield md('tags deleted', 'GET', path)


def protected(md):
    path = BASE + '/NS::Protected'
    yield md('protected', 'POST', BASE, {'namespace': 'NS::Protected', 'owner': 'admin', 'protected': True, 'visibility': 'public', 'resource_type_associations': [{'name': 'OS::A', 'prefix': 'x_'}],
                                         'properties': {'p': PROPERTY}, 'objects': [{'name': 'o'}], 'tags': [{'name': 't'}]})
    for part in ('', '/properties', '/objects', '/tags', '/properties/p', '/objects/o', '/tags/t', '/resource_types/OS::A', '/properties/x', '/objects/x', '/tags/x', '/resource_types/x'):
        yield md('protected delete ' + part, 'DELETE', path + part)
    yield md('protected still there', 'GET', path)
    yield md('protected tags replaced', 'POST', path + '/tags', {'tags': [{'name': 'other'}]})
    yield md('protected property changed', 'PUT', path + '/properties/p', {**PROPERTY, 'name': 'p', 'title': 'changed'})
    yield md('protected twice inside', 'POST', BASE, {'namespace': 'NS::ProtectedTwice', 'owner': 'admin', 'protected': True, 'tags': [{'name': 't'}, {'name': 't'}]})
    yield md('protected twice left', 'GET', BASE + '/NS::ProtectedTwice')
    yield md('unprotected', 'PUT', path, {'namespace': 'NS::Protected', 'owner': 'admin', 'protected': False})
    yield md('unprotected deleted', 'DELETE', path)


BODIES = {'none': None, 'bad json': '{', 'text': '"a"', 'number': '5', 'null': 'null', 'two objects': '{}{}', 'not utf-8': b'{"name": "\xff"}', 'blank': '   '}


def malformed(md):
    for route, method, path in (('namespaces', 'POST', BASE), ('namespace', 'PUT', BASE + '/NS::Minimal'), ('types', 'POST', BASE + '/NS::Minimal/resource_types'), ('properties', 'POST', BASE + '/NS::Minimal/properties'),
                                ('property', 'PUT', BASE + '/NS::Everything/properties/p'), ('objects', 'POST', BASE + '/NS::Minimal/objects'), ('object', 'PUT', BASE + '/NS::Everything/objects/o'), ('tags', 'POST', BASE + '/NS::Minimal/tags'), ('tag', 'PUT', BASE + '/NS::Everything/tags/t')):
        for name, body in BODIES.items():
            yield md('%s body %s' % (route, name), method, path, body)


def delete_namespaces(md):
    yield md('delete with body', 'DELETE', BASE + '/NS::Everything', {'a': 1})
    yield md('delete', 'DELETE', BASE + '/NS::Everything')
    yield md('delete again', 'DELETE', BASE + '/NS::Everything')
    yield md('deleted', 'GET', BASE + '/NS::Everything')
    yield md('deleted tag', 'GET', BASE + '/NS::Everything/tags/t')
    yield md('made again', 'POST', BASE, {'namespace': 'NS::Everything', 'owner': 'admin'})
    yield md('made again is empty', 'GET', BASE + '/NS::Everything')
    yield md('types left', 'GET', '/v2/metadefs/resource_types')
    for accept in ('application/json', 'text/html'):
        yield md('fault for ' + accept, 'GET', BASE + '/NS::<Nothing>', headers={'Accept': accept})
        yield md('schema fault for ' + accept, 'POST', BASE, {'namespace': 5}, {'Accept': accept})
