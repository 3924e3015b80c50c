//! Headers and tokens of every kind, by the pipeline that reads them.

use super::*;
use glint_config::paste::PasteFile;

/// A pipeline of these filters.
fn pipeline(names: &str) -> Pipeline {
    let text = format!(
        "[pipeline:glance-api]\npipeline = {names} rootapp\n\
         [app:rootapp]\npaste.app_factory = glance.api.v2.router:API.factory\n\
         [filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n\
         [filter:context]\n\
         paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n\
         [filter:open]\npaste.filter_factory = \
         glance.api.middleware.context:UnauthenticatedContextMiddleware.factory\n\
         [filter:oracle]\npaste.filter_factory = oracle_auth:filter_factory\n\
         [filter:fake]\npaste.filter_factory = glance.tests.utils:FakeAuthMiddleware.factory\n"
    );
    let file = PasteFile::parse("/p", text.as_bytes()).expect("a paste file");
    file.pipeline(None).expect("a pipeline")
}

fn identity(names: &str) -> Identity {
    Identity::of(&pipeline(names), Options::default()).expect("an identity")
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        (http::HeaderName::from_static(name), value)
    };
    pairs.iter().map(pair).collect()
}

/// User, project, roles and service roles, joined.
fn check(
    identity: &Identity,
    pairs: &[(&'static str, &str)],
    expected: Result<&str, Unidentified>,
) {
    let found = identity.identify(&headers(pairs)).map(|caller| {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let (roles, service) = (caller.roles.join(","), caller.service.roles.join(","));
        format!("{}|{}|{roles}|{service}", text(caller.user), text(caller.project))
    });
    assert_eq!(found, expected.map(str::to_owned), "{pairs:?}");
}

const NOBODY: Result<&str, Unidentified> = Err(Unidentified::Unauthorized);

#[test]
fn pipelines_choose_the_source() {
    let check = |names: &str, expected: Result<Source, IdentityError>| {
        let found = Identity::of(&pipeline(names), Options::default());
        assert_eq!(found.map(|identity| identity.source), expected, "{names}");
    };
    check("", Ok(Source::Unauthenticated));
    check("open", Ok(Source::Unauthenticated));
    check("context", Ok(Source::TrustedHeaders));
    check("oracle context", Ok(Source::OracleTokens));
    check("fake", Ok(Source::FakeTokens { then_context: false }));
    check("fake context", Ok(Source::FakeTokens { then_context: true }));
    check("authtoken context", Err(IdentityError::Keystone("authtoken".to_owned())));
    check("oracle", Err(IdentityError::NoContext("oracle".to_owned())));
    check("context oracle", Ok(Source::TrustedHeaders));
}

#[test]
fn trusted_headers_are_oslo_contexts() {
    let trusting = identity("context");
    let confirmed = ("x-identity-status", "Confirmed");
    check(&trusting, &[], NOBODY);
    check(&trusting, &[("x-identity-status", "Invalid"), ("x-user-id", "u")], NOBODY);
    check(&trusting, &[("x-identity-status", "confirmed")], NOBODY);
    check(&trusting, &[confirmed], Ok("-|-||"));
    let all = [
        confirmed,
        ("x-user-id", "u"),
        ("x-user", "other"),
        ("x-tenant-id", "p"),
        ("x-roles", "Admin, Member"),
        ("x-service-roles", "service,Nova"),
    ];
    check(&trusting, &all, Ok("u|p|admin,member|service,Nova"));
    check(&trusting, &[confirmed, ("x-tenant", "p"), ("x-role", "a")], Ok("-|p|a|"));
    check(&trusting, &[confirmed, ("x-project-id", "é")], Ok("-|Ã©||"));
}

#[test]
fn odd_headers_are_refused_only_with_a_caller() {
    let trusting = identity("context");
    let confirmed = ("x-identity-status", "Confirmed");
    let long = "r".repeat(65);
    check(&trusting, &[confirmed, ("x-service-catalog", "[]")], Ok("-|-||"));
    let catalog = Err(Unidentified::ServiceCatalog);
    check(&trusting, &[confirmed, ("x-service-catalog", "{")], catalog);
    let id = ("x-openstack-request-id", long.as_str());
    check(&trusting, &[confirmed, id], Err(Unidentified::RequestIdTooLong(64)));
    check(&trusting, &[id], NOBODY);
    let unlimited = Options { max_request_id_length: 0, ..Options::default() };
    let unlimited = Identity::of(&pipeline("context"), unlimited).expect("an identity");
    check(&unlimited, &[confirmed, id], Ok("-|-||"));
}

#[test]
fn anonymous_callers_read_where_they_are_let_in() {
    let open = Options { allow_anonymous_access: true, ..Options::default() };
    let open = Identity::of(&pipeline("context"), open).expect("an identity");
    let caller = open.identify(&headers(&[])).expect("a caller");
    assert_eq!(caller, Context { read_only: true, ..Context::default() });
}

#[test]
fn oracle_tokens_name_user_project_and_roles() {
    let oracle = identity("oracle context");
    let check = |token: &str, expected| check(&oracle, &[("x-auth-token", token)], expected);
    check("alice:proj-a:member", Ok("alice|proj-a|member,reader|"));
    check("adm:admin:Admin", Ok("adm|admin|admin,manager,member,reader|"));
    check("u:none:=member", Ok("u|-|member|"));
    check("u:p:member,reader:service", Ok("u|p|member,reader|service"));
    check("alice%3Aproj-a%3Areader", Ok("alice|proj-a|reader|"));
    check("u:p:", Ok("u|p||"));
    check(":p:member", NOBODY);
    check("u:p", NOBODY);
    check("u:p:r:s:t", NOBODY);
    check("", NOBODY);
}

#[test]
fn a_client_cannot_add_to_an_oracle_token() {
    let oracle = identity("oracle context");
    let pairs = [
        ("x-auth-token", "u:none:reader"),
        ("x-roles", "admin"),
        ("x-project-id", "p"),
        ("x-service-roles", "service"),
    ];
    check(&oracle, &pairs, Ok("u|-|reader|"));
    check(&oracle, &[("x-identity-status", "Confirmed"), ("x-roles", "admin")], NOBODY);
}

#[test]
fn fake_tokens_have_one_role_and_need_not_be_there() {
    for names in ["fake", "fake context"] {
        let fake = identity(names);
        let check = |token: &str, expected| check(&fake, &[("x-auth-token", token)], expected);
        check("u:p:Member", Ok("u|p|member|"));
        check("u:None:admin", Ok("u|-|admin|"));
        check("u:p", NOBODY);
        check("u:p:r:s", NOBODY);
    }
    check(&identity("fake"), &[], Ok("-|-||"));
    check(&identity("fake"), &[("x-roles", "admin")], Ok("-|-||"));
    check(&identity("fake context"), &[], NOBODY);
}
