//! Lists against a model that does the simplest thing: filter everything in memory, sort it, cut
//! it.

use controlplane_db::{
    Comparison, Direction, Filter, IntColumn, ListError, ListQuery, MemberStatus, SortKey,
    TextColumn, TimeColumn, VisibilityFilter,
};
use controlplane_domain::{Context, Image};
use glint_image::{ImageId, Status, Visibility};

use crate::harness::{Bench, Dice, add_member, at, folds_case, image, pairs, texts};

/// An image of the model: what lists look at, with the status of each membership.
#[derive(Clone, Debug)]
struct Modelled {
    image: Image,
    memberships: Vec<(String, String)>,
}

fn caller(project: Option<&str>, is_admin: bool) -> Context {
    Context { project: project.map(str::to_owned), is_admin, ..Context::default() }
}

/// A random image out of few values each, so that ties and matches are common.
fn random_image(dice: &mut Dice) -> Modelled {
    let word = |dice: &mut Dice| dice.of(&[None, Some(""), Some("a"), Some("B"), Some("\u{e9}")]);
    let visibilities = Visibility::ALL;
    let statuses = [Status::Queued, Status::Active, Status::Active, Status::Killed];
    let created = i64::try_from(dice.below(4)).unwrap();
    let mut image = Image {
        name: word(dice).map(str::to_owned),
        status: dice.of(&statuses),
        visibility: dice.of(&visibilities),
        protected: dice.once_in(2),
        os_hidden: dice.once_in(8),
        owner: dice.of(&[None, Some("proj-a"), Some("proj-b"), Some("proj-c")]).map(str::to_owned),
        disk_format: dice.of(&[None, Some("raw"), Some("qcow2")]).map(str::to_owned),
        container_format: dice.of(&[None, Some("bare")]).map(str::to_owned),
        min_ram: dice.of(&[0, 1, 512]),
        size: dice.of(&[None, Some(0), Some(7), Some(1 << 33)]),
        checksum: dice.of(&[None, Some("c1")]).map(str::to_owned),
        created_at: at(created),
        updated_at: at(created + i64::try_from(dice.below(3)).unwrap()),
        ..image()
    };
    if dice.once_in(2) {
        image.properties.push(("os".to_owned(), dice.of(&["linux", "bsd"]).to_owned()));
    }
    for tag in ["t1", "t2"] {
        if dice.once_in(2) {
            image.tags.push(tag.to_owned());
        }
    }
    let mut memberships = Vec::new();
    for project in ["proj-a", "proj-b"] {
        if dice.once_in(2) {
            let status = dice.of(&["accepted", "pending", "rejected"]);
            memberships.push((project.to_owned(), status.to_owned()));
        }
    }
    Modelled { image, memberships }
}

fn random_filter(dice: &mut Dice) -> Filter {
    match dice.below(11) {
        0 => Filter::OneOf(TextColumn::Name, texts(&["a"])),
        1 => Filter::OneOf(TextColumn::DiskFormat, texts(&["raw", "qcow2"])),
        2 => Filter::OneOf(TextColumn::Owner, texts(&["proj-a"])),
        3 => Filter::OneOf(TextColumn::Name, Vec::new()),
        4 => Filter::Number(IntColumn::Size, Comparison::GreaterOrEqual, 7),
        5 => Filter::Number(IntColumn::MinRam, Comparison::Equal, 1),
        6 => Filter::Time(TimeColumn::CreatedAt, Comparison::Less, at(2)),
        7 => Filter::Time(TimeColumn::UpdatedAt, Comparison::NotEqual, at(2)),
        8 => Filter::Protected(true),
        9 => Filter::Property { name: "os".to_owned(), value: "linux".to_owned() },
        _ => Filter::Tag("t1".to_owned()),
    }
}

fn random_query(dice: &mut Dice) -> ListQuery {
    let directions = [Direction::Ascending, Direction::Descending];
    let keys = [
        SortKey::Name,
        SortKey::Status,
        SortKey::ContainerFormat,
        SortKey::DiskFormat,
        SortKey::Size,
        SortKey::Id,
        SortKey::CreatedAt,
        SortKey::UpdatedAt,
    ];
    let project = dice.of(&[None, Some("proj-a"), Some("proj-b"), Some("proj-x")]);
    let visibility = match dice.below(3) {
        0 => VisibilityFilter::All,
        1 => VisibilityFilter::Only(dice.of(&Visibility::ALL)),
        _ => VisibilityFilter::Default,
    };
    let member_status = match dice.below(3) {
        0 => MemberStatus::All,
        1 => MemberStatus::Is("pending".to_owned()),
        _ => MemberStatus::Is("accepted".to_owned()),
    };
    let filters = (0..dice.below(3)).map(|_| random_filter(dice)).collect();
    let sort = (0..dice.below(3)).map(|_| (dice.of(&keys), dice.of(&directions))).collect();
    ListQuery {
        visibility,
        member_status,
        os_hidden: dice.once_in(4),
        filters,
        sort,
        tie_direction: dice.of(&directions),
        limit: u32::try_from(1 + dice.below(9)).unwrap(),
        ..ListQuery::newest(caller(project, dice.once_in(3)), 0)
    }
}

