//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once.
//!
//! A thread of its own waits for them, so that the second is heard while the first is being obeyed.
//! What follows within a second is the same request: `timeout` signals the process and then its
//! group, so each arrives twice.

use crate::exit::Failure;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code after a second signal: what a shell reports for SIGINT.
const ABORTED: i32 = 130;

/// How long after the first a signal still counts as the first.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Waits for signals from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    first: Receiver<&'static str>,
}

/// Takes over the signals of the process.
pub(crate) fn watch() -> Result<Signals, Failure> {
    let fail = |error| Failure::system(format!("cannot watch for signals: {error}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(fail)?;
    let (mut terminate, mut interrupt) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::terminate()).map_err(fail)?,
            signal(SignalKind::interrupt()).map_err(fail)?,
        )
    };
    let (tell, first) = sync_channel(1);
    let wait = move || {
        runtime.block_on(async {
            let name = next(&mut terminate, &mut interrupt).await;
            // The main thread may be gone already, and the process with it.
            let _ = tell.send(name);
            let first = Instant::now();
            let mut name = next(&mut terminate, &mut interrupt).await;
            while first.elapsed() < SAME_REQUEST {
                name = next(&mut terminate, &mut interrupt).await;
            }
            tracing::warn!("{name} again: ending at once");
            std::process::exit(ABORTED);
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(fail)?;
    Ok(Signals { first })
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

impl Signals {
    /// Blocks until the process is asked to end; gives the signal's name.
    pub(crate) fn wait(&self) -> &'static str {
        self.first.recv().expect("the thread that sends lives as long as the process")
    }
}
