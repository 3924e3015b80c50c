//! Tasks: kept, listed in pages, forgotten.

use controlplane_db::{Direction, TaskColumn, TaskListError, TaskQuery};
use controlplane_domain::Context;
use controlplane_domain::tasks::{Task, TaskId, TaskStatus, TaskType};
use glint_image::ImageId;
use serde_json::json;

use crate::harness::{Bench, at};

fn task(owner: &str, seconds: i64) -> Task {
    Task {
        id: TaskId::new(ImageId::random().to_string()),
        kind: TaskType::ApiImageImport,
        status: TaskStatus::Pending,
        owner: owner.to_owned(),
        expires_at: None,
        created_at: at(seconds),
        updated_at: at(seconds),
        deleted_at: None,
        deleted: false,
        image_id: None,
        request_id: Some("req-1".to_owned()),
        user_id: None,
        input: Some(json!({"a": ["ü", null], "b": {"c": 1}})),
        result: None,
        message: Some(String::new()),
    }
}

fn query(context: Context) -> TaskQuery {
    TaskQuery {
        context,
        filters: Vec::new(),
        sort: TaskColumn::CreatedAt,
        direction: Direction::Descending,
        marker: None,
        limit: 100,
    }
}

fn of(project: &str) -> Context {
    Context { project: Some(project.to_owned()), ..Context::default() }
}

fn admin() -> Context {
    Context { is_admin: true, ..of("adm") }
}

async fn listed(bench: &Bench, query: &TaskQuery) -> Vec<TaskId> {
    let tasks = bench.db.task_list(query, at(1_000)).await.unwrap();
    tasks.into_iter().map(|task| task.id).collect()
}

async fn every_field_survives_the_way_through_the_database() {
    let bench = Bench::new().await;
    let expected = Task {
        kind: TaskType::Import,
        status: TaskStatus::Success,
        expires_at: Some(at(9_000)),
        updated_at: at(7),
        image_id: Some("i".to_owned()),
        user_id: Some("u".to_owned()),
        result: Some(json!({"image_id": "i"})),
        message: Some("Copied 0 MiB".to_owned()),
        ..task("a", 3)
    };
    bench.db.task_create(&expected).await.unwrap();
    assert_eq!(bench.db.task(&expected.id).await.unwrap(), Some(expected.clone()));
    let stub = Task { input: None, result: None, message: None, ..expected };
    assert_eq!(bench.db.task_list(&query(of("a")), at(8)).await.unwrap(), [stub]);
    assert_eq!(bench.db.task(&TaskId::new("nope")).await.unwrap(), None);
}

async fn projects_see_their_own_tasks_and_admins_all() {
    let bench = Bench::new().await;
    let (a, b) = (task("a", 1), task("b", 2));
    bench.db.task_create(&a).await.unwrap();
    bench.db.task_create(&b).await.unwrap();
    assert_eq!(listed(&bench, &query(of("a"))).await, std::slice::from_ref(&a.id));
    assert_eq!(listed(&bench, &query(Context::default())).await, []);
    assert_eq!(listed(&bench, &query(admin())).await, [b.id.clone(), a.id.clone()]);
    let with_marker = |id: &TaskId| TaskQuery { marker: Some(id.clone()), ..query(of("a")) };
    let foreign = bench.db.task_list(&with_marker(&b.id), at(3)).await;
    assert!(matches!(foreign, Err(TaskListError::MarkerNotVisible)), "{foreign:?}");
    let unknown = bench.db.task_list(&with_marker(&TaskId::new("nope")), at(3)).await;
    assert!(matches!(unknown, Err(TaskListError::MarkerUnknown)), "{unknown:?}");
    let filters = vec![(TaskColumn::Owner, "b".to_owned()), (TaskColumn::ImageId, String::new())];
    assert_eq!(listed(&bench, &TaskQuery { filters, ..query(admin()) }).await, [b.id]);
}

async fn following_the_markers_shows_every_task_once_in_every_order() {
    let bench = Bench::new().await;
    for number in 0..7 {
        // Times, kinds, images and ends repeat.
        let expires_at = (number % 3 == 0).then(|| at(2_000 + number % 2));
        let image_id = (number % 2 == 0).then(|| format!("i{}", number % 4));
        let made = Task { expires_at, image_id, ..task("a", number % 3) };
        bench.db.task_create(&made).await.unwrap();
    }
    let columns = ["id", "type", "status", "owner", "image_id", "request_id", "user_id"];
    let times = ["created_at", "updated_at", "expires_at"];
    for name in columns.iter().chain(&times) {
        let sort = TaskColumn::parse(name).expect("a column");
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut query = TaskQuery { sort, direction, ..query(admin()) };
            let all = listed(&bench, &query).await;
            query.limit = 2;
            let mut seen = Vec::new();
            loop {
                let page = listed(&bench, &query).await;
                seen.extend(page.iter().cloned());
                let Some(last) = page.last() else { break };
                query.marker = Some(last.clone());
            }
            assert_eq!((seen.len(), &seen), (7, &all), "{name} {direction:?}");
        }
    }
}

async fn the_expired_are_forgotten_when_their_project_looks() {
    let bench = Bench::new().await;
    let old = Task { expires_at: Some(at(10)), ..task("a", 1) };
    let young = Task { expires_at: Some(at(5_000)), ..task("a", 2) };
    for each in [&old, &young] {
        bench.db.task_create(each).await.unwrap();
    }
    let left = bench.db.task_list(&query(admin()), at(20)).await.unwrap();
    assert_eq!(left.len(), 2, "another project's look forgets nothing");
    assert_eq!(listed(&bench, &query(of("a"))).await, std::slice::from_ref(&young.id));
    let forgotten = bench.db.task(&old.id).await.unwrap().unwrap();
    assert_eq!((forgotten.deleted, forgotten.deleted_at), (true, Some(at(1_000))));
    assert_eq!(listed(&bench, &query(admin())).await, [young.id]);
}

async fn an_images_tasks_are_told_oldest_first_until_they_expire() {
    let bench = Bench::new().await;
    let image = ImageId::random();
    let of_image = |seconds| Task { image_id: Some(image.to_string()), ..task("a", seconds) };
    let late = of_image(9);
    let early = Task { expires_at: Some(at(100)), ..of_image(1) };
    for each in [&late, &early, &task("a", 5)] {
        bench.db.task_create(each).await.unwrap();
    }
    assert_eq!(bench.db.image_tasks(image, at(50)).await.unwrap(), [early, late.clone()]);
    assert_eq!(bench.db.image_tasks(image, at(101)).await.unwrap(), [late]);
}

async fn a_page_costs_a_fixed_number_of_statements() {
    let bench = Bench::new().await;
    let mut costs = Vec::new();
    for count in [1, 10] {
        for number in 0..count {
            bench.db.task_create(&task("a", number)).await.unwrap();
        }
        let before = bench.db.statements();
        listed(&bench, &query(of("a"))).await;
        costs.push(bench.db.statements() - before);
    }
    assert_eq!(costs[0], costs[1]);
}

controlplane_testing::on_every_database!(
    every_field_survives_the_way_through_the_database,
    projects_see_their_own_tasks_and_admins_all,
    following_the_markers_shows_every_task_once_in_every_order,
    the_expired_are_forgotten_when_their_project_looks,
    an_images_tasks_are_told_oldest_first_until_they_expire,
    a_page_costs_a_fixed_number_of_statements,
);
