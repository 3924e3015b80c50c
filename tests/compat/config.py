"""Reads generated configuration files with Glint's reader and with oslo.config itself, and compares the values.

usage: config.py VALUES [SEED [CASES]]       with a Python that has Glance; VALUES is the example `values` of shared/config
The options are those that Glance and its libraries register. First every option must be known to Glint with its default. Then
each case is one to three files, well-formed or not, and the options to ask for; an error counts as one, whatever its words.
"""
import importlib.metadata
import json
import logging
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter('ignore')
sys.path.pop(0)  # The file glance.py beside this one is not Glance.
from oslo_config import cfg, types

NAMESPACES = ('glance', 'glance.api', 'glance.cache', 'glance.manage', 'glance.scrubber', 'glance.store', 'keystonemiddleware.auth_token',
              'oslo.concurrency', 'oslo.db', 'oslo.limit', 'oslo.log', 'oslo.messaging', 'oslo.middleware.cors', 'oslo.middleware.healthcheck',
              'oslo.middleware.http_proxy_to_wsgi', 'oslo.middleware.sizelimit', 'oslo.policy', 'oslo.reports', 'osprofiler')
# Their defaults are the machine's.
OWN_DEFAULTS = {('oslo_messaging_rabbit', 'hostname'), ('oslo_messaging_rabbit', 'processname')}
FAULT = 'FAULT'
TEXTS = ['', 'a', 'a b', ' a ', '"a b"', "'a'", '"a', "a'", 'a,b', 'a, b ,c,', ',', ',,', 'ünï', 'a=b', 'a:b', '[x]', '#x', 'a # b', '"', 'None',
         '\x1cx\x1f', '\u00a0x', 'x\u2028y', '\\', 'a\\b', 'Ⅷ', '$', '$$', '\\$debug', '100%', '%(a)s']
NUMBERS = ['0', '1', '-1', '+7', '007', '1_0', '1__0', '_1', '1_', '65535', '65536', '100', '101', '9223372036854775807', '9223372036854775808',
           '9223372036854775809', ' 5 ', '0x10', '1e3', '5.', '.5', '1.5', '-0', '1e400', 'nan', 'inf', '-Infinity', '1e-5', '1_0.5', '1._5', '1e1_0', '4.5', '4.6', '٣x']
SWITCHES = ['True', 'false', 'yes', 'NO', 'on', 'Off', '1', '0', 'maybe', 'TRUE ', '', 'y', 't']
LISTS = ['[a,b]', '[a', 'a]', '[]', '[ ]', '["a,b",c]', "['x']", '["a]', '[a,]', '[a],', '[,a]', '[,]', '[glance-direct]', '[glance-direct,web-download]',
         '[copy-image, glance-direct]', '[80,443]', '[80,0]', '[65536]', '[ 80 ]', '[80,,443]', '[localhost,10.0.0.1]', '[a_b]', '[::1]', '[-a.b]',
         '[a.b.]', '[1.2.3]', '[1.2.3.4.5]', '["a"b"]', '["a",\'b,c\']', '1,2,3', '1,,2', '1,x', '1 , 2,']
DICTS = ['a:b', 'a:b,c:d', 'a:b:c', ',a:b', 'a', 'a:b,', ':b', 'a:1,a:2', ' a : b , c : d ', 'a:b,c', 'a:,b:', 'a:b,c,d:e']
HOSTS = ['localhost', '10.0.0.1', '::1', 'a.b.c', 'a..b', '-a', 'a-', 'a.b.', '.', '1.2.3', '01.2.3.4', '256.1.1.1', 'x' * 64, 'a_b', 'fe80::1%eth0', '::ffff:1.2.3.4',
         '1.2.3.a', '1.2.3.4.', 'a b', '1::2::3', '[::1]']
REFERENCES = ['$debug', '${debug}', '$image_size_cap', '${image_format.disk_formats}', '$image_format.disk_formats', '$nothing', '${nothing}', '${a.b}', '$database.connection',
              '${database.connection}/x', 'x$public_endpoint-y', '${unclosed', '$1', '$default_store', '${glance_store.stores}', '$inject', '$remote_timeout',
              '${oslo_policy.policy_dirs}', '$bind', '${DEFAULT.debug}', '$image_cache_dir', '${inject_metadata_properties.inject}', '$http_retries.', '$$debug', '\\$debug']
NOISE = ['', '', '# comment', '; comment', '  indented', '\tindented ; x', 'no assignment', '= value', ': value', '[unclosed', '[]', '[ ]', '[DEFAULT]', '[default]', '[Database]',
         '[DATABASE]', 'key : value', 'a b = c', '[x] y', ' ', '\x0c', '[a]b]', 'debug = $debug', 'debug']


def registered():
    """A ConfigOpts with every option of Glance, and (group, name) of each."""
    from glance.common import config
    config.set_config_defaults()
    entry_points = {entry.name: entry for entry in importlib.metadata.entry_points(group='oslo.config.opts')}
    conf, names = cfg.ConfigOpts(), {}
    for namespace in NAMESPACES:
        for group, options in entry_points[namespace].load()():
            group = getattr(group, 'name', group) or 'DEFAULT'
            for option in options:
                if (group, option.dest) not in names:
                    option.required = False
                    conf.register_opt(option, None if group == 'DEFAULT' else group)
                    names[group, option.dest] = option
    return conf, names


