"""Runs glance-manage many times without starting Python as often: the modules are loaded once, each command runs in a fork.

Run by the Python of the environment that has Glance, isolated: a file beside this one is called glance.py too. Reads a line of JSON for each command (arguments, directory, environment, files for
standard output and error) and answers with a line that holds its code.
"""
import json
import os
import sys
import traceback


def play(order):
    """In the child: the command, ended as the interpreter would end it."""
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.chdir(order['directory'])
    os.environ.clear()
    os.environ.update(order['environment'])
    sys.argv = ['glance-manage', *order['arguments']]
    code = 0
    try:
        manage.main()
    except SystemExit as end:
        code = end.code
        if code is None:
            code = 0
        elif not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


from glance.cmd import manage  # noqa: E402  What takes its time.

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        play(json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
