"""Starts the real Glance, from PyPI, and Glint beside it: each on a free port of 127.0.0.1 with a state directory of its own.

Configuration as Glint's default: SQLite, one file store, no cache. Without a flavor nobody authenticates (the paste file's first
pipeline); with one, the paste file is Glance's own with the token filter of oracle_auth.py, and both servers read it. The
environment (a venv with `glance` and `uwsgi`) is made by `tests/compat/run`.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# What the real one needs to be like Glint without a configuration.
GLANCE_OPTIONS = {
    'DEFAULT.log_file': '{state}/glance.log', 'DEFAULT.enabled_import_methods': '[]', 'DEFAULT.node_staging_uri': 'file://{state}/staging',
    'glance_store.stores': 'file,http', 'glance_store.default_store': 'file', 'glance_store.filesystem_store_datadir': '{state}/images',
    'task.work_dir': '{state}/work', 'oslo_concurrency.lock_path': '{state}/lock', 'oslo_policy.policy_file': '{state}/etc/policy.yaml'}
# Without Keystone Glance counts everybody as admin, yet the defaults of its policies ask for roles, which nobody has then.
# Who runs it so grants them; so does this comparison.
GRANTED = ('add_image delete_image get_image get_images modify_image publicize_image communitize_image download_image upload_image '
           'delete_image_location get_image_location set_image_location deactivate reactivate '
           'get_metadef_namespace get_metadef_namespaces modify_metadef_namespace add_metadef_namespace delete_metadef_namespace '
           'get_metadef_object get_metadef_objects modify_metadef_object add_metadef_object delete_metadef_object '
           'list_metadef_resource_types get_metadef_resource_type add_metadef_resource_type_association '
           'remove_metadef_resource_type_association get_metadef_property get_metadef_properties modify_metadef_property '
           'add_metadef_property remove_metadef_property get_metadef_tag get_metadef_tags modify_metadef_tag add_metadef_tag '
           'add_metadef_tags delete_metadef_tag delete_metadef_tags add_member delete_member get_member get_members modify_member '
           'tasks_api_access stores_info_detail cache_image cache_list cache_delete cache_clean cache_prune list_cached_nodes').split()
HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def ini(options, state):
    """Text of a configuration file with `options`, which maps SECTION.NAME to a value; {state} in it is the state directory."""
    sections = {}
    for place, value in options.items():
        section, _, name = place.partition('.')
        sections.setdefault(section, []).append('%s = %s\n' % (name, str(value).replace('{state}', str(state))))
    return ''.join('[%s]\n%s' % (section, ''.join(lines)) for section, lines in sections.items())


class Server:
    """What both have in common: a state directory, a port, a process, an end."""

    def __init__(self, prefix):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.process = None
        (self.state / 'etc').mkdir()
        (self.state / 'images').mkdir()

    def run(self, command, log, **more):
        """Starts the process and waits until it answers; on any failure nothing of it is left."""
        try:
            with open(self.state / log, 'wb') as output:
                self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **more)
            wait_for(self.url + '/healthcheck', self.process, self.state / log)
            wait_for(self.url + '/v2/images', self.process, self.state / log)
        except BaseException:
            self.stop()
            raise

    def processes(self):
        """Its own processes: the first and those it started."""
        children = pathlib.Path('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)).read_text().split()
        return [self.process.pid, *map(int, children)]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.state, ignore_errors=True)


class Glance(Server):
    """A running Glance; stop() ends it and removes its state."""

    def __init__(self, venv, options=(), flavor='', granted=GRANTED, database=None):
        super().__init__('glint-compat-glance-')
        self.venv = pathlib.Path(venv)
        settings = {**GLANCE_OPTIONS, 'database.connection': database or 'sqlite:///{state}/glance.db', 'paste_deploy.flavor': flavor,
                    'paste_deploy.config_file': paste_file(self.venv, self.state), **dict(options)}
        (self.state / 'etc/glance-api.conf').write_text(ini(settings, self.state))
        (self.state / 'etc/policy.yaml').write_text(''.join('"%s": "@"\n' % rule for rule in granted))
        shutil.copy(HERE / 'oracle_auth.py', self.state / 'etc')
        manage = [self.venv / 'bin/glance-manage', '--config-file', self.state / 'etc/glance-api.conf']
        try:
            subprocess.run([*manage, 'db', 'sync'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except BaseException:
            self.stop()
            raise
        self.start()

    def start(self):
        environment = dict(os.environ, OS_GLANCE_CONFIG_DIR=str(self.state / 'etc'), PYTHONPATH=str(self.state / 'etc'))
        command = [self.venv / 'bin/uwsgi', '--http-socket', '127.0.0.1:%d' % self.port, '--http-chunked-input',
                   '--module', 'glance.wsgi.api:application', '--virtualenv', self.venv, '--master', '--die-on-term',
                   '--enable-threads', '--lazy-apps', '--processes', '1', '--threads', '4', '--buffer-size', '65535',
                   '--disable-logging', '--need-app', '--add-header', 'Connection: close', '--post-buffering', '0']
        self.run(command, 'uwsgi.log', env=environment, cwd=self.state, start_new_session=True)


class Glint(Server):
    """The Glint under test; stop() ends it and removes its state. Without options and flavor it runs without a configuration file."""

    def __init__(self, binary, options=(), flavor='', venv=None, database=None):
        super().__init__('glint-compat-')
        settings = dict(options)
        if flavor:
            settings.update({'paste_deploy.flavor': flavor, 'paste_deploy.config_file': paste_file(pathlib.Path(venv), self.state)})
        if database:
            settings['database.connection'] = database
        files = []
        if settings:
            (self.state / 'etc/glance-api.conf').write_text(ini(settings, self.state))
            files = ['--config-file', self.state / 'etc/glance-api.conf']
        self.run([binary, 'serve', '--bind', '127.0.0.1:%d' % self.port, '--state-dir', self.state, *files], 'test.log')


def paste_file(venv, state):
    """Glance's own paste file with oracle_auth.py in the place of keystonemiddleware, and [cors] read from the service's file."""
    text = (venv / 'etc/glance/glance-api-paste.ini').read_text()
    keystone = 'paste.filter_factory = keystonemiddleware.auth_token:filter_factory'
    assert keystone in text, 'the paste file of this Glance names no token filter'
    path = state / 'etc/glance-api-paste.ini'
    text = text.replace(keystone, 'paste.filter_factory = oracle_auth:filter_factory')
    program = 'oslo_config_program = glance-api\n'
    assert program in text, 'the paste file of this Glance reads [cors] from elsewhere'
    path.write_text(text.replace(program, program + 'oslo_config_file = %s/etc/glance-api.conf\n' % state))
    return path


def wait_for(url, process, log):
    """Waits for an answer, whatever it says, but for a 503: that comes from a server that has not yet begun."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as answer:
            if answer.code != 503:
                return
        except OSError:
            pass
        time.sleep(.1)
    raise SystemExit('no answer from %s:\n%s' % (url, pathlib.Path(log).read_text(errors='replace')[-4000:]))
