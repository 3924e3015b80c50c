"""What stands around the API: cross-origin requests, links behind proxies, the health check, request ids, versions.

Played with an origin allowed and proxies believed (`OPTIONS`).
"""
import json

from exchange import JSON, call

PAGE = 'https://horizon.example'
OPTIONS = {'cors.allowed_origin': PAGE + ',http://b.example:8080', 'cors.max_age': '600',
           'oslo_middleware.enable_proxy_headers_parsing': 'True'}
PROXY = {'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'img.example', 'X-Forwarded-Prefix': '/image', 'X-Forwarded-For': '192.0.2.7'}


def edge():
    yield from cross_origin()
    yield from pre_flights()
    yield from proxies()
    yield from health()


def cross_origin():
    for origin in (PAGE, 'http://b.example:8080', 'https://HORIZON.example', PAGE + '/', 'http://evil.example', 'null', ''):
        yield call('edge origin %r' % origin, 'GET', '/v2/images', {'Origin': origin})
    here = {'Origin': PAGE}
    for method, path in (('GET', '/'), ('GET', '/versions'), ('GET', '/v9'), ('GET', '/v2'), ('GET', '/v2/nothing'), ('HEAD', '/v2/images'),
                         ('PUT', '/v2/images'), ('BREW', '/v2/nothing'), ('DELETE', '/v2/images/nope'), ('GET', '/healthcheck'),
                         ('GET', '/v2/schemas/image')):
        yield call('edge origin %s %s' % (method, path), method, path, here)
    answer = yield call('edge origin create', 'POST', '/v2/images', here, {'name': 'x', 'disk_format': 'raw', 'container_format': 'bare'})
    image = '/v2/images/' + json.loads(answer.body)['id']
    yield call('edge origin create refused', 'POST', '/v2/images', here, {'nothing': 1})
    yield call('edge origin show', 'GET', image, here)
    octets = {**here, 'Content-Type': 'application/octet-stream'}
    yield call('edge origin no data', 'GET', image + '/file', here)
    yield call('edge origin upload', 'PUT', image + '/file', octets, b'x' * 1000)
    yield call('edge origin upload again', 'PUT', image + '/file', octets, b'x' * 1000)
    yield call('edge origin download', 'GET', image + '/file', here)
    yield call('edge origin download range', 'GET', image + '/file', {**here, 'Range': 'bytes=5-9'})
    yield call('edge origin download bad range', 'GET', image + '/file', {**here, 'Range': 'bytes=5000-'})
    yield call('edge origin download evil', 'GET', image + '/file', {'Origin': 'http://evil.example'})
    yield call('edge origin download nobody', 'GET', '/v2/images/71c675ab-d94f-49cd-a114-e12490b328d9/file', here)
    yield call('edge origin delete', 'DELETE', image, here)


def pre_flights():
    base = {'Origin': PAGE, 'Access-Control-Request-Method': 'GET'}
    for path in ('/', '/versions', '/v2', '/v2/', '/v2/images', '/v2/nothing', '/v9/x', '/v2/images/x/file', '/healthcheck'):
        yield call('edge options %s' % path, 'OPTIONS', path)
        yield call('edge preflight %s' % path, 'OPTIONS', path, base)
    for method in ('GET', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'get', ''):
        yield call('edge preflight method %r' % method, 'OPTIONS', '/v2/images', {**base, 'Access-Control-Request-Method': method})
    for names in ('x-auth-token', 'X-Auth-Token, content-type ,accept', ' , ,', '', 'x-other', 'x-auth-token,x-other', 'Origin', 'x-auth-token;'):
        yield call('edge preflight headers %r' % names, 'OPTIONS', '/v2/images', {**base, 'Access-Control-Request-Headers': names})
    yield call('edge preflight evil', 'OPTIONS', '/v2/images', {**base, 'Origin': 'http://evil.example'})
    yield call('edge preflight no method', 'OPTIONS', '/v2/images', {'Origin': PAGE})
    yield call('edge preflight no origin', 'OPTIONS', '/v2/images', {'Access-Control-Request-Method': 'GET'})


def proxies():
    yield call('edge proxy list', 'GET', '/v2/images', PROXY)
    for name, headers in (
            ('all', PROXY), ('proto', {'X-Forwarded-Proto': 'https'}), ('host', {'X-Forwarded-Host': 'img.example'}),
            ('host with port', {'X-Forwarded-Host': 'img.example:8443'}), ('http 80', {'X-Forwarded-Host': 'img.example:80'}),
            ('https 443', {'X-Forwarded-Host': 'img.example:443', 'X-Forwarded-Proto': 'https'}),
            ('https 80', {'X-Forwarded-Host': 'img.example:80', 'X-Forwarded-Proto': 'https'}),
            ('ftp', {'X-Forwarded-Proto': 'ftp'}), ('ipv6', {'X-Forwarded-Host': '[2001:db8::1]:9292'}),
            ('prefix slash', {'X-Forwarded-Prefix': '/image/'}), ('prefix odd', {'X-Forwarded-Prefix': '/a b/%20'}),
            ('forwarded', {'Forwarded': 'for=192.0.2.60;proto=https;host=fwd.example, for=1.2.3.4;host=x'}),
            ('forwarded wins', {**PROXY, 'Forwarded': 'host=fwd.example'}), ('forwarded for', {**PROXY, 'Forwarded': 'for=192.0.2.60'}),
            ('forwarded case', {'Forwarded': 'For="[::1]"; HOST = q.example ;PROTO=https'}),
            ('forwarded quoted', {'Forwarded': 'host="q.example"'}), ('two protos', {'X-Forwarded-Proto': 'https, http'}),
            ('two hosts', {'X-Forwarded-Host': 'a.example, b.example'})):
        yield call('edge proxy versions ' + name, 'GET', '/versions', headers)
        yield call('edge proxy v2 ' + name, 'GET', '/v2', headers)
        yield call('edge proxy create ' + name, 'POST', '/v2/images', {**JSON, **headers}, {'name': 'x'})
    yield call('edge proxy namespace', 'POST', '/v2/metadefs/namespaces', {**JSON, **PROXY}, {'namespace': 'Edge::Proxy', 'owner': 'x'})


def health():
    for method in ('GET', 'HEAD', 'POST', 'DELETE', 'BREW'):
        yield call('edge health %s' % method, method, '/healthcheck')
    for path in ('/healthcheck/', '/healthcheck/x/y', '/healthcheckx', '/Healthcheck', '//healthcheck', '/healthcheck?x=y'):
        yield call('edge health %s' % path, 'GET', path)
    for accept in ('*/*', 'text/html', 'text/*', 'application/json', 'application/*', 'image/png', 'garbage', '', 'text/plain;q=0, */*',
                   'application/json;q=0.3,text/html;q=0.2,*/*;q=0.1', 'application/json;v=1', 'text/html,application/json'):
        yield call('edge health accept %r' % accept, 'GET', '/healthcheck', {'Accept': accept})
