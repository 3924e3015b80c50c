//! What single rules mean. `tests/compat/policy.py` compares many generated ones with oslo.policy
//! itself.

use crate::{Attributes, Compiled, Finding, RuleDefault, RuleText, Settings, Value, parse_file};
use std::collections::BTreeMap;

struct Map<'a>(&'a [(&'a str, Value<'a>)]);

impl Attributes for Map<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| *value)
    }
}

fn compile(text: &str) -> (Compiled, Vec<Finding>) {
    let file = parse_file(text).expect("a policy file");
    Compiled::new(&[], &[file], &Settings::default())
}

/// Asks one rule with a fixed target and fixed credentials.
fn check(rule: &str, expected: bool) {
    let file = BTreeMap::from([("ask".to_owned(), RuleText::Text(rule.to_owned()))]);
    let (policy, _) = Compiled::new(&[], &[file], &Settings::default());
    let tags = ["a".to_owned(), "it's".to_owned()];
    let target = Map(&[
        ("project_id", Value::Text("p1")),
        ("visibility", Value::Text("public")),
        ("owner", Value::None),
        ("tags", Value::Texts(&tags)),
        ("size", Value::Int(5)),
        ("protected", Value::Bool(true)),
    ]);
    let roles = ["Member".to_owned(), "reader".to_owned()];
    let token = Map(&[("project", Value::Text("p1"))]);
    let credentials = Map(&[
        ("project_id", Value::Text("p1")),
        ("user_id", Value::None),
        ("roles", Value::Texts(&roles)),
        ("token", Value::Map(&token)),
    ]);
    assert_eq!(policy.accepts("ask", &target, &credentials), expected, "{rule}");
}

#[test]
fn single_checks() {
    check("", true);
    check("@", true);
    check("!", false);
    check("role:member", true);
    check("role:MEMBER", true);
    check("role:admin", false);
    check("project_id:%(project_id)s", true);
    check("project_id:p1", true);
    check("project_id:%(missing)s", false);
    check("user_id:%(owner)s", true);
    check("missing:%(owner)s", false);
    check("token.project:%(project_id)s", true);
    check("token.missing:%(project_id)s", false);
    check("roles:reader", true);
    check("'public':%(visibility)s", true);
    check("\"private\":%(visibility)s", false);
    check("True:%(protected)s", true);
    check("5:%(size)s", true);
    check("None:%(owner)s", true);
    check("'x-public':x-%(visibility)s", true);
    check("rule:missing", false);
}

#[test]
fn connectives_bind_as_in_the_original() {
    check("! or @ and !", false);
    check("@ or @ and !", true);
    check("(@ or @) and !", false);
    check("not ! and @", true);
    check("not (@ and !)", true);
    check("NOT not @", true);
    check("@ AND @ Or !", true);
}

#[test]
fn what_cannot_be_understood_refuses() {
    for rule in ["garbage", "@ @", "@ and", "(@", "@)", "()", "'quoted'", "and", "@ or 'quoted'"] {
        check(rule, false);
    }
    // Where the original raises, nothing around it can turn the refusal into consent.
    for rule in ["not http://host/", "not role:%(project_id)", "not role:%s", "not 'a:%(owner)s"] {
        check(rule, false);
    }
    check("@ or http://host/", true);
    check(&format!("{}@{}", "(".repeat(100_000), ")".repeat(100_000)), false);
    check(&format!("{}@", "not ".repeat(100_000)), false);
}

#[test]
fn files_are_yaml_or_json_and_lists_are_the_old_form() {
    let (policy, findings) = compile(
        "# comment\n\"a\": \"role:x or @\"\nb: [[\"@\", \"!\"], \"@\"]\nc: [[\"@\", \"!\"]]\nd:\n",
    );
    let nobody = Map(&[]);
    let answers = ["a", "b", "c", "d"].map(|rule| policy.accepts(rule, &nobody, &nobody));
    assert_eq!((answers, findings), ([true, true, false, true], vec![]));
    assert!(compile("{\"a\": \"@\"}").0.accepts("a", &nobody, &nobody));
    assert!(parse_file("").expect("empty").is_empty());
    assert!(parse_file("- a\n- b\n").is_err());
    assert!(parse_file("a: {b: c}\n").is_err());
    assert!(parse_file("a: [unclosed\n").is_err());
}

