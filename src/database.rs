//! `[database]`: what the control plane's database is opened with.
//!
//! What the options mean is oslo.db's (`oslo_db/options.py`); opening is left to the control plane.
//! Options of oslo.db that are not read here concern SQLAlchemy's own machinery: they are named in
//! the log as not honoured.

use std::time::Duration;

use controlplane_db::DatabaseOptions;
use glint_config::{Config, Reader};

use crate::exit::Failure;

/// Reads the section; `url` is `connection`, or what stands for it.
pub(crate) fn read(config: &Config, url: &str) -> Result<DatabaseOptions, Failure> {
    let read = Reader::new(config);
    let number =
        |name: &'static str| read.number::<i64>("database", name).map_err(Failure::configuration);
    let text = |name: &'static str| read.text("database", name).map_err(Failure::configuration);
    let presets = DatabaseOptions::new(url);
    // 0 connections in the pool, or -1 more than it holds, mean any number.
    let pool = number("max_pool_size")?.filter(|&most| most > 0).unwrap_or(i64::MAX);
    let more = number("max_overflow")?.filter(|&most| most >= 0).unwrap_or(i64::MAX);
    let seconds = |number: Option<i64>| {
        number.and_then(|number| u64::try_from(number).ok()).map(Duration::from_secs)
    };
    // -1 is for ever.
    let retries = number("max_retries")?.and_then(|most| u32::try_from(most).ok());
    let wait = number("mysql_wsrep_sync_wait")?.and_then(|bits| u32::try_from(bits).ok());
    Ok(DatabaseOptions {
        url: with_parameters(url, text("connection_parameters")?.as_deref()),
        connections_max: u32::try_from(pool.saturating_add(more)).unwrap_or(u32::MAX),
        wait_max: seconds(number("pool_timeout")?).unwrap_or(presets.wait_max),
        recycle: seconds(number("connection_recycle_time")?).filter(|age| !age.is_zero()),
        attempts_max: retries.map(|most| most.saturating_add(1)),
        attempts_apart: seconds(number("retry_interval")?).unwrap_or(presets.attempts_apart),
        mysql_sql_mode: text("mysql_sql_mode")?,
        mysql_wsrep_sync_wait: wait,
    })
}

fn with_parameters(url: &str, parameters: Option<&str>) -> String {
    match parameters {
        None => url.to_owned(),
        Some(parameters) if url.contains('?') => format!("{url}&{parameters}"),
        Some(parameters) => format!("{url}?{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(lines: &str) -> DatabaseOptions {
        let mut config = Config::new();
        let file = format!("[database]\n{lines}");
        config.add_file("glance-api.conf", file.as_bytes()).expect("a well-formed file");
        read(&config, "mysql://db/glance").unwrap_or_else(|_| panic!("{lines} is refused"))
    }

    #[test]
    fn presets_are_oslo_dbs() {
        let (found, expected) = (section(""), DatabaseOptions::new("mysql://db/glance"));
        assert_eq!(found, expected);
    }

    #[test]
    fn options_act() {
        let found = section(
            "max_pool_size = 7\nmax_overflow = 2\npool_timeout = 9\nconnection_recycle_time = -1\n\
             max_retries = -1\nretry_interval = 3\nmysql_sql_mode =\nmysql_wsrep_sync_wait = 1\n\
             connection_parameters = charset=utf8\n",
        );
        let expected = DatabaseOptions {
            url: "mysql://db/glance?charset=utf8".to_owned(),
            connections_max: 9,
            wait_max: Duration::from_secs(9),
            recycle: None,
            attempts_max: None,
            attempts_apart: Duration::from_secs(3),
            mysql_sql_mode: None,
            mysql_wsrep_sync_wait: Some(1),
        };
        assert_eq!(found, expected);
        assert_eq!(section("max_overflow = -1\n").connections_max, u32::MAX);
        assert_eq!(section("max_retries = 0\n").attempts_max, Some(1));
    }
}
