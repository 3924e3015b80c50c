"""Starts the real Glance, from PyPI, on a free port of 127.0.0.1 with a state directory of its own.

Configuration as Glint's default: SQLite, one file store, no cache, no authentication (the paste file's pipeline without a
flavor). The environment (a venv with `glance` and `uwsgi`) is made by `tests/run`.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

CONF = """
[DEFAULT]
log_file = {state}/glance.log
enabled_import_methods = []
{default}
[database]
connection = sqlite:///{state}/glance.db
[glance_store]
stores = file,http
default_store = file
filesystem_store_datadir = {state}/images
[paste_deploy]
config_file = {paste}
[oslo_policy]
policy_file = {state}/etc/policy.yaml
[oslo_concurrency]
lock_path = {state}/lock
"""
# Without Keystone Glance counts everybody as admin, yet the defaults of its policies ask for roles, which nobody has then.
# Who runs it so grants them; so does this comparison.
GRANTED = ('add_image delete_image get_image get_images modify_image publicize_image communitize_image download_image upload_image '
           'delete_image_location get_image_location set_image_location deactivate reactivate '
           'get_metadef_namespace get_metadef_namespaces modify_metadef_namespace add_metadef_namespace delete_metadef_namespace '
           'get_metadef_object get_metadef_objects modify_metadef_object add_metadef_object delete_metadef_object '
           'list_metadef_resource_types get_metadef_resource_type add_metadef_resource_type_association '
           'remove_metadef_resource_type_association get_metadef_property get_metadef_properties modify_metadef_property '
           'add_metadef_property remove_metadef_property get_metadef_tag get_metadef_tags modify_metadef_tag add_metadef_tag '
           'add_metadef_tags delete_metadef_tag delete_metadef_tags').split()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Glance:
    """A running Glance; stop() ends it and removes its state."""

    def __init__(self, venv, default=''):
        self.venv = pathlib.Path(venv)
        self.state = pathlib.Path(tempfile.mkdtemp(prefix='glint-compat-glance-'))
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        (self.state / 'etc').mkdir()
        (self.state / 'images').mkdir()
        paste = self.venv / 'etc/glance/glance-api-paste.ini'
        (self.state / 'etc/glance-api.conf').write_text(CONF.format(state=self.state, paste=paste, default=default))
        (self.state / 'etc/policy.yaml').write_text(''.join('"%s": "@"\n' % rule for rule in GRANTED))
        self.process = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        manage = [self.venv / 'bin/glance-manage', '--config-file', self.state / 'etc/glance-api.conf']
        subprocess.run([*manage, 'db', 'sync'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        environment = dict(os.environ, OS_GLANCE_CONFIG_DIR=str(self.state / 'etc'))
        command = [self.venv / 'bin/uwsgi', '--http-socket', '127.0.0.1:%d' % self.port, '--http-chunked-input',
                   '--module', 'glance.wsgi.api:application', '--virtualenv', self.venv, '--master', '--die-on-term',
                   '--enable-threads', '--lazy-apps', '--processes', '1', '--threads', '4', '--buffer-size', '65535',
                   '--disable-logging', '--need-app', '--add-header', 'Connection: close', '--post-buffering', '0']
        log = open(self.state / 'uwsgi.log', 'wb')
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=environment, cwd=self.state, start_new_session=True)
        wait_for(self.url + '/healthcheck', self.process, self.state / 'uwsgi.log')

    def stop(self):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.state, ignore_errors=True)


class Glint:
    """The Glint under test; stop() ends it and removes its state."""

    def __init__(self, binary):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix='glint-compat-'))
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        log = open(self.state / 'test.log', 'wb')
        self.process = subprocess.Popen([binary, 'serve', '--bind', '127.0.0.1:%d' % self.port, '--state-dir', self.state],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self.url + '/v2/images', self.process, self.state / 'test.log')
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.state, ignore_errors=True)


def wait_for(url, process, log):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(.1)
    raise SystemExit('no answer from %s:\n%s' % (url, pathlib.Path(log).read_text(errors='replace')[-4000:]))
