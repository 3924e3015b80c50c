"""Glance and Glint side by side on one database and one file store: what Glance takes away, Glint serves no more.

usage: beside.py VENV GLINT_BINARY
Prints how long Glint went on after Glance's answer (docs/rfcs/0005: a second and the time of one look).
"""
import http.client
import json
import sys
import time

from glance import Glance, Glint

BYTES = bytes(range(256)) * 40
STORE = {'glance_store.filesystem_store_datadir': '{state}/images'}
# Far beyond the bound: a machine may be slow.
PATIENCE_S = 30


def ask(server, method, path, body=None, kind='application/json'):
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    connection.request(method, path, body, {'Content-Type': kind} if body else {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit('%s: %.300r, expected %.300r' % (what, found, wanted))


def served_image(glance, glint):
    """An image that Glance made and Glint has served, so that it is known to Glint's data plane."""
    status, body = ask(glance, 'POST', '/v2/images', json.dumps({'disk_format': 'raw', 'container_format': 'bare'}))
    expect('create', status, 201)
    path = '/v2/images/%s' % json.loads(body)['id']
    expect('upload', ask(glance, 'PUT', path + '/file', BYTES, 'application/octet-stream')[0], 204)
    for _ in range(2):
        expect('download', ask(glint, 'GET', path + '/file'), (200, BYTES))
    return path


def until(what, answer, good):
    """Asks until the answer is good; seconds it took."""
    begun = time.monotonic()
    while not good(found := answer()):
        if time.monotonic() - begun > PATIENCE_S:
            raise SystemExit('%s: still %.300r after %d s' % (what, found, PATIENCE_S))
        time.sleep(.02)
    return time.monotonic() - begun


def main():
    venv, binary = sys.argv[1:]
    glance = Glance(venv)
    try:
        database = 'sqlite:///%s/glance.db' % glance.state
        glint = Glint(binary, {name: value.replace('{state}', str(glance.state)) for name, value in STORE.items()}, database=database)
        try:
            passed = compare(glance, glint)
        finally:
            glint.stop()
    finally:
        glance.stop()
    print('beside: %d passed' % passed)


def compare(glance, glint):
    path = served_image(glance, glint)
    expect('delete', ask(glance, 'DELETE', path)[0], 204)
    took = until('download after delete', lambda: ask(glint, 'GET', path + '/file')[0], lambda status: status == 404)
    print('beside: Glint stopped serving %.2f s after Glance deleted' % took)

    path = served_image(glance, glint)
    expect('deactivate', ask(glance, 'POST', path + '/actions/deactivate')[0], 204)
    shown = lambda: json.loads(ask(glint, 'GET', path)[1])['status']
    took = until('show after deactivate', shown, lambda status: status == 'deactivated')
    print('beside: Glint showed the new status %.2f s after Glance deactivated' % took)

    # The other way round there is nothing to wait for: Glance asks the database each time.
    path = served_image(glance, glint)
    expect('delete through Glint', ask(glint, 'DELETE', path)[0], 204)
    expect('download from Glance after that', ask(glance, 'GET', path + '/file')[0], 404)
    return 3


if __name__ == '__main__':
    main()
