//! Metadata definitions: made whole or not at all, listed in full pages, kept from deletion.

use controlplane_db::Direction;
use controlplane_db::metadefs::associations::FoundAssociation;
use controlplane_db::metadefs::list::{NamespaceListError, NamespaceQuery, NamespaceSortKey};
use controlplane_db::metadefs::namespaces::NamespaceAddError;
use controlplane_db::metadefs::tags::{TagListError, TagQuery, TagSortKey};
use controlplane_db::metadefs::{AddError, ChangeError, Part, RemoveError};
use controlplane_domain::Context;
use controlplane_domain::metadefs::{
    AssociationFields, NamespaceFields, NamespaceId, NamespaceVisibility, NewNamespace,
    ObjectFields, Property,
};
use glint_image::limits;
use serde_json::json;

use controlplane_testing::Kind;

use crate::harness::{Bench, Dice, at, folds_case, texts};

const ALL_TAGS: TagQuery = TagQuery {
    sort: TagSortKey::CreatedAt,
    direction: Direction::Descending,
    marker: None,
    limit: None,
};

fn property(name: &str, title: &str) -> Property {
    let schema = json!({"type": "string", "title": title});
    Property { name: name.to_owned(), schema: schema.as_object().unwrap().clone() }
}

fn object(name: &str) -> ObjectFields {
    ObjectFields {
        name: name.to_owned(),
        description: Some("d".to_owned()),
        required: texts(&["a", "b"]),
        properties: json!({"a": {"type": "string", "title": "A"}}).as_object().unwrap().clone(),
    }
}

fn association(name: &str) -> AssociationFields {
    let prefix = Some("p_".to_owned());
    AssociationFields { name: name.to_owned(), prefix, properties_target: None }
}

fn named(name: &str) -> NamespaceFields {
    let owner = "proj-a".to_owned();
    NamespaceFields { name: name.to_owned(), owner, ..NamespaceFields::default() }
}

fn full(name: &str) -> NewNamespace {
    NewNamespace {
        fields: named(name),
        associations: vec![association("OS::Z"), association("OS::A")],
        objects: vec![object("z"), object("a")],
        tags: texts(&["one", "two", "three"]),
        properties: vec![property("z", "Z"), property("a", "A")],
    }
}

impl Bench {
    async fn namespace(&self, new: &NewNamespace) -> NamespaceId {
        self.db.metadef_namespace_create(new, at(0)).await.unwrap().id
    }

    async fn tags(&self, namespace: NamespaceId, query: &TagQuery) -> Vec<String> {
        let tags = self.db.metadef_tags(namespace, query).await.unwrap();
        tags.into_iter().map(|tag| tag.name).collect()
    }

    /// Rows in the tables of what namespaces contain.
    async fn rows_left(&self) -> String {
        self.dir
            .text(
                "(SELECT count(*) FROM metadef_tags) || ' ' || (SELECT count(*) FROM \
                 metadef_objects) || ' ' || (SELECT count(*) FROM metadef_properties) || ' ' || \
                 (SELECT count(*) FROM metadef_namespace_resource_types) || ' ' || (SELECT \
                 count(*) FROM metadef_namespaces)",
            )
            .await
    }
}

async fn a_namespace_is_read_as_it_was_made() {
    let bench = Bench::new().await;
    let id = bench.namespace(&full("N")).await;
    let found = bench.db.metadef_namespace("N").await.unwrap().unwrap();
    assert_eq!((found.id, &found.fields), (id, &named("N")));
    assert_eq!((found.created_at, found.updated_at), (at(0), Some(at(0))));
    assert_eq!(bench.db.metadef_namespace("n").await.unwrap().is_some(), folds_case());
    let contents = bench.db.metadef_contents(id).await.unwrap();
    // Associations as they came, tags backwards, all else by name.
    let fields: Vec<_> = contents.associations.into_iter().map(|each| each.fields).collect();
    assert_eq!(fields, full("N").associations);
    let tags: Vec<_> = contents.tags.into_iter().map(|tag| tag.name).collect();
    assert_eq!(tags, texts(&["three", "two", "one"]));
    assert_eq!(contents.properties, [property("a", "A"), property("z", "Z")]);
    let objects: Vec<_> = contents.objects.into_iter().map(|each| each.fields).collect();
    assert_eq!(objects, [object("a"), object("z")]);
}

