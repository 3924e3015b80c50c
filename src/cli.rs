//! The command line: roles, their flags, and the order in which configuration files were named.
//!
//! Leaves reading those files to [`crate::configuration`]. Bad usage ends the process here, with
//! clap's text and code 2.

use crate::manage::Manage;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An OpenStack Image service. Without a command it serves: both planes in one process.
#[derive(Debug, Parser)]
#[command(name = "glint", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    serve: Serve,
}

/// What this process is to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Serve images: the data plane and the control plane in one process
    Serve(Serve),
    /// Run the control plane alone, for data planes of a fleet
    Control(Control),
    /// Run a data plane alone
    Data(Data),
    /// Look after the certificates of the link between the planes
    #[command(subcommand)]
    Link(Link),
    /// Look after the database, as glance-manage does
    Manage(Manage),
    /// Look over configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measure this or another image server
    Bench(glint_bench::Cli),
}

/// `glint serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `glint control`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Control {
    /// UDP address on which data planes are awaited
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9191")]
    pub(crate) link_bind: SocketAddr,
    #[command(flatten)]
    pub(crate) certificates: Certificates,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `glint data`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Data {
    /// UDP address of the control plane
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9191")]
    pub(crate) link: SocketAddr,
    #[command(flatten)]
    pub(crate) certificates: Certificates,
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Where clients connect.
#[derive(Clone, Debug, Args)]
pub(crate) struct Client {
    /// Address and port for clients [default: bind_host and bind_port, else 127.0.0.1:9292]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) bind: Option<SocketAddr>,
}

/// What proves who speaks on the link.
#[derive(Clone, Debug, Args)]
pub(crate) struct Certificates {
    /// Directory made by `glint link init`
    #[arg(long, value_name = "DIR")]
    pub(crate) link_dir: PathBuf,
}

/// Flags of every serving role.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Configuration file in Glance's format; may be repeated, later ones win
    #[arg(long, value_name = "FILE")]
    config_file: Vec<PathBuf>,
    /// Directory whose *.conf files are read in alphabetical order; may be repeated
    #[arg(long, value_name = "DIR")]
    config_dir: Vec<PathBuf>,
    /// Where node id, lock, and without configuration database and images are kept
    #[arg(long, value_name = "DIR", default_value = "glint-state")]
    pub(crate) state_dir: PathBuf,
    /// Log in detail
    #[arg(long, short)]
    pub(crate) debug: bool,
    /// Files and directories together, as the command line orders them.
    #[arg(skip)]
    pub(crate) sources: Vec<Source>,
}

/// Something to read configuration from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Directory(PathBuf),
}

/// `glint link`.
#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// Make a certificate authority and one certificate for each plane
    Init {
        /// Directory to write ca, control and data files into; nothing in it is overwritten
        dir: PathBuf,
    },
}

/// `glint config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what the configuration comes to, and all that is odd about it
    Check {
        #[command(flatten)]
        common: Common,
        /// Show options that no file sets, too
        #[arg(long)]
        all: bool,
    },
    /// Write a file with every option commented out
    Sample,
}

/// Reads the command line, or ends the process: `--help`, `--version`, bad usage.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Role {
    try_parse(arguments).unwrap_or_else(|error| error.exit())
}

fn try_parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Role, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(role) = arguments.first().and_then(|name| role_of_name(Path::new(name))) {
        arguments.insert(1, role.into());
    }
    let manages = arguments.get(1).is_some_and(|word| word == "manage");
    let anywhere = if manages { take_sources(&mut arguments) } else { Vec::new() };
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let flags = matches.subcommand().map_or(&matches, |(_, flags)| flags);
    let mut role = cli.role.unwrap_or(Role::Serve(cli.serve));
    match &mut role {
        Role::Serve(Serve { common, .. })
        | Role::Control(Control { common, .. })
        | Role::Data(Data { common, .. }) => common.sources = sources(flags),
        Role::Manage(flags) => flags.sources = anywhere,
        Role::Config(ConfigCommand::Check { common, .. }) => {
            let flags = flags.subcommand().map_or(flags, |(_, flags)| flags);
            common.sources = sources(flags);
        }
        Role::Config(ConfigCommand::Sample) | Role::Link(_) | Role::Bench(_) => {}
    }
    Ok(role)
}

/// The role a link to the binary stands for. `glance-api` is Glance's name for its server.
fn role_of_name(program: &Path) -> Option<&'static str> {
    match program.file_name()?.to_str()? {
        "glance-api" => Some("serve"),
        "glance-manage" => Some("manage"),
        "glint-control" => Some("control"),
        "glint-data" => Some("data"),
        "glint-bench" => Some("bench"),
        _ => None,
    }
}

