//! Times pages of a large catalogue as the control plane reads them: for an administrator and for a
//! member of a project, from the beginning and from the middle by marker.
//!
//! Leaves filling the catalogue to `bench/catalogue/run`. Prints one line for each; the time is that
//! of the whole call, the best and the worst of several.

#![allow(clippy::print_stdout, reason = "the result is what is printed")]

use std::time::{Duration, Instant};

use controlplane_db::{Database, Direction, ListError, ListQuery, SortKey, VisibilityFilter};
use controlplane_domain::Context;
use glint_image::ImageId;

const ROUNDS: u32 = 20;
const LIMIT: u32 = 25;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "pages URL PROJECT MARKER";
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or(usage);
    let (url, project) = (argument()?, argument()?);
    let marker = ImageId::parse(&argument()?).map_err(|_| usage)?;
    let db = Database::connect(&url).await?;
    let admin = Context::unauthenticated();
    let member = Context { project: Some(project.clone()), ..Context::default() };
    for (who, context) in [("administrator", admin), ("member", member)] {
        let newest = ListQuery::newest(context, LIMIT);
        let by_name =
            ListQuery { sort: vec![(SortKey::Name, Direction::Ascending)], ..newest.clone() };
        let shared = ListQuery {
            visibility: VisibilityFilter::Only(glint_image::Visibility::Shared),
            ..newest.clone()
        };
        time(&db, &format!("{who}, newest first"), &newest).await?;
        let middle = ListQuery { marker: Some(marker), ..newest };
        time(&db, &format!("{who}, newest first, from the middle"), &middle).await?;
        time(&db, &format!("{who}, visibility=shared"), &shared).await?;
        if std::env::var_os("GLINT_BENCH_BY_NAME").is_some() {
            time(&db, &format!("{who}, by name"), &by_name).await?;
        }
    }
    db.close().await;
    Ok(())
}

async fn time(db: &Database, what: &str, query: &ListQuery) -> Result<(), ListError> {
    let before = db.statements();
    let (mut best, mut worst) = (Duration::MAX, Duration::ZERO);
    let mut images = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        images = db.image_list(query).await?.images.len();
        best = best.min(begun.elapsed());
        worst = worst.max(begun.elapsed());
    }
    let statements = (db.statements() - before) / u64::from(ROUNDS);
    println!("{what}: {images} images, {statements} statements, {best:.1?} to {worst:.1?}");
    Ok(())
}