async fn a_namespace_is_made_whole_or_not_at_all() {
    let bench = Bench::new().await;
    let check = async |new: NewNamespace, expected: Option<(Part, &str)>| {
        let error = bench.db.metadef_namespace_create(&new, at(0)).await.unwrap_err();
        match (error, expected) {
            (NamespaceAddError::Contents(AddError::Duplicate(part, name)), Some(expected)) => {
                assert_eq!((part, name.as_str()), expected);
            }
            (NamespaceAddError::Duplicate, None) => {}
            (error, expected) => panic!("{error:?} is not {expected:?}"),
        }
    };
    let mut new = full("N");
    new.tags.push("one".to_owned());
    check(new, Some((Part::Tag, "one"))).await;
    let mut new = full("N");
    new.objects.push(object("z"));
    check(new, Some((Part::Object, "z"))).await;
    let mut new = full("N");
    new.associations.push(association("OS::A"));
    check(new, Some((Part::Association, "OS::A"))).await;
    let mut new = full("N");
    new.properties.push(property("a", "again"));
    check(new, Some((Part::Property, "a"))).await;
    assert_eq!(bench.rows_left().await, "0 0 0 0 0");
    bench.namespace(&full("N")).await;
    check(full("N"), None).await;
    assert_eq!(bench.rows_left().await, "3 2 2 2 1");
}

async fn a_namespace_goes_with_all_it_contains_unless_it_is_protected() {
    let bench = Bench::new().await;
    let other = bench.namespace(&full("Other")).await;
    let mut new = full("N");
    new.fields.protected = true;
    let id = bench.namespace(&new).await;
    let protected = |result: Result<(), RemoveError>| {
        assert!(matches!(result, Err(RemoveError::Protected)), "{result:?}");
    };
    protected(bench.db.metadef_namespace_delete(id).await);
    protected(bench.db.metadef_clear(id, Part::Tag).await);
    protected(bench.db.metadef_property_delete(id, "a").await);
    protected(bench.db.metadef_object_delete(id, "a").await);
    protected(bench.db.metadef_tag_delete(id, "one").await);
    protected(bench.db.metadef_association_delete(id, "OS::A").await);
    let gone = bench.db.metadef_tag_delete(id, "four").await;
    assert!(matches!(gone, Err(RemoveError::Gone)), "what is not there is not protected");
    assert_eq!(bench.rows_left().await, "6 4 4 4 2");
    bench.db.metadef_namespace_update(id, &named("N"), at(1)).await.unwrap();
    bench.db.metadef_namespace_delete(id).await.unwrap();
    assert_eq!(bench.rows_left().await, "3 2 2 2 1");
    let gone = bench.db.metadef_namespace_delete(id).await;
    assert!(matches!(gone, Err(RemoveError::Gone)));
    for part in [Part::Tag, Part::Object, Part::Property] {
        bench.db.metadef_clear(other, part).await.unwrap();
    }
    assert_eq!(bench.rows_left().await, "0 0 0 2 1");
    // Resource types stay, and serve again.
    assert_eq!(bench.db.metadef_resource_types().await.unwrap().len(), 2);
}

async fn nothing_is_put_into_a_namespace_that_is_gone() {
    let bench = Bench::new().await;
    let id = bench.namespace(&full("N")).await;
    bench.db.metadef_namespace_delete(id).await.unwrap();
    let gone = |result: Result<(), AddError>| {
        assert!(matches!(result, Err(AddError::NamespaceGone)), "{result:?}");
    };
    gone(bench.db.metadef_property_create(id, &property("a", "A"), at(1)).await);
    gone(bench.db.metadef_object_create(id, &object("a"), at(1)).await);
    gone(bench.db.metadef_tags_append(id, &texts(&["a"]), at(1)).await);
    gone(bench.db.metadef_tags_replace(id, &texts(&["a"]), at(1)).await);
    gone(bench.db.metadef_association_create(id, &association("OS::A"), at(1)).await);
    let updated = bench.db.metadef_namespace_update(id, &named("M"), at(1)).await;
    assert!(matches!(updated, Err(ChangeError::Gone)), "{updated:?}");
    assert_eq!(bench.rows_left().await, "0 0 0 0 0");
}

