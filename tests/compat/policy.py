"""Asks generated policies of Glint's policy engine and of oslo.policy itself, and compares the answers.

usage: policy.py ANSWER [SEED [CASES]]       with a Python that has oslo.policy; ANSWER is the example `answer` of shared/policy
Each case is a set of rules and 40 questions; every rule form, target and credential form that policies have, well-formed or not.
Where oslo.policy raises, the service would answer 500: Glint refuses there. Before that the table of Glance's policies is compared
with the one this Glance registers: names, defaults, older defaults, scope, and their order.
"""
import json
import logging
import random
import subprocess
import sys

from oslo_config import cfg
from oslo_policy import policy

NAMES = ['default', 'admin', 'owner', 'a', 'b', 'c', 'x:y']
KEYS = ['project_id', 'user_id', 'owner', 'visibility', 'member_id', 'tags', 'count', 'flag', 'nothing', 'a.b', 'missing', 'ünï']
TEXTS = ['p1', 'p2', 'P1', 'public', 'shared', 'admin', 'Admin', 'member', 'None', 'True', 'False', '5', '', "it's", 'a"b', 'a b',
         "b'\"c", 'ä', 'back\\slash', '%', '\t']
LEFT = ["'public'", '"public"', "'p1'", 'True', 'False', 'None', '5', '0', 'project_id', 'user_id', 'tags', 'flag', 'count', 'nothing',
        'user.project_id', 'a.b', 'nested.owner', 'nested.tags', 'tenant', 'is_admin', 'roles']
ROLES = ['admin', 'Member', 'READER', '%(visibility)s', 'x%(visibility)s', 'project:admin', '']
HELD = ['admin', 'member', 'reader', 'Public', 'xpublic', 'project:admin', '']
ODD = ['garbage', "'quoted'", '"x"', '()', 'and', 'AND', 'Not', 'or', '(', ')', 'a b', "('a')", '\x1c', '\u00a0', '((', "'a':'b'"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, depth=0):
        pick = self.random.randrange(8 if depth < 2 else 7)
        if pick < 3:
            return self.random.choice(TEXTS)
        if pick == 3:
            return None
        if pick == 4:
            return self.random.random() < .5
        if pick == 5:
            return self.random.randrange(-2, 7)
        if pick == 6:
            return [self.random.choice(TEXTS) for _ in range(self.random.randrange(3))]
        return {self.random.choice(KEYS): self.value(depth + 1) for _ in range(2)}

    def mapping(self):
        return {key: self.value() for key in self.random.sample(KEYS, self.random.randrange(len(KEYS)))}

    def key(self):
        return '%%(%s)s' % self.random.choice(KEYS)

    def check(self):
        pick = self.random.randrange(14)
        if pick == 0:
            return self.random.choice(['@', '!'])
        if pick < 3:
            return 'rule:' + self.random.choice(NAMES + ['undefined'])
        if pick < 5:
            return 'role:' + self.random.choice(ROLES)
        literal = self.random.choice(TEXTS).replace(' ', '').replace('%', '').replace('\t', '') or 'p1'
        right = self.random.choice([self.key(), self.key(), literal, 'x' + self.key(), self.key() + self.key(), '100%%'])
        return self.random.choice(LEFT) + ':' + right

    def expression(self, depth=0):
        pick = self.random.random()
        if depth > 3 or pick < .35:
            return self.check()
        if pick < .55:
            return self.expression(depth + 1) + self.random.choice([' and ', ' AND ', '  and\n']) + self.expression(depth + 1)
        if pick < .75:
            return self.expression(depth + 1) + self.random.choice([' or ', ' Or ']) + self.expression(depth + 1)
        if pick < .85:
            return 'not ' + self.expression(depth + 1)
        if pick < .97:
            return '(' + self.random.choice(['', ' ']) + self.expression(depth + 1) + self.random.choice(['', ' ']) + ')'
        return self.random.choice(ODD) + self.random.choice([' ', ' and ']) + self.expression(depth + 1)

    def rule(self):
        pick = self.random.random()
        if pick < .03:
            return ''
        if pick < .12:
            inner = lambda: [self.check() for _ in range(self.random.randrange(3))]
            return [self.random.choice([inner(), self.check()]) for _ in range(self.random.randrange(3))]
        return self.expression()

    def ask(self):
        credentials = {**self.mapping(), 'roles': self.random.sample(HELD, self.random.randrange(4))}
        if self.random.random() < .1:
            del credentials['roles']
        if self.random.random() < .5:
            credentials.update(nested=self.mapping(), user=self.mapping())
        target = {key: value for key, value in self.mapping().items() if not isinstance(value, dict)}
        return [self.random.choice(NAMES + ['undefined']), target, credentials]

    def case(self):
        names = self.random.sample(NAMES, self.random.randrange(1, len(NAMES)))
        return {'rules': {name: self.rule() for name in names}, 'asks': [self.ask() for _ in range(40)]}


def by_oslo(conf, case):
    enforcer = policy.Enforcer(conf, use_conf=False, default_rule='default')
    enforcer.set_rules(policy.Rules.from_dict(case['rules'], 'default'))
    answers = ''
    for rule, target, credentials in case['asks']:
        try:
            answers += '1' if enforcer.enforce(rule, target, dict(credentials)) else '0'
        except Exception:
            answers += '0'
    return answers


# Asked of a Python of its own: beside this script lies a module that is called glance too.
BY_GLANCE = '''
import json
from glance import policies
def older(rule):
    return rule.deprecated_rule and [rule.deprecated_rule.name, rule.deprecated_rule.check_str]
print(json.dumps([[rule.name, rule.check_str, older(rule), rule.scope_types == ['project']] for rule in policies.list_rules()]))
'''


def printed(*command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compare_defaults(answer):
    ours, theirs = printed(answer, 'defaults'), printed(sys.executable, '-c', BY_GLANCE)
    for left, right in zip(theirs, ours):
        if left != right:
            print('DIFFERENT: Glance %r, Glint %r' % (left, right))
    print('policies, defaults: %d of Glance, %d of Glint' % (len(theirs), len(ours)))
    return theirs == ours


def main():
    logging.disable(logging.CRITICAL)
    same = compare_defaults(sys.argv[1])
    sys.setrecursionlimit(300)
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    generator = Generator(seed)
    cases = [generator.case() for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2600)]
    lines = '\n'.join(map(json.dumps, cases))
    glint = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.split('\n')
    conf = cfg.ConfigOpts()
    conf([])
    asked = accepted = different = 0
    for case, ours in zip(cases, glint):
        theirs = by_oslo(conf, case)
        for ask, left, right in zip(case['asks'], theirs, ours, strict=True):
            asked += 1
            accepted += left == '1'
            if left != right:
                different += 1
                if different <= 5:
                    print('DIFFERENT: oslo.policy %s, Glint %s: %r of %r' % (left, right, ask, case['rules']))
    print('policies, seed %d: %d asked, %d accepted, %d different' % (seed, asked, accepted, different))
    sys.exit(1 if different or not accepted or not same else 0)


if __name__ == '__main__':
    main()