// === the model ===

/// A text by which the database sorts and compares this one: on MariaDB letters that differ in
/// case or accent are the same (`utf8mb3_general_ci`).
fn collated(text: &str) -> String {
    if folds_case() { text.to_uppercase().replace('\u{c9}', "E") } else { text.to_owned() }
}

fn compares<T: Ord>(left: &T, comparison: Comparison, right: &T) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

fn matches(filter: &Filter, image: &Image) -> bool {
    match filter {
        Filter::OneOf(column, values) => {
            let text = match column {
                TextColumn::Name => &image.name,
                TextColumn::DiskFormat => &image.disk_format,
                TextColumn::Owner => &image.owner,
                other => panic!("{other:?} is not modelled"),
            };
            text.as_ref()
                .is_some_and(|text| values.iter().any(|value| collated(value) == collated(text)))
        }
        Filter::Number(column, comparison, value) => {
            let number = match column {
                IntColumn::Size => image.size,
                IntColumn::MinRam => Some(i64::from(image.min_ram)),
                other => panic!("{other:?} is not modelled"),
            };
            number.is_some_and(|number| compares(&number, *comparison, value))
        }
        Filter::Time(TimeColumn::CreatedAt, comparison, at) => {
            compares(&image.created_at, *comparison, at)
        }
        Filter::Time(TimeColumn::UpdatedAt, comparison, at) => {
            compares(&image.updated_at, *comparison, at)
        }
        Filter::Protected(protected) => image.protected == *protected,
        Filter::Property { name, value } => {
            image.properties.contains(&(name.clone(), value.clone()))
        }
        Filter::Tag(tag) => image.tags.contains(tag),
        Filter::Nothing => false,
    }
}

fn seen(query: &ListQuery, modelled: &Modelled) -> bool {
    let Modelled { image, memberships } = modelled;
    let project = query.context.project.as_ref();
    let own = project.is_some() && image.owner.as_ref() == project;
    let member = memberships.iter().any(|(member, status)| {
        Some(member) == project
            && match &query.member_status {
                MemberStatus::All => true,
                MemberStatus::Is(wanted) => status == wanted,
            }
    });
    let visible = query.context.is_admin
        || own
        || matches!(image.visibility, Visibility::Public | Visibility::Community)
        || (image.visibility == Visibility::Shared && member);
    let wanted = match query.visibility {
        VisibilityFilter::All => true,
        VisibilityFilter::Only(visibility) => image.visibility == visibility,
        VisibilityFilter::Default => own || image.visibility != Visibility::Community,
    };
    visible
        && wanted
        && image.status != Status::Killed
        && image.os_hidden == query.os_hidden
        && query.filters.iter().all(|filter| matches(filter, image))
}

