"""A paste filter in Keystone's place: the token itself says who calls.

`X-Auth-Token: USER:PROJECT:ROLES[:SERVICE_ROLES]`, roles with commas between. A project called "none" is none. A role brings
those below it (admin, manager, member, reader) unless ROLES begins with "=". The token may be percent-encoded. Whoever has
no such token goes on unconfirmed, as behind keystonemiddleware with delay_auth_decision. Never to be used outside tests.
"""
from urllib.parse import unquote

LADDER = ['admin', 'manager', 'member', 'reader']
OWN = ['X-Identity-Status', 'X-User-Id', 'X-User-Name', 'X-Project-Id', 'X-Project-Name', 'X-Tenant-Id', 'X-Tenant-Name', 'X-Tenant',
       'X-User', 'X-Role', 'X-Roles', 'X-Service-Roles', 'X-Domain-Id', 'X-Project-Domain-Id', 'X-User-Domain-Id']


def key(header):
    return 'HTTP_' + header.upper().replace('-', '_')


def with_lower(text):
    """The roles a token names and those that come with them, in the order of the token."""
    if text.startswith('='):
        return text[1:].split(',')
    held = []
    for role in text.split(','):
        lower = LADDER[LADDER.index(role.lower()) + 1:] if role.lower() in LADDER else []
        held.extend(one for one in [role, *lower] if one and one not in held)
    return held


def identity(token):
    """The identity headers that a token stands for."""
    parts = unquote(token).split(':')
    if len(parts) not in (3, 4) or not parts[0]:
        return {'X-Identity-Status': 'Invalid'}
    user, project, roles = parts[:3]
    headers = {'X-Identity-Status': 'Confirmed', 'X-User-Id': user, 'X-User-Name': user, 'X-Roles': ','.join(with_lower(roles))}
    if project.lower() != 'none':
        headers.update({'X-Project-Id': project, 'X-Project-Name': project})
    if len(parts) == 4:
        headers['X-Service-Roles'] = parts[3]
    return headers


class TokenFilter:
    """Removes the identity headers a caller sent and sets those of its token."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        for header in OWN:
            environ.pop(key(header), None)
        for header, value in identity(environ.get('HTTP_X_AUTH_TOKEN', '')).items():
            environ[key(header)] = value
        return self.app(environ, start_response)


def filter_factory(_global_options, **_options):
    return TokenFilter
