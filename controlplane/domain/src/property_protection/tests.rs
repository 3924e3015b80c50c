//! Files as Glance reads them, and who may do what by them.

use super::*;

const FILE: &str = "\
# a comment
[DEFAULT]
delete = admin

[^x_owner_.*]
create = admin, Member
read: admin,member
update = admin
; another

[^x_all$]
CREATE = @
read = @
update = @
delete = @

[^x_none$]
create = !
read =
update = !
delete = !

[os_glance.*]
create = !
read = !
update = !
delete = !

[spl_(?!secret)]
create = spl_role,
         other
read = reader
update = spl_role
";

fn who(roles: &[&str], service: &[&str]) -> Context {
    let texts = |roles: &[&str]| roles.iter().map(|&role| role.to_owned()).collect();
    let mut context = Context { roles: texts(roles), ..Context::default() };
    context.service.roles = texts(service);
    context
}

fn check(caller: &Context, name: &str, expected: [bool; 4]) {
    let rules = PropertyRules::parse(FILE, RuleFormat::Roles).expect("a good file");
    let policy = Policy::defaults();
    let guard = Guard::new(Some(&rules), caller, &policy);
    let found = ACTIONS.map(|(action, _)| guard.allows(name, action));
    assert_eq!(found, expected, "{name} by {caller:?}");
}

#[test]
fn the_first_section_that_matches_decides() {
    let (admin, member) = (who(&["admin"], &[]), who(&["member", "reader"], &[]));
    check(&admin, "x_owner_a", [true; 4]);
    check(&member, "x_owner_a", [true, true, false, false]);
    check(&who(&[], &["member"]), "x_owner_a", [true, true, false, false]);
    check(&who(&[], &[]), "x_all", [true; 4]);
    check(&admin, "x_none", [false; 4]);
    check(&admin, "nothing matches", [false; 4]);
    check(&who(&[], &[]), "os_glance_x", [true; 4]);
    // A match may begin anywhere.
    check(&member, "a spl_x", [false, true, false, false]);
    check(&who(&["other"], &[]), "spl_x", [true, false, false, false]);
    check(&member, "spl_secret", [false; 4]);
}

#[test]
fn without_a_file_everything_is_allowed() {
    let (caller, policy) = (who(&[], &[]), Policy::defaults());
    let guard = Guard::new(None, &caller, &policy);
    assert!(ACTIONS.iter().all(|(action, _)| guard.allows("x", *action)));
}

#[test]
fn policies_are_asked_by_their_name() {
    let file = "[x]\ncreate = context_is_admin\nread = @\nupdate = !\ndelete = absent\n";
    let rules = PropertyRules::parse(file, RuleFormat::Policies).expect("a good file");
    let policy = Policy::defaults();
    let check = |roles: &[&str], expected: [bool; 4]| {
        let caller = who(roles, &[]);
        let guard = Guard::new(Some(&rules), &caller, &policy);
        assert_eq!(ACTIONS.map(|(action, _)| guard.allows("x", action)), expected);
    };
    // One that is not there is the default rule's matter, and that is everybody's.
    check(&["admin"], [true, true, false, true]);
    check(&["member"], [false, true, false, true]);
}

#[test]
fn what_cannot_be_understood_is_refused_by_name() {
    let check = |text: &str, format: RuleFormat, expected: &str| {
        let refused = PropertyRules::parse(text, format).expect_err(text);
        assert_eq!(refused.to_string(), expected, "{text}");
    };
    let all = |line: &str| format!("[x]\n{line}\nread = @\nupdate = @\ndelete = @\n");
    let roles = RuleFormat::Roles;
    check("create = @\n", roles, "line 1: a section is missing before it");
    check("[x]\nnonsense\n", roles, "line 2: it is no section, option or comment");
    check("[x]\na = 1\nA = 2\n", roles, "line 3: a stands twice in its section");
    check("[x]\n[x]\n", roles, "line 2: [x] stands twice");
    check("[x]\nread = @\n", roles, "[x]: create is missing");
    check(&all("create = a%b"), roles, "line 1: in [x]: '%' must be written '%%': \"a%b\"");
    check(&all("create = @,!"), roles, "[x] create: '@' and '!' are mutually exclusive");
    check(
        &all("create = a,b"),
        RuleFormat::Policies,
        "[x] create: multiple policies are not allowed; they can be combined in the policy file",
    );
    let section = |name: &str| all("create = @").replace("[x]", &format!("[{name}]"));
    check(&section("\\N{DASH}"), roles, "[\\N{DASH}]: characters by name (\\N) cannot be had");
    check(&section("(?a)x"), roles, "[(?a)x]: the flag a cannot be had");
    check(&section("\\p{Lu}"), roles, "[\\p{Lu}]: bad escape \\p");
    check(&section("x\\"), roles, "[x\\]: it ends with a backslash");
    let refused = PropertyRules::parse(&section("(x"), roles).expect_err("no expression");
    assert!(refused.to_string().starts_with("[(x]: not a regular expression: "), "{refused}");
}

#[test]
fn expressions_mean_what_they_mean_to_python() {
    let check = |pattern: &str, name: &str, expected: bool| {
        let regex = pattern::compile(pattern).expect(pattern);
        assert_eq!(regex.is_match(name).expect("few steps"), expected, "{pattern} in {name}");
    };
    check("a", "bab", true);
    check("^a\\Z", "a", true);
    check("^[]a]$", "]", true);
    check("^[^]a]$", "]", false);
    check("^[[a]$", "[", true);
    check("^[a&&b]+$", "&", true);
    check("^[a~~b]+$", "~", true);
    check("^[\\]x]$", "]", true);
    check("(?i)^Ab$", "aB", true);
    check("^(?P<n>a)(?P=n)$", "aa", true);
    check("^(?:a)(?=b)b$", "ab", true);
    check("(?<!x)y", "xy", false);
    check("\\d", "٣", true);
}

#[test]
fn a_match_that_would_take_for_ever_is_nobodys() {
    let file = "[^(a|a)*(?!x)b$]\ncreate = @\nread = @\nupdate = @\ndelete = @\n\
                [.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n";
    let rules = PropertyRules::parse(file, RuleFormat::Roles).expect("a good file");
    let (caller, policy) = (who(&[], &[]), Policy::defaults());
    let guard = Guard::new(Some(&rules), &caller, &policy);
    assert!(guard.allows("aab", Action::Read));
    assert!(!guard.allows(&"a".repeat(200), Action::Read));
}

#[test]
fn no_text_makes_it_panic() {
    for text in ["[", "[]", "]", "=", "[x", "[x]\n =", "[x]\n\ta", "[[x]]\n", "\u{feff}[x]", ":"] {
        let _ = PropertyRules::parse(text, RuleFormat::Roles);
        let _ = pattern::compile(text);
    }
}