fn sorted(query: &ListQuery, catalogue: &[Modelled]) -> Vec<ImageId> {
    let mut found: Vec<&Image> =
        catalogue.iter().filter(|one| seen(query, one)).map(|one| &one.image).collect();
    let mut keys = query.sort.clone();
    for key in [SortKey::CreatedAt, SortKey::Id] {
        if !keys.iter().any(|(given, _)| *given == key) {
            keys.push((key, query.tie_direction));
        }
    }
    found.sort_by(|left, right| {
        let text = |text: &Option<String>| collated(&text.clone().unwrap_or_default());
        for (key, direction) in &keys {
            let order = match key {
                SortKey::Name => text(&left.name).cmp(&text(&right.name)),
                SortKey::Status => left.status.as_str().cmp(right.status.as_str()),
                SortKey::ContainerFormat => {
                    text(&left.container_format).cmp(&text(&right.container_format))
                }
                SortKey::DiskFormat => text(&left.disk_format).cmp(&text(&right.disk_format)),
                SortKey::Size => left.size.unwrap_or(0).cmp(&right.size.unwrap_or(0)),
                SortKey::Id => left.id.cmp(&right.id),
                SortKey::CreatedAt => left.created_at.cmp(&right.created_at),
                SortKey::UpdatedAt => left.updated_at.cmp(&right.updated_at),
            };
            let order = match direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
    found.iter().map(|image| image.id).collect()
}

/// Puts random images into a database, some of them deleted again.
async fn filled(bench: &Bench, dice: &mut Dice, images: usize) -> Vec<Modelled> {
    let mut catalogue = Vec::new();
    for _ in 0..images {
        let modelled = random_image(dice);
        bench.db.image_create(&modelled.image).await.unwrap();
        for (member, status) in &modelled.memberships {
            add_member(&bench.dir, modelled.image.id, member, status).await;
        }
        let removable = modelled.image.status.may_become(Status::Deleted);
        if dice.once_in(8) && !modelled.image.protected && removable {
            bench.db.image_delete(modelled.image.id, at(9)).await.unwrap();
        } else {
            catalogue.push(modelled);
        }
    }
    catalogue
}

async fn pages_follow_each_other_as_in_the_model() {
    let bench = Bench::new().await;
    for seed in 1..=3 {
        let mut dice = Dice::new(seed);
        bench.dir.run("UPDATE images SET deleted = TRUE").await;
        let catalogue = filled(&bench, &mut dice, 60).await;
        let mut pages_followed = 0;
        for round in 0..150 {
            let mut query = random_query(&mut dice);
            let expected = sorted(&query, &catalogue);
            let mut found = Vec::new();
            loop {
                let page = bench.db.image_list(&query).await;
                let page = match page {
                    Ok(page) => page,
                    // The model shows an image the rules for one image hide: none does.
                    Err(error) => panic!("seed {seed} round {round}: {error} {query:?}"),
                };
                found.extend(page.images.iter().map(|image| image.id));
                if !page.full {
                    break;
                }
                pages_followed += 1;
                query.marker = page.images.last().map(|image| image.id);
            }
            assert_eq!(found, expected, "seed {seed} round {round}: {query:?}");
        }
        assert!(pages_followed > 100, "the random lists were too short to say anything");
    }
}

async fn a_page_costs_the_same_number_of_statements_whatever_is_on_it() {
    let bench = Bench::new().await;
    let mut dice = Dice::new(9);
    filled(&bench, &mut dice, 80).await;
    let cost = async |limit: u32| {
        let before = bench.db.statements();
        let query = ListQuery {
            visibility: VisibilityFilter::All,
            ..ListQuery::newest(Context::unauthenticated(), limit)
        };
        let page = bench.db.image_list(&query).await.unwrap();
        assert_eq!(u32::try_from(page.images.len()).unwrap(), limit);
        bench.db.statements() - before
    };
    let one = cost(1).await;
    assert_eq!(one, 2, "the images and all that hangs on them");
    assert_eq!(cost(50).await, one);
    assert_eq!(cost(0).await, 1, "no images, no children");
}

async fn images_of_a_list_are_whole() {
    let bench = Bench::new().await;
    let mut expected = Vec::new();
    for number in 0..3 {
        let mut given = image();
        given.created_at = at(-number);
        given.properties = pairs(&[("number", &number.to_string()), ("b", "")]);
        given.tags = texts(&["x"]);
        bench.db.image_create(&given).await.unwrap();
        expected.push(bench.db.image_get(given.id).await.unwrap().unwrap());
    }
    let query = ListQuery::newest(caller(Some("proj-a"), false), 10);
    let page = bench.db.image_list(&query).await.unwrap();
    assert_eq!((page.images, page.full), (expected, false));
}

async fn a_marker_must_exist_and_be_visible() {
    let bench = Bench::new().await;
    let check = async |marker: ImageId, project: &str, expected: &str| {
        let query = ListQuery {
            marker: Some(marker),
            ..ListQuery::newest(caller(Some(project), false), 10)
        };
        let found = match bench.db.image_list(&query).await {
            Ok(_) => "page",
            Err(ListError::MarkerUnknown) => "unknown",
            Err(ListError::MarkerNotVisible) => "not visible",
            Err(ListError::Database(error)) => panic!("{error}"),
        };
        assert_eq!(found, expected, "{project}");
    };
    let shared = bench.queued().await;
    add_member(&bench.dir, shared, "proj-b", "pending").await;
    check(shared, "proj-a", "page").await;
    check(shared, "proj-b", "page").await;
    check(shared, "proj-c", "not visible").await;
    check(ImageId::random(), "proj-a", "unknown").await;
    bench.db.image_delete(shared, at(1)).await.unwrap();
    check(shared, "proj-a", "unknown").await;
}

async fn a_damaged_row_is_left_out_and_the_rest_is_shown() {
    let bench = Bench::new().await;
    let (damaged, whole) = (bench.queued().await, bench.queued().await);
    bench.dir.run(&format!("UPDATE images SET status = 'odd' WHERE id = '{damaged}'")).await;
    let page = bench.db.image_list(&ListQuery::newest(Context::unauthenticated(), 10)).await;
    let ids: Vec<_> = page.unwrap().images.iter().map(|image| image.id).collect();
    assert_eq!(ids, [whole]);
    assert!(bench.db.image_get(damaged).await.is_err());
}

controlplane_testing::on_every_database!(
    pages_follow_each_other_as_in_the_model,
    a_page_costs_the_same_number_of_statements_whatever_is_on_it,
    images_of_a_list_are_whole,
    a_marker_must_exist_and_be_visible,
    a_damaged_row_is_left_out_and_the_rest_is_shown,
);