class Generator:
    def __init__(self, seed, names):
        self.random = random.Random(seed)
        self.names = names

    def value(self, option):
        kind = type(option.type)
        own = {types.Boolean: SWITCHES, types.Integer: NUMBERS, types.Port: NUMBERS, types.Float: NUMBERS, types.Dict: DICTS,
               types.HostAddress: HOSTS, types.List: LISTS}.get(kind, TEXTS)
        choices = getattr(option.type, 'choices', None)
        if choices:
            own = [str(choice) for choice in choices] + [str(choice).upper() for choice in choices] + ['other']
        pick = self.random.random()
        if pick < .6:
            return self.random.choice(own)
        if pick < .75:
            return self.random.choice(TEXTS)
        if pick < .87:
            return self.random.choice(REFERENCES)
        if pick < .93:
            return self.random.choice(REFERENCES) + self.random.choice(['', ',', '/']) + self.random.choice(own)
        return self.random.choice(own) + '\n ' + self.random.choice(['', '\t']) + self.random.choice(own + TEXTS)

    def assignment(self, option):
        place = self.random.choice(['%s = %s', '%s=%s', '%s: %s', '%s :%s', '%s = %s  '])
        return place % (option[1], self.value(self.names[option[0], option[2]]))

    def file(self, options):
        """Sections with assignments to the options, by their own or an older name, and now and then a line that is odd."""
        lines = []
        for group, name in options:
            option = self.names[group, name]
            older = [(old.group or group, (old.name or name).replace('-', '_')) for old in option.deprecated_opts]
            for _ in range(self.random.choice([0, 1, 1, 1, 2])):
                spelled = self.random.choice([(group, name)] * 3 + older)
                section = spelled[0] if spelled[0] == 'DEFAULT' or self.random.random() < .9 else spelled[0].upper()
                lines += ['[%s]' % section, self.assignment((group, spelled[1], name))]
            if self.random.random() < .04:
                lines.insert(self.random.randrange(len(lines) + 1), self.random.choice(NOISE))
        return self.random.choice(['\n', '\n', '\n', '\r\n', '\r']).join(lines) + self.random.choice(['', '\n'])

    def case(self):
        options = self.random.sample(sorted(self.names), self.random.randrange(1, 9))
        files = [self.file(options) for _ in range(self.random.choice([1, 1, 2, 3]))]
        return {'files': files, 'asks': [list(option) for option in options]}


def by_oslo(conf, case, directory):
    paths = []
    for number, text in enumerate(case['files']):
        path = directory / ('file%d' % number)
        path.write_bytes(text.encode())
        paths += ['--config-file', str(path)]
    try:
        conf(paths, default_config_files=[], default_config_dirs=[])
    except Exception:
        return FAULT
    return [one_by_oslo(conf, *ask) for ask in case['asks']]


def one_by_oslo(conf, group, name):
    try:
        return plain(getattr(conf if group == 'DEFAULT' else getattr(conf, group), name))
    except Exception:
        return FAULT


def plain(value):
    """The form in which values of both sides compare. No list is an empty one to whoever reads it; the same for texts."""
    if value is None or value == [] or value == {} or value == '':
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return 'nan' if math.isnan(value) else value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return ['' if item is None else str(item) for item in value]
    return value


def by_glint(answer):
    if isinstance(answer, dict) and 'fault' in answer:
        return FAULT
    if isinstance(answer, dict):
        (kind, value), = answer.items()
        return plain({'int': int, 'float': float, 'dict': dict}[kind](value))
    return plain(answer)


def run(binary, cases):
    lines = '\n'.join(map(json.dumps, cases))
    # Lines of output may hold U+2028 and the like: split at line feeds only.
    output = subprocess.run([binary], input=lines.encode(), capture_output=True, check=True).stdout.decode()
    answers = [json.loads(line) for line in output.split('\n') if line]
    return [FAULT if isinstance(answer, dict) else [by_glint(one) for one in answer] for answer in answers]


def main():
    logging.disable(logging.CRITICAL)
    binary = sys.argv[1]
    seed, count = int(sys.argv[2]) if len(sys.argv) > 2 else 1, int(sys.argv[3]) if len(sys.argv) > 3 else 10000
    conf, names = registered()
    table = subprocess.run([binary, 'table'], capture_output=True, text=True, check=True).stdout.splitlines()
    known = {(option['group'], option['name']) for option in map(json.loads, table)}
    failed = 0
    for option in sorted(set(names) - known):
        failed += 1
        print('UNKNOWN to Glint: [%s] %s' % option)
    names = {option: kind for option, kind in names.items() if option in known and option not in OWN_DEFAULTS}
    generator = Generator(seed, names)
    defaults = {'files': [''], 'asks': [list(option) for option in sorted(names)]}
    cases = [defaults] + [generator.case() for _ in range(count)]
    asked = used = 0
    with tempfile.TemporaryDirectory(prefix='glint-compat-config-') as directory:
        for case, ours in zip(cases, run(binary, cases), strict=True):
            theirs = by_oslo(conf, case, pathlib.Path(directory))
            pairs = [(None, theirs, ours)] if FAULT in (theirs, ours) and theirs != ours else zip(case['asks'], theirs, ours)
            for ask, left, right in pairs if theirs != FAULT or ours != FAULT else ():
                asked += 1
                used += left != FAULT
                if left != right:
                    failed += 1
                    if failed <= 12:
                        print('DIFFERENT: %s: oslo.config %r, Glint %r in %r' % (ask, left, right, case['files'] if case is not defaults else 'no file'))
    print('configuration, seed %d: %d files, %d values, %d of them usable, %d failed' % (
        seed, sum(len(case['files']) for case in cases), asked, used, failed))
    sys.exit(1 if failed or not used else 0)


if __name__ == '__main__':
    main()