async fn names_are_changed_unless_they_are_taken() {
    let bench = Bench::new().await;
    let id = bench.namespace(&full("N")).await;
    bench.namespace(&full("M")).await;
    let taken = bench.db.metadef_namespace_update(id, &named("M"), at(1)).await;
    assert!(matches!(taken, Err(ChangeError::Duplicate)), "{taken:?}");
    let taken = bench.db.metadef_property_update(id, "a", &property("z", "A"), at(1)).await;
    assert!(matches!(taken, Err(ChangeError::Duplicate)), "{taken:?}");
    let taken = bench.db.metadef_object_update(id, "a", &object("z"), at(1)).await;
    assert!(matches!(taken, Err(ChangeError::Duplicate)), "{taken:?}");
    let taken = bench.db.metadef_tag_update(id, "one", "two", at(1)).await;
    assert!(matches!(taken, Err(ChangeError::Duplicate)), "{taken:?}");
    let gone = bench.db.metadef_tag_update(id, "four", "five", at(1)).await;
    assert!(matches!(gone, Err(ChangeError::Gone)), "{gone:?}");

    let renamed = bench.db.metadef_namespace_update(id, &named("New"), at(1)).await.unwrap();
    assert_eq!(bench.db.metadef_namespace("New").await.unwrap(), Some(renamed));
    bench.db.metadef_property_update(id, "a", &property("b", "B"), at(1)).await.unwrap();
    let found = bench.db.metadef_property(id, "b").await.unwrap();
    assert_eq!(found, Some(property("b", "B")));
    let created = bench.db.metadef_object_update(id, "a", &object("b"), at(1)).await.unwrap();
    let later = if Kind::current() == Kind::Mariadb { 0 } else { 1 };
    assert_eq!(created, at(0) + time::Duration::microseconds(later));
    assert_eq!(bench.db.metadef_object(id, "a").await.unwrap(), None);
    let tag = bench.db.metadef_tag_update(id, "one", "One", at(1)).await.unwrap();
    assert_eq!(bench.db.metadef_tag(id, "One").await.unwrap(), Some(tag));
}

async fn tags_are_replaced_or_added_at_once() {
    let bench = Bench::new().await;
    let id = bench.namespace(&NewNamespace { fields: named("N"), ..NewNamespace::default() }).await;
    let check = async |names: &str, append: bool, taken: Option<&str>, expected: &str| {
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let made = match append {
            true => bench.db.metadef_tags_append(id, &names, at(1)).await,
            false => bench.db.metadef_tags_replace(id, &names, at(1)).await,
        };
        match (&made, taken) {
            (Err(AddError::Duplicate(Part::Tag, name)), Some(taken)) => assert_eq!(name, taken),
            (Ok(()), None) => {}
            unexpected => panic!("{unexpected:?}"),
        }
        assert_eq!(bench.tags(id, &ALL_TAGS).await.join(" "), expected);
    };
    check("b c a", false, None, "a c b").await;
    check("x y x", false, Some("x"), "a c b").await;
    check("x y", false, None, "y x").await;
    bench.db.metadef_clear(id, Part::Tag).await.unwrap();
    bench.db.metadef_tags_append(id, &texts(&["old"]), at(0)).await.unwrap();
    check("new old newer", true, Some("old"), "old").await;
    check("new newer", true, None, "newer new old").await;
}

