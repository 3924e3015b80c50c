//! The flags of `glint bench`, with the bounds it keeps to.

use crate::url::Url;
use clap::{Args, Subcommand};

/// Measure this or another image server
#[derive(Clone, Debug, Args)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Download one image over and over: throughput and CPU seconds per GiB
    Download(Common),
    /// Upload images and delete them: throughput and CPU seconds per GiB
    Upload(Common),
    /// Ask for metadata on connections kept open: requests per second and their latency
    Meta(Common),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// What to measure: one URL, or two to compare. A server (http://host:port) gets an image of
    /// its own, deleted afterwards; a URL with a path is fetched as it is
    #[arg(long, required = true, value_delimiter = ',', num_args = 1, value_name = "URL[,URL]")]
    pub(crate) against: Vec<Url>,
    /// Connections at once
    #[arg(long, default_value = "1,8,64", value_delimiter = ',', value_name = "N[,N]",
          value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub(crate) conns: Vec<u32>,
    /// Rounds for each URL
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// Length of a round in seconds; an upload that has begun is finished
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// Process whose CPU time to count, for each URL; its children and `+`-joined others count with
    /// it
    #[arg(long, value_delimiter = ',', value_name = "PID[+PID][,PID]", value_parser = processes)]
    pub(crate) pid: Vec<Processes>,
    /// Size of the image in bytes
    #[arg(long, default_value_t = 256 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..=8 << 30))]
    pub(crate) size: u64,
    /// What `meta` asks a server for
    #[arg(long, default_value = "/v2/images", value_name = "PATH")]
    pub(crate) path: String,
    /// Header to send with every request, such as `X-Auth-Token: …`; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<String>,
    /// One JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The processes of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Processes(pub(crate) Vec<u32>);

fn processes(text: &str) -> Result<Processes, String> {
    let numbers: Result<Vec<u32>, _> = text.split('+').map(str::parse).collect();
    match numbers {
        Ok(numbers) if numbers.iter().all(|number| *number > 0) => Ok(Processes(numbers)),
        _ => Err("process numbers, joined by +".to_owned()),
    }
}

fn header(text: &str) -> Result<String, String> {
    let well_formed = text.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    });
    let printable = text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if well_formed && printable { Ok(text.to_owned()) } else { Err("not Name: value".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_process_numbers() {
        let check = |text: &str, expected: Option<&[u32]>| {
            assert_eq!(processes(text).ok().map(|found| found.0).as_deref(), expected, "{text}");
        };
        check("12", Some(&[12]));
        check("12+34", Some(&[12, 34]));
        check("", None);
        check("0", None);
        check("1+", None);
    }

    #[test]
    fn reads_headers() {
        let check = |text: &str, expected: bool| {
            assert_eq!(header(text).is_ok(), expected, "{text:?}");
        };
        check("X-Auth-Token: a:b", true);
        check("X-Auth-Token", false);
        check(": x", false);
        check("A: b\r\nC: d", false);
        check("A B: c", false);
    }
}
