//! Paste files as PasteDeploy reads them, and faulty ones.

use super::shipped::SHIPPED;
use super::*;

fn load(text: &str, flavor: Option<&str>) -> Result<Pipeline, String> {
    let file = PasteFile::parse("/etc/glance/paste.ini", text.as_bytes());
    let loaded = file.and_then(|file| file.pipeline(flavor));
    loaded.map_err(|error| error.to_string())
}

fn check(text: &str, flavor: Option<&str>, expected: Result<&[FilterKind], &str>) {
    let found = load(text, flavor);
    let kinds =
        found.map(|pipeline| pipeline.filters.iter().map(|filter| filter.kind).collect::<Vec<_>>());
    let expected = expected.map(<[_]>::to_vec).map_err(str::to_owned);
    assert_eq!(kinds, expected, "{flavor:?}");
}

/// A file with one pipeline, and what is added to it.
fn check_after(added: &str, expected: Result<&[FilterKind], &str>) {
    let base = "[pipeline:glance-api]\npipeline = context rootapp\n\
        [app:rootapp]\npaste.app_factory = glance.api.v2.router:API.factory\n";
    check(&format!("{base}{added}"), None, expected);
}

const CONTEXT: &str = "[filter:context]\npaste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n";

#[test]
fn flavors_of_the_shipped_file() {
    use FilterKind::{
        AuthToken, Cache, Context, Cors, HttpProxyToWsgi, Osprofiler, UnauthenticatedContext,
        VersionNegotiation,
    };
    let open = [Cors, HttpProxyToWsgi, VersionNegotiation, Osprofiler, UnauthenticatedContext];
    check(SHIPPED, None, Ok(&open));
    check(SHIPPED, Some(""), Ok(&open));
    let keystone =
        [Cors, HttpProxyToWsgi, VersionNegotiation, Osprofiler, AuthToken, Context, Cache];
    check(SHIPPED, Some("keystone+caching"), Ok(&keystone));
    assert_eq!(PasteFile::shipped().pipeline(None).map(|found| found.filters.len()), Ok(5));
    let error = "/etc/glance/paste.ini: [glance-api-other]: there is no such section";
    check(SHIPPED, Some("other"), Err(error));
}

#[test]
fn options_come_with_filters_and_what_stands_beside() {
    let pipeline = load(SHIPPED, Some("keystone")).expect("a pipeline");
    let option = |options: &BTreeMap<String, String>, name: &str| options.get(name).cloned();
    let filter = |name: &str| {
        pipeline.filters.iter().find(|filter| filter.name == name).expect("the filter").clone()
    };
    let delay = option(&filter("authtoken").options, "delay_auth_decision");
    assert_eq!(delay.as_deref(), Some("true"));
    let paths: Vec<_> = pipeline.beside.iter().map(|one| (one.path.as_str(), one.app)).collect();
    assert_eq!(paths, [("/healthcheck", AppKind::Healthcheck), ("", AppKind::Versions)]);
    let disabled = option(&pipeline.beside[0].options, "disable_by_file_path");
    assert_eq!(disabled.as_deref(), Some("/etc/glance/healthcheck_disable"));
}

#[test]
fn defaults_and_set_reach_every_section_below() {
    let text = "[DEFAULT]\nlevel = one\nname = %(level)s-x\n[pipeline:glance-api]\n\
        pipeline = context mine\n[app:mine]\nuse = base\nset level = two\nlocal = 1\n\
        [app:base]\npaste.app_factory = glance.api.v2.router:API.factory\nlocal = 0\n\
        [filter:context]\npaste.filter_factory = oracle_auth:filter_factory\nlevel = three\n\
        get also = level\n";
    let pipeline = load(text, None).expect("a pipeline");
    let options = &pipeline.filters[0].options;
    let check = |name: &str, expected: &str| {
        assert_eq!(options.get(name).map(String::as_str), Some(expected), "{name}");
    };
    check("level", "one");
    check("name", "one-x");
    check("also", "one");
}

#[test]
fn filters_around_and_in_front_of_applications() {
    use FilterKind::{Context, Gzip};
    let gzip = "[filter:gzip]\npaste.filter_factory = \
        glance.api.middleware.gzip:GzipMiddleware.factory\n";
    let app = "[app:rootapp]\npaste.app_factory = glance.api.v2.router:API.factory\n";
    let around =
        "[pipeline:glance-api]\npipeline = context rootapp\nfilter-with = gzip\n".to_owned();
    check(&format!("{around}{gzip}{CONTEXT}{app}"), None, Ok(&[Gzip, Context]));
    let front = "[filter-app:glance-api]\nuse = context\nnext = rootapp\n";
    check(&format!("{front}{gzip}{CONTEXT}{app}"), None, Ok(&[Context]));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let place = "/etc/glance/paste.ini: [filter:context]: ";
    let check = |added: &str, fault: &str| {
        check_after(&format!("[filter:context]\n{added}\n"), Err(&format!("{place}{fault}")));
    };
    let unknown = |name: &str| format!("`{name}` is not known here and cannot be left out");
    check("paste.filter_factory = my:filter", &unknown("my:filter"));
    check("use = egg:mine#filter", &unknown("egg:mine#filter"));
    check("use = call:my:filter", &unknown("my:filter"));
    check("x = 1", "neither `use` nor a paste factory");
    check("x = %(y)s", "`%(y)s` cannot be filled in");
    check("x = %(x)s", "`%(x)s` cannot be filled in");
    check("get x = y", "there is no `y`");
}

#[test]
fn sections_that_lead_nowhere_or_round_in_a_circle() {
    check_after(CONTEXT, Ok(&[FilterKind::Context]));
    check_after("", Err("/etc/glance/paste.ini: [context]: there is no such section"));
    let circle = "[filter:context]\nuse = other\n[filter:other]\nuse = context\n";
    let error = load(&format!("[pipeline:glance-api]\npipeline = context x\n{circle}"), None);
    assert!(error.expect_err("a circle").ends_with("references go round in a circle"));
    let round = "[pipeline:glance-api]\npipeline = glance-api\n";
    assert!(load(round, None).expect_err("a circle").ends_with("round in a circle"));
    let error = "/etc/glance/paste.ini: [glance-api]: nothing here leads to the image API";
    let versions = "[app:glance-api]\npaste.app_factory = glance.api.versions:create_resource\n";
    check(versions, None, Err(error));
    let twice = "[pipeline:glance-api]\npipeline = x\n[app:glance-api]\nuse = x\n";
    let error = "/etc/glance/paste.ini: [glance-api]: there are several sections of this name";
    check(twice, None, Err(error));
}

#[test]
fn faulty_lines_are_named() {
    let check = |text: &str, line: usize, fault: &str| {
        let found = load(text, None).expect_err("a fault");
        assert_eq!(found, format!("/etc/glance/paste.ini:{line}: {fault}"));
    };
    check("a = 1\n", 1, "there is no section before this line");
    check("[a]\nnonsense\n", 2, "neither a section nor an assignment");
    check("[a]\nx = 1\nx = 2\n", 3, "the name stands twice in its section");
    check("[a]\n[a]\n", 2, "the section stands twice in the file");
    let found = PasteFile::parse("p", b"[a]\nx = \xff\n").expect_err("no text");
    assert_eq!(found.to_string(), "p:2: not UTF-8 text");
}