async fn tags_are_listed_in_pages() {
    let bench = Bench::new().await;
    let mut new = full("N");
    new.tags = texts(&["b", "d", "a", "c"]);
    let id = bench.namespace(&new).await;
    let check = async |sort, direction, marker: Option<&str>, limit, expected: &str| {
        let query = TagQuery { sort, direction, marker: marker.map(str::to_owned), limit };
        assert_eq!(bench.tags(id, &query).await.join(" "), expected, "{query:?}");
    };
    let (up, down) = (Direction::Ascending, Direction::Descending);
    check(TagSortKey::CreatedAt, down, None, None, "c a d b").await;
    check(TagSortKey::Row, up, None, Some(3), "b d a").await;
    check(TagSortKey::CreatedAt, down, Some("a"), None, "d b").await;
    check(TagSortKey::Name, up, Some("b"), Some(1), "c").await;
    check(TagSortKey::Name, down, Some("b"), None, "a").await;
    check(TagSortKey::UpdatedAt, up, None, Some(0), "").await;
    let query = TagQuery { marker: Some("e".to_owned()), ..ALL_TAGS };
    let unknown = bench.db.metadef_tags(id, &query).await;
    assert!(matches!(unknown, Err(TagListError::MarkerUnknown)));
}

async fn a_namespace_holds_so_many_of_a_kind() {
    let bench = Bench::new().await;
    let mut new = NewNamespace { fields: named("N"), ..NewNamespace::default() };
    new.tags = (0..limits::METADEF_PARTS_MAX).map(|number| number.to_string()).collect();
    let id = bench.namespace(&new).await;
    let refused = bench.db.metadef_tags_append(id, &texts(&["more"]), at(1)).await;
    assert!(matches!(refused, Err(AddError::Full(Part::Tag))), "{refused:?}");
    bench.db.metadef_tags_replace(id, &texts(&["more"]), at(1)).await.unwrap();
    assert_eq!(bench.tags(id, &ALL_TAGS).await, ["more"]);
}

async fn an_association_is_found_by_its_resource_type() {
    let bench = Bench::new().await;
    let id = bench.namespace(&full("N")).await;
    let other = bench.namespace(&NewNamespace { fields: named("M"), ..full("M") }).await;
    bench.db.metadef_association_delete(other, "OS::A").await.unwrap();
    let check = async |namespace, name: &str, expected: Option<&str>| match (
        bench.db.metadef_association(namespace, name).await.unwrap(),
        expected,
    ) {
        (FoundAssociation::Associated(found), Some("here")) => {
            assert_eq!(found.fields, association(name));
        }
        (FoundAssociation::NotAssociated, Some("elsewhere")) | (FoundAssociation::NoType, None) => {
        }
        unexpected => panic!("{name}: {unexpected:?}"),
    };
    check(id, "OS::A", Some("here")).await;
    check(other, "OS::A", Some("elsewhere")).await;
    check(other, "OS::B", None).await;
    let again = bench.db.metadef_association_create(id, &association("OS::A"), at(1)).await;
    assert!(matches!(again, Err(AddError::Duplicate(Part::Association, _))), "{again:?}");
}

