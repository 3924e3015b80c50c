//! Query strings as Glance's recorded answers read them, and odd ones.

use super::*;

fn query(text: &str) -> Result<ListQuery, String> {
    let parameters = Parameters::parse(text).map_err(|refusal| message(&refusal))?;
    let caller = Context::unauthenticated();
    let read = read(parameters, caller, &ApiOptions::default());
    read.map(|(query, _)| query).map_err(|refusal| message(&refusal))
}

fn message(refusal: &Refusal) -> String {
    assert_eq!(refusal.fault.status, 400);
    refusal.fault.explanation.clone().unwrap_or_default()
}

#[test]
fn nothing_asked_is_the_first_page_newest_first() {
    let query = query("").expect("an empty query");
    assert_eq!((query.limit, query.marker, query.os_hidden), (25, None, false));
    assert_eq!(query.sort, [(SortKey::CreatedAt, Direction::Descending)]);
    assert_eq!(query.visibility, VisibilityFilter::Default);
    assert_eq!(query.member_status, MemberStatus::Is("accepted".into()));
    assert_eq!(query.filters, []);
}

#[test]
fn parameters_that_mean_nothing_are_refused() {
    let check = |text: &str, expected: &str| {
        assert_eq!(query(text).err().as_deref(), Some(expected), "{text}");
    };
    check("limit=x", "limit param must be an integer");
    check("limit=", "limit param must be an integer");
    check("limit=-1", "limit param must be positive");
    check("marker=x", "No image found with ID x");
    check("member_status=x", "Invalid status: x");
    check("visibility=x", "Invalid visibility value: x");
    check("changes-since=1", "The \"changes-since\" filter is no longer available on v2.");
    check("sort=name&sort_key=id", "Old and new sorting syntax cannot be combined");
    check("sort=name:up", "Invalid sort direction: up");
    check(
        "sort_key=owner",
        "Invalid sort key: owner. It must be one of the following: name, status, \
         container_format, disk_format, size, id, created_at, updated_at.",
    );
    check(
        "sort_dir=asc&sort_dir=desc",
        "Number of sort dirs does not match the number of sort keys",
    );
    check(
        "os_hidden=maybe",
        "Invalid value 'maybe' for 'os_hidden' filter. Valid values are 'true' or 'false'.",
    );
    check(
        "protected=True",
        "Invalid value 'True' for 'protected' filter. Valid values are 'true' or 'false'.",
    );
    check("name=a:b", "Unable to filter by unknown operator 'a'.");
    check("size_min=x", "Unable to filter on a range with a non-numeric value.");
    check("foo_min=1", "Unable to filter on a range with a non-numeric value.");
    check(
        "created_at=gt:yesterday",
        "Bad \"created_at\" query filter format. Use ISO 8601 DateTime notation.",
    );
    check("created_at=zz:2020-01-01T00:00:00Z", "Unable to filter on a unknown operator.");
    check(
        "name=%ff",
        "Error decoding your request. Either the URL or the request body contained characters \
         that could not be decoded by Glance",
    );
    let tags = "tag=x&".repeat(limits::LIST_JOINS_MAX + 1);
    check(&tags, "Too many tags and properties to filter by.");
    let values = format!("name=in:{}", "x,".repeat(limits::LIST_VALUES_MAX + 1));
    check(&values, "Too many values to filter by.");
}

#[test]
fn sort_keys_and_directions_go_together() {
    use Direction::{Ascending, Descending};
    let check = |text: &str, expected: &[(SortKey, Direction)], tie: Direction| {
        let query = query(text).expect("a good query");
        assert_eq!((query.sort.as_slice(), query.tie_direction), (expected, tie), "{text}");
    };
    let both = [(SortKey::Name, Ascending), (SortKey::Size, Descending)];
    check("sort=name:asc,size:desc", &both, Descending);
    check("sort_key=name&sort_dir=asc&sort_key=size&sort_dir=desc", &both, Descending);
    check("sort=name%20:%20asc%20,%20size", &both, Descending);
    check("sort=name", &[(SortKey::Name, Descending)], Descending);
    check("sort_dir=asc", &[(SortKey::CreatedAt, Ascending)], Ascending);
    let one = [(SortKey::Name, Ascending), (SortKey::Id, Ascending)];
    check("sort_key=name&sort_key=id&sort_dir=asc", &one, Ascending);
    check("sort_key=name&sort_key=name", &[(SortKey::Name, Descending)], Descending);
}

#[test]
fn filters_are_columns_or_properties() {
    let check = |text: &str, expected: &[Filter]| {
        assert_eq!(query(text).expect("a good query").filters, expected, "{text}");
    };
    let property = |name: &str, value: &str| Filter::Property {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let one_of = |column, values: &[&str]| {
        Filter::OneOf(column, values.iter().map(|value| (*value).to_owned()).collect())
    };
    check("my=x", &[property("my", "x")]);
    check("name=in:%22b%22,c", &[one_of(TextColumn::Name, &["b", "c"])]);
    check("status=zz", &[one_of(TextColumn::Status, &["zz"])]);
    check("owner=a:b", &[one_of(TextColumn::Owner, &["a:b"])]);
    check("size=abc", &[Filter::Nothing]);
    check("size=5", &[Filter::Number(IntColumn::Size, Comparison::Equal, 5)]);
    check(
        "min_ram_max=7&size_min=1_0",
        &[
            Filter::Number(IntColumn::MinRam, Comparison::LessOrEqual, 7),
            Filter::Number(IntColumn::Size, Comparison::GreaterOrEqual, 10),
        ],
    );
    check("name_min=5", &[]);
    check("name_max=5", &[Filter::Nothing]);
    check("deleted=x", &[]);
    check("tags=xy", &[Filter::Tag("x".into()), Filter::Tag("y".into())]);
    check("tag=green&tag=+x", &[Filter::Tag("green".into()), Filter::Tag("x".into())]);
    check("protected=true&protected=false", &[Filter::Protected(false)]);
    // The first limit counts and the second is a property's name, as in Glance.
    check("limit=1&limit=0", &[property("limit", "0")]);
}

#[test]
fn limits_are_cut_silently() {
    let check = |text: &str, expected: u32| {
        assert_eq!(query(text).expect("a good query").limit, expected, "{text}");
    };
    check("limit=0", 0);
    check("limit=1000", 1000);
    check("limit=1001", 1000);
    check("limit=99999999999999999999999", 1000);
}

#[test]
fn links_repeat_the_query_as_python_would() {
    let check = |text: &str, expected: &str| {
        let links = Parameters::parse(text).expect("a decodable query").for_links();
        let pairs = links.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(urlencode(pairs), expected, "{text}");
    };
    check("limit=1&marker=x", "limit=1");
    check("a=%20b+c&d=%C3%A9&x=/~-_.", "a=+b+c&d=%C3%A9&x=%2F~-_.");
    check("a;b=c&limit=0&&x", "a=&b=c&limit=0&x=");
    check(
        "sort_key=name&sort_dir=asc&sort_key=size&sort_dir=desc&limit=2",
        "sort_key=size&sort_dir=desc&limit=2",
    );
    check("sort=name:asc,size:desc", "sort=name%3Aasc%2Csize%3Adesc");
}