#[test]
fn an_operator_learns_of_rules_that_will_not_do() {
    let (policy, findings) = compile(
        "a: 'rule:b'\nb: 'not rule:a'\nc: 'rule:nothing'\nd: 'http://h/'\ne: 'garbage'\nf: '!'\n",
    );
    let nobody = Map(&[]);
    assert!(!policy.accepts("a", &nobody, &nobody), "a cycle refuses, also through not");
    assert!(!policy.accepts("b", &nobody, &nobody));
    for finding in [
        Finding::Cyclic("a".to_owned()),
        Finding::Cyclic("b".to_owned()),
        Finding::Undefined { rule: "c".to_owned(), reference: "nothing".to_owned() },
        Finding::Remote("d".to_owned()),
        Finding::NotUnderstood("e".to_owned()),
    ] {
        assert!(findings.contains(&finding), "{finding:?} in {findings:?}");
    }
    assert_eq!(findings.len(), 5);
}

#[test]
fn defaults_files_and_old_names() {
    let defaults = [
        RuleDefault { name: "default", rule: "", deprecated: None },
        RuleDefault { name: "get", rule: "role:reader", deprecated: Some(("get", "rule:default")) },
        RuleDefault { name: "new", rule: "role:x", deprecated: Some(("old", "role:y")) },
    ];
    let ask = |file: &str, settings: &Settings, rule: &str, role: &str| {
        let file = parse_file(file).expect("a policy file");
        let (policy, _) = Compiled::new(&defaults, &[file], settings);
        let roles = [role.to_owned()];
        policy.accepts(rule, &Map(&[]), &Map(&[("roles", Value::Texts(&roles))]))
    };
    let strict = Settings::default();
    let lenient = Settings { enforce_new_defaults: false, ..Settings::default() };
    assert!(ask("", &strict, "get", "reader") && !ask("", &strict, "get", "x"));
    assert!(ask("", &lenient, "get", "x"), "the old default is accepted beside the new one");
    assert!(!ask("get: '!'", &lenient, "get", "reader"), "a file's rule stands alone");
    assert!(ask("old: 'role:z'", &strict, "new", "z"), "an override under the old name counts");
    assert!(!ask("old: 'role:z'", &strict, "new", "x"));
    assert!(ask("old: 'rule:new'", &strict, "new", "x"), "unless it only points to the new name");
    assert!(ask("", &strict, "unknown", "x"), "the default rule stands in");
    assert!(!ask("default: '!'", &strict, "unknown", "x"));
}

#[test]
fn an_extract_answers_as_the_whole() {
    let defaults = [
        RuleDefault { name: "default", rule: "role:any", deprecated: None },
        RuleDefault { name: "admin", rule: "role:admin", deprecated: None },
        RuleDefault {
            name: "get",
            rule: "rule:admin or project_id:%(owner)s",
            deprecated: Some(("get", "rule:missing")),
        },
        RuleDefault { name: "other", rule: "'x':%(color)s", deprecated: None },
    ];
    let check = |file: &str, lenient: bool, rules: &[&str], attributes: &[&str]| {
        let settings = Settings { enforce_new_defaults: !lenient, ..Settings::default() };
        let file = parse_file(file).expect("a policy file");
        let (whole, _) = Compiled::new(&defaults, &[file], &settings);
        let extract = whole.extract(&["get"]);
        assert_eq!(extract.rules.keys().collect::<Vec<_>>(), rules);
        assert_eq!(extract.attributes.iter().collect::<Vec<_>>(), attributes);
        let (part, _) = Compiled::new(&[], &[extract.rules], &settings);
        for role in ["admin", "any", "x", "y z"] {
            for owner in ["me", "you"] {
                let roles = [role.to_owned()];
                let roles = [("roles", Value::Texts(&roles)), ("project_id", Value::Text("me"))];
                let target = Map(&[("owner", Value::Text(owner)), ("color", Value::Text("red"))]);
                let ask = |policy: &Compiled| policy.accepts("get", &target, &Map(&roles));
                assert_eq!(ask(&part), ask(&whole), "{role} {owner}");
            }
        }
    };
    check("", false, &["admin", "default", "get"], &["owner"]);
    check("", true, &["admin", "default", "get"], &["owner"]);
    check("get: ''", true, &["default", "get"], &[]);
    check(
        "get: 'not (rule:b)'\nb: [['role:y z'], ['x:%(color)s']]",
        false,
        &["b", "default", "get"],
        &["color"],
    );
    check("default: '!'\nget: 'rule:gone'", false, &["default", "get"], &[]);
}