async fn rows_that_were_loaded_from_files_are_read() {
    let bench = Bench::new().await;
    bench
        .dir
        .run(
            "INSERT INTO metadef_namespaces (id, namespace, owner, created_at) VALUES (7, 'L', \
             'admin', '2026-11-21 08:44:31')",
        )
        .await;
    bench
        .dir
        .run(
            "INSERT INTO metadef_properties (namespace_id, name, json_schema, created_at) VALUES \
             (7, 'p', '{\"zebra\": 1, \"title\": \"T\", \"type\": \"string\", \"default\": 5}', \
             '2026-11-21 08:44:31')",
        )
        .await;
    bench
        .dir
        .run(
            "INSERT INTO metadef_objects (namespace_id, name, required, json_schema, created_at) \
             VALUES (7, 'o', 'a,b', '{\"a\": {\"type\": \"string\", \"title\": \"A\"}}', \
             '2026-11-21 08:44:31')",
        )
        .await;
    let namespace = bench.db.metadef_namespace("L").await.unwrap().unwrap();
    let expected = NamespaceFields { owner: "admin".to_owned(), ..named("L") };
    assert_eq!((namespace.fields, namespace.updated_at), (expected, None));
    let property = bench.db.metadef_property(namespace.id, "p").await.unwrap().unwrap();
    let schema = serde_json::Value::Object(property.schema).to_string();
    assert_eq!(schema, r#"{"type":"string","title":"T","default":"5"}"#);
    let found = bench.db.metadef_object(namespace.id, "o").await.unwrap().unwrap();
    assert_eq!(found.fields, ObjectFields { description: None, ..object("o") });
}

fn query(sort: NamespaceSortKey, direction: Direction) -> NamespaceQuery {
    NamespaceQuery {
        context: Context::unauthenticated(),
        visibility: None,
        resource_types: None,
        sort,
        direction,
        marker: None,
        limit: 1000,
    }
}

impl Bench {
    async fn listed(&self, query: &NamespaceQuery) -> Vec<String> {
        let listed = self.db.metadef_namespaces(query).await.unwrap();
        listed.into_iter().map(|each| each.namespace.fields.name).collect()
    }
}

async fn a_page_costs_the_same_number_of_statements_whatever_is_on_it() {
    let bench = Bench::new().await;
    for number in 0..30 {
        bench.namespace(&full(&format!("N{number}"))).await;
    }
    let cost = async |limit, marker: Option<&str>| {
        let before = bench.db.statements();
        let mut query = query(NamespaceSortKey::CreatedAt, Direction::Descending);
        (query.limit, query.marker) = (limit, marker.map(str::to_owned));
        let listed = bench.db.metadef_namespaces(&query).await.unwrap();
        assert!(listed.iter().all(|each| each.associations.len() == 2));
        bench.db.statements() - before
    };
    assert_eq!(cost(1, None).await, 2);
    assert_eq!(cost(30, None).await, 2);
    assert_eq!(cost(30, Some("N9")).await, 3);
    let id = bench.db.metadef_namespace("N9").await.unwrap().unwrap().id;
    let before = bench.db.statements();
    bench.db.metadef_contents(id).await.unwrap();
    assert_eq!(bench.db.statements() - before, 4);
}

async fn callers_see_what_is_public_and_what_is_theirs() {
    let bench = Bench::new().await;
    for (name, owner, visibility) in [
        ("a-public", "proj-a", NamespaceVisibility::Public),
        ("a-private", "proj-a", NamespaceVisibility::Private),
        ("b-private", "proj-b", NamespaceVisibility::Private),
    ] {
        let fields = NamespaceFields { visibility, owner: owner.to_owned(), ..named(name) };
        bench.namespace(&NewNamespace { fields, ..full(name) }).await;
    }
    let check = async |context: &Context, expected: &[&str]| {
        let mut query = query(NamespaceSortKey::Namespace, Direction::Ascending);
        query.context = context.clone();
        assert_eq!(bench.listed(&query).await, texts(expected), "{context:?}");
    };
    let of = |project: &str| Context { project: Some(project.into()), ..Context::default() };
    check(&of("proj-a"), &["a-private", "a-public"]).await;
    check(&of("proj-b"), &["a-public", "b-private"]).await;
    check(&Context::default(), &["a-public"]).await;
    check(&Context::unauthenticated(), &["a-private", "a-public", "b-private"]).await;

    let mut hidden = query(NamespaceSortKey::Namespace, Direction::Ascending);
    (hidden.context, hidden.marker) = (of("proj-a"), Some("b-private".to_owned()));
    let error = bench.db.metadef_namespaces(&hidden).await.unwrap_err();
    assert!(matches!(error, NamespaceListError::MarkerNotVisible));
    hidden.marker = Some("nothing".to_owned());
    let error = bench.db.metadef_namespaces(&hidden).await.unwrap_err();
    assert!(matches!(error, NamespaceListError::MarkerUnknown));
}

/// Pages of every size through every order are compared with a sorted vector, null first.
async fn pages_show_every_namespace_once_in_every_order() {
    let bench = Bench::new().await;
    let mut dice = Dice::new(7);
    let mut model = Vec::new();
    for number in 0..23 {
        let some = |dice: &mut Dice| {
            let text = dice.of(&["x", "y", ""]).to_owned();
            (!dice.once_in(3)).then_some(text)
        };
        let fields = NamespaceFields {
            display_name: some(&mut dice),
            description: some(&mut dice),
            visibility: NamespaceVisibility::parse(dice.of(&["public", "private"])),
            protected: dice.once_in(2),
            owner: dice.of(&["p", "q"]).to_owned(),
            ..named(&format!("{}-{number}", dice.below(9)))
        };
        let new = NewNamespace { fields, ..NewNamespace::default() };
        let second = i64::try_from(dice.below(4)).unwrap();
        let namespace = bench.db.metadef_namespace_create(&new, at(second)).await.unwrap();
        model.push(namespace);
    }
    for sort in [
        NamespaceSortKey::Id,
        NamespaceSortKey::Namespace,
        NamespaceSortKey::DisplayName,
        NamespaceSortKey::Description,
        NamespaceSortKey::Visibility,
        NamespaceSortKey::Protected,
        NamespaceSortKey::Owner,
        NamespaceSortKey::CreatedAt,
        NamespaceSortKey::UpdatedAt,
    ] {
        model.sort_by_key(|each| {
            let fields = &each.fields;
            let key = match sort {
                NamespaceSortKey::Id | NamespaceSortKey::CreatedAt => None,
                NamespaceSortKey::UpdatedAt => each.updated_at.map(|at| at.to_string()),
                NamespaceSortKey::Namespace => Some(fields.name.clone()),
                NamespaceSortKey::DisplayName => fields.display_name.clone(),
                NamespaceSortKey::Description => fields.description.clone(),
                NamespaceSortKey::Visibility => Some(fields.visibility.as_str().to_owned()),
                NamespaceSortKey::Protected => Some(u8::from(fields.protected).to_string()),
                NamespaceSortKey::Owner => Some(fields.owner.clone()),
            };
            let is_last = Kind::current() == Kind::Postgresql
                && key.is_none()
                && ![NamespaceSortKey::Id, NamespaceSortKey::CreatedAt].contains(&sort);
            (is_last, key, each.created_at, each.id)
        });
        let mut expected: Vec<String> = model.iter().map(|each| each.fields.name.clone()).collect();
        for direction in [Direction::Ascending, Direction::Descending] {
            for limit in [1, 4, 100] {
                let mut query = query(sort, direction);
                query.limit = limit;
                let mut found = Vec::new();
                loop {
                    let page = bench.listed(&query).await;
                    let Some(last) = page.last() else { break };
                    query.marker = Some(last.clone());
                    found.extend(page);
                }
                assert_eq!(found, expected, "{sort:?} {direction:?} {limit}");
            }
            expected.reverse();
        }
    }
}

async fn namespaces_are_filtered_by_visibility_and_resource_type() {
    let bench = Bench::new().await;
    let mut new = full("A");
    new.fields.visibility = NamespaceVisibility::Public;
    bench.namespace(&new).await;
    let mut new = full("B");
    new.associations.pop();
    bench.namespace(&new).await;
    let check = async |visibility: Option<&str>, types: Option<&[&str]>, expected: &str| {
        let mut query = query(NamespaceSortKey::Namespace, Direction::Ascending);
        query.visibility = visibility.map(str::to_owned);
        query.resource_types = types.map(texts);
        assert_eq!(bench.listed(&query).await.join(" "), expected, "{query:?}");
    };
    check(None, None, "A B").await;
    check(Some("public"), None, "A").await;
    check(Some(""), None, "").await;
    check(None, Some(&["OS::A"]), "A").await;
    check(None, Some(&["OS::A", "OS::Z"]), "A B").await;
    check(Some("private"), Some(&["OS::Z"]), "B").await;
    check(None, Some(&["OS::Nothing"]), "").await;
}

controlplane_testing::on_every_database!(
    a_namespace_is_read_as_it_was_made,
    a_namespace_is_made_whole_or_not_at_all,
    a_namespace_goes_with_all_it_contains_unless_it_is_protected,
    nothing_is_put_into_a_namespace_that_is_gone,
    names_are_changed_unless_they_are_taken,
    tags_are_replaced_or_added_at_once,
    tags_are_listed_in_pages,
    a_namespace_holds_so_many_of_a_kind,
    an_association_is_found_by_its_resource_type,
    rows_that_were_loaded_from_files_are_read,
    a_page_costs_the_same_number_of_statements_whatever_is_on_it,
    callers_see_what_is_public_and_what_is_theirs,
    pages_show_every_namespace_once_in_every_order,
    namespaces_are_filtered_by_visibility_and_resource_type,
);
