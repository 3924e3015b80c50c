"""One exchange with a server: a call, its answer, and the answer with everything named that may differ between two servers.

Leaves to compare.py which calls there are. Ids are named after the exchange in which they first appeared, so that one
difference does not make every later id differ.
"""
import http.client
import json
import re
from collections import namedtuple

Call = namedtuple('Call', 'name method path headers body')
Answer = namedtuple('Answer', 'status reason headers body')
JSON = {'Content-Type': 'application/json'}
UUID = re.compile(r'[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}')
REQUEST = re.compile('^req-' + UUID.pattern + '$')
TIME = re.compile(r'20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?(Z?)')
# Framing and the server's own marks: not what Glance says but how uWSGI carries it.
UNCOMPARED = {'connection', 'date', 'server', 'content-length', 'transfer-encoding', 'keep-alive'}


def call(name, method, path, headers=None, body=None):
    """A call with its body as bytes; lists and objects become JSON. A `Transfer-Encoding: chunked` among the headers is obeyed."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers = {**JSON, **(headers or {})}
    if isinstance(body, str):
        body = body.encode('utf-8', 'surrogatepass')
    return Call(name, method, path, headers or {}, body)


def ask(server, call):
    """Sends a call on a connection of its own. An answer of status 0 tells how the connection ended without one."""
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    chunked = call.headers.get('Transfer-Encoding') == 'chunked'
    try:
        path = call.path.replace('<', '%3C').replace('>', '%3E').replace('"', '%22')
        connection.putrequest(call.method, path, skip_accept_encoding=True)
        for name, value in call.headers.items():
            connection.putheader(name, value)
        if call.body is not None and not chunked:
            connection.putheader('Content-Length', str(len(call.body)))
        connection.endheaders()
        data = call.body
        if chunked:
            data = (b'%x\r\n%s\r\n' % (len(data), data) if data else b'') + b'0\r\n\r\n'
        if data:
            try:
                connection.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.getheaders(), response.read())
    except (http.client.HTTPException, OSError) as error:
        return Answer(0, type(error).__name__, [], b'')
    finally:
        connection.close()


class Names:
    """Gives each id of one server the name of its place of first appearance, so that two servers' ids compare."""

    def __init__(self, server):
        self.server, self.known = server, {}

    def plain(self, text, place):
        text = text.replace('127.0.0.1:%d' % self.server.port, 'HOST').replace(str(self.server.state), 'STATE')
        text = UUID.sub(lambda found: self.name(found[0], place), text)
        return TIME.sub(lambda found: 'TIME' + ('.F' if found[1] else '') + found[2], text)

    def name(self, text, place):
        if text.lower() not in self.known:
            count = sum(known.startswith('id(%s).' % place) for known in self.known.values())
            self.known[text.lower()] = 'id(%s).%d' % (place, count)
        return self.known[text.lower()] + ('^' if text != text.lower() else '')

    def answer(self, call, answer):
        """Status, reason, headers and body as they are compared."""
        headers = sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in UNCOMPARED)
        headers = [(name, REQUEST.sub('REQUEST', value) if name == 'x-openstack-request-id' else self.plain(value, call.name)) for name, value in headers]
        body = self.plain(answer.body.decode('utf-8', 'backslashreplace'), call.name)
        return answer.status, answer.reason, headers, plain_image(body)


def plain_image(body):
    """Tags are a set: Glance shows them in no order. The virtual size is a difference by nature (docs/compat.md)."""
    body = re.sub(r'"virtual_size": \d+', '"virtual_size": null', body)
    return re.sub(r'"tags": \[("[^\]]*)\]', lambda found: '"tags": [%s]' % ', '.join(sorted(found[1].split(', '))), body)
