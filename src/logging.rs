//! Log lines to standard error, one event a line.
//!
//! `RUST_LOG` overrules everything; else `debug` decides between INFO and DEBUG for our own code.
//! The libraries of the link stay at WARN: what they have to say at INFO is about single packets.

use tracing_subscriber::EnvFilter;

/// Starts logging. Called once, before anything is started.
pub(crate) fn start(debug: bool) {
    let own = if debug { "debug" } else { "info" };
    let fallback = format!("{own},quinn=warn,quinn_proto=warn,rustls=warn,sqlx=warn,h2=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
