//! The order of a run: targets, check of the bytes, rounds in turns, report.

use crate::cli::{Cli, Common, What};
use crate::http::HttpError;
use crate::load::{Round, Work, round};
use crate::pattern::Pattern;
use crate::report::{self, Before, Figures, Unit};
use crate::target::{Image, Target};
use crate::url::Url;
use std::io::Write;
use std::time::Duration;

/// Why a measurement did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The command line asks for what cannot be measured.
    #[error("{0}")]
    Usage(&'static str),
    /// A server failed.
    #[error("{url}: {source}")]
    Server {
        /// Which one.
        url: Url,
        /// How.
        source: HttpError,
    },
    /// The two URLs are not comparable.
    #[error("the URLs do not serve the same bytes")]
    Different,
    /// Memory for the bytes to send, or standard output, is not to be had.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Measures, and writes the report.
///
/// # Errors
/// [`BenchError`]; images made on the servers were deleted as far as those still answer.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), BenchError> {
    let (common, unit) = match &cli.what {
        What::Download(common) | What::Upload(common) => (common, Unit::Gibibyte),
        What::Meta(common) => (common, Unit::Request),
    };
    if common.against.len() > 2 {
        return Err(BenchError::Usage("--against takes one URL or two"));
    }
    if common.pid.len() > common.against.len() {
        return Err(BenchError::Usage("--pid takes one process for each URL"));
    }
    let before = Before::look();
    let targets = common
        .against
        .iter()
        .map(|url| Target::new(url, common).map_err(failed(url)))
        .collect::<Result<Vec<_>, _>>()?;
    let all = match &cli.what {
        What::Download(_) => download(common, &targets)?,
        What::Upload(_) => upload(common, &targets)?,
        What::Meta(_) => meta(common, &targets)?,
    };
    let text = if common.json {
        report::json(common, unit, before, &all)
    } else {
        report::table(common, unit, before, &all)
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn failed(url: &Url) -> impl FnOnce(HttpError) -> BenchError {
    let url = url.clone();
    move |source| BenchError::Server { url, source }
}

fn download(common: &Common, targets: &[Target]) -> Result<Vec<Figures>, BenchError> {
    let pattern = Pattern::new(common.size);
    let mut images: Vec<Option<Image<'_>>> = Vec::new();
    let mut seen = Vec::new();
    for target in targets {
        let failed = || failed(&target.url);
        let (image, inspected) = match target.url.path() {
            Some(path) => (None, target.inspect(path, None).map_err(failed())?),
            None => {
                let file = pattern.file()?;
                let image = uploaded(target, &pattern, &file).map_err(failed())?;
                let path = image.file_path();
                let inspected = target.inspect(&path, Some(&pattern)).map_err(failed())?;
                (Some(image), inspected)
            }
        };
        images.push(image);
        seen.push(inspected);
    }
    if seen.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(BenchError::Different);
    }
    let paths: Vec<String> = targets
        .iter()
        .zip(&images)
        .map(|(target, image)| match image {
            Some(image) => image.file_path(),
            None => target.url.path().unwrap_or("/").to_owned(),
        })
        .collect();
    in_turns(common, targets, |index| Work::Download { path: &paths[index] })
}

fn upload(common: &Common, targets: &[Target]) -> Result<Vec<Figures>, BenchError> {
    if targets.iter().any(|target| target.url.path().is_some()) {
        return Err(BenchError::Usage("upload needs servers: http://host:port"));
    }
    let pattern = Pattern::new(common.size);
    let file = pattern.file()?;
    for target in targets {
        let check = || {
            let image = uploaded(target, &pattern, &file)?;
            target.inspect(&image.file_path(), Some(&pattern))
        };
        check().map_err(failed(&target.url))?;
    }
    in_turns(common, targets, |_| Work::Upload { file: &file, pattern: &pattern })
}

fn meta(common: &Common, targets: &[Target]) -> Result<Vec<Figures>, BenchError> {
    let paths: Vec<&str> =
        targets.iter().map(|target| target.url.path().unwrap_or(&common.path)).collect();
    in_turns(common, targets, |index| Work::Request { path: paths[index] })
}

fn uploaded<'a>(
    target: &'a Target,
    pattern: &Pattern,
    file: &std::fs::File,
) -> Result<Image<'a>, HttpError> {
    let image = target.create()?;
    let mut connection = crate::http::Connection::open(target.address)?;
    image.upload(&mut connection, file, pattern.length)?;
    Ok(image)
}

/// For each number of connections, rounds on every target in turn.
fn in_turns<'a>(
    common: &Common,
    targets: &[Target],
    work: impl Fn(usize) -> Work<'a>,
) -> Result<Vec<Figures>, BenchError> {
    let length = Duration::from_secs(common.seconds.into());
    let mut all = Vec::new();
    for connections in &common.conns {
        let mut rounds: Vec<Vec<Round>> = targets.iter().map(|_| Vec::new()).collect();
        for _ in 0..common.rounds {
            for (index, target) in targets.iter().enumerate() {
                let processes = common.pid.get(index).map(|processes| processes.0.as_slice());
                let done = round(target, work(index), *connections, length, processes)
                    .map_err(failed(&target.url))?;
                rounds[index].push(done);
            }
        }
        all.push(Figures { connections: *connections, rounds });
    }
    Ok(all)
}