/// oslo.config reads files and directories in the order of the command line, so that later ones win
/// over earlier ones whichever kind they are (`cfg.py`, `_ConfigFileOpt` and `_ConfigDirOpt`).
fn sources(flags: &ArgMatches) -> Vec<Source> {
    let of = |id: &str, make: fn(PathBuf) -> Source| -> Vec<(usize, Source)> {
        let places = flags.indices_of(id).into_iter().flatten();
        let paths = flags.get_many::<PathBuf>(id).into_iter().flatten();
        places.zip(paths).map(|(place, path)| (place, make(path.clone()))).collect()
    };
    let mut all = of("config_file", Source::File);
    all.extend(of("config_dir", Source::Directory));
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, source)| source).collect()
}

/// Takes files and directories of configuration out of a command line, wherever they stand.
fn take_sources(arguments: &mut Vec<OsString>) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut at = 0;
    while at < arguments.len() {
        let word = arguments[at].to_string_lossy().into_owned();
        let (flag, inside) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let make = match flag {
            "--" => break,
            "--config-file" => Source::File,
            "--config-dir" => Source::Directory,
            _ => {
                at += 1;
                continue;
            }
        };
        if inside.is_none() && at + 1 == arguments.len() {
            break;
        }
        arguments.remove(at);
        let path = inside.map_or_else(|| arguments.remove(at), OsString::from);
        sources.push(make(PathBuf::from(path)));
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: impl FnOnce(Result<Role, clap::Error>) -> bool) {
        let role = try_parse(line.split(' ').map(OsString::from));
        let shown = format!("{role:?}");
        assert!(expected(role), "{line}: {shown}");
    }

    fn serves_on(role: Result<Role, clap::Error>, port: Option<u16>) -> bool {
        matches!(role, Ok(Role::Serve(serve))
            if serve.client.bind.map(|address| address.port()) == port)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serves_without_a_command() {
        check("glint", |role| serves_on(role, None));
        check("glint --bind 127.0.0.1:1", |role| serves_on(role, Some(1)));
        check("glint serve --bind [::1]:2", |role| serves_on(role, Some(2)));
        check("/usr/bin/glance-api --bind 127.0.0.1:3", |role| serves_on(role, Some(3)));
    }

    #[test]
    fn takes_its_role_from_its_name() {
        check("glint-control --link-dir x", |role| matches!(role, Ok(Role::Control(_))));
        check("./glint-data --link-dir x", |role| matches!(role, Ok(Role::Data(_))));
        check("glint config check --config-file a --all", |role| {
            matches!(role, Ok(Role::Config(ConfigCommand::Check { common, all: true }))
                if common.sources == [Source::File("a".into())])
        });
        check("glint config sample", |role| {
            matches!(role, Ok(Role::Config(ConfigCommand::Sample)))
        });
        check("glint link init x", |role| matches!(role, Ok(Role::Link(Link::Init { .. }))));
    }

    #[test]
    fn keeps_the_order_of_configuration() {
        let file = |name: &str| Source::File(name.into());
        let expected = [file("a"), Source::Directory("d".into()), file("b")];
        check(
            "glint serve --config-file a --config-dir d --config-file b",
            |role| matches!(role, Ok(Role::Serve(serve)) if serve.common.sources == expected),
        );
        let expected = [Source::Directory("d".into()), file("a")];
        check(
            "glint --config-dir d --config-file a",
            |role| matches!(role, Ok(Role::Serve(serve)) if serve.common.sources == expected),
        );
    }

    #[test]
    fn manages_by_either_name_with_configuration_anywhere() {
        let expected = [Source::File("a".into()), Source::Directory("d".into())];
        for line in [
            "glint manage --config-file a db sync --config-dir=d",
            "/usr/bin/glance-manage db_sync --config-file=a --config-dir d",
            "glance-manage db --config-file a purge --age_in_days -1 --config-dir d",
            "glance-manage db upgrade heads --config-file a --config-dir d",
        ] {
            check(
                line,
                |role| matches!(role, Ok(Role::Manage(flags)) if flags.sources == expected),
            );
        }
        check("glance-manage", |role| matches!(role, Ok(Role::Manage(_))));
    }

    #[test]
    fn bad_usage_is_code_2() {
        let usage =
            |role: Result<Role, clap::Error>| role.is_err_and(|error| error.exit_code() == 2);
        check("glint nonsense", usage);
        check("glint serve --nonsense", usage);
        check("glint serve --bind here", usage);
        check("glint control", usage);
        check("glance-manage nonsense", usage);
        check("glance-manage db nonsense", usage);
        check("glance-manage db purge --age_in_days x", usage);
        check("glance-manage db sync --config-file", usage);
        check("glint --bind 127.0.0.1:1 serve", usage);
    }
}
