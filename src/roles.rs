//! What each role does from start to end: read, bind, say so, wait, stop in reverse order.

use crate::banner::{self, Access};
use crate::cli::{self, Common, Link, Role};
use crate::configuration::{self, Configuration};
use crate::database;
use crate::edge;
use crate::exit::{Failure, Kind};
use crate::logging;
use crate::manage;
use crate::pipeline;
use crate::planes::{ControlPlane, LEASE, start_data, stop_data};
use crate::review;
use crate::signals::{self, Signals};
use crate::state::{self, StateDir};
use controlplane_db::url::shown;
use controlplane_server::ControlOptions;
use dataplane_server::DataOptions;
use glint_quic::{Credentials, ca};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// How long the start waits for the two planes of one process to find each other. They need a few
/// milliseconds; after this it goes on, and requests are told to come again.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Plays a role to its end.
pub(crate) fn play(role: Role) -> Result<(), Failure> {
    match role {
        Role::Serve(flags) => serve(&flags),
        Role::Control(flags) => control(&flags),
        Role::Data(flags) => data(&flags),
        Role::Link(Link::Init { dir }) => init_link(&dir),
        Role::Manage(flags) => manage::run(flags),
        Role::Config(command) => review::run(&command),
        Role::Bench(bench) => glint_bench::run(&bench, &mut std::io::stdout())
            .map_err(|error| Failure::new(Kind::Command, error)),
    }
}

/// What every serving role has before it starts a plane. Signals are watched first: one that comes
/// early is not lost.
struct Ground {
    configuration: Configuration,
    signals: Signals,
    _state: StateDir,
}

fn prepare(common: &Common) -> Result<Ground, Failure> {
    let configuration = configuration::read(common)?;
    logging::start(common.debug || configuration.debug());
    configuration.log_what_has_no_effect();
    let signals = signals::watch()?;
    let state = state::take(configuration.state_dir())?;
    Ok(Ground { configuration, signals, _state: state })
}

fn serve(flags: &cli::Serve) -> Result<(), Failure> {
    let ground = prepare(&flags.common)?;
    let configuration = &ground.configuration;
    let bind = configuration.bind(flags.client.bind)?;
    let (control_proof, data_proof) = ca::ephemeral().map_err(Failure::system)?;
    // The link never leaves the machine and its certificates never leave the process.
    let link_bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = control_options(configuration, link_bind, control_proof, bind.port())?;
    let identity = &options.identity;
    let access = Access { what: identity.description(), is_open: identity.is_unauthenticated() };
    let control = ControlPlane::start(options)?;
    let options = data_options(configuration, bind, control.link_addr(), data_proof)?;
    let data = match start_data(options) {
        Ok(data) => data,
        Err(failure) => {
            control.stop();
            return Err(failure);
        }
    };
    data.wait_for_control(FIRST_WORD);
    banner::serving(
        &data,
        access,
        &configuration.datadir(),
        Some(&shown(&configuration.database_url())),
    );
    say_why_it_ends(&ground.signals);
    stop_data(data);
    control.stop();
    tracing::info!("ended in order");
    Ok(())
}

fn control(flags: &cli::Control) -> Result<(), Failure> {
    let ground = prepare(&flags.common)?;
    let proof = load(&flags.certificates.link_dir, ca::Role::Control)?;
    // The data planes of a fleet listen on the port that all of them have configured.
    let port = ground.configuration.bind(None)?.port();
    let options = control_options(&ground.configuration, flags.link_bind, proof, port)?;
    let access = options.identity.description();
    let control = ControlPlane::start(options)?;
    banner::controlling(control.link_addr(), access, &shown(&ground.configuration.database_url()));
    say_why_it_ends(&ground.signals);
    control.stop();
    tracing::info!("ended in order");
    Ok(())
}

fn data(flags: &cli::Data) -> Result<(), Failure> {
    let ground = prepare(&flags.common)?;
    let configuration = &ground.configuration;
    let bind = configuration.bind(flags.client.bind)?;
    let proof = load(&flags.certificates.link_dir, ca::Role::Data)?;
    let data = start_data(data_options(configuration, bind, flags.link, proof)?)?;
    banner::serving(
        &data,
        Access { what: "as the control plane decides", is_open: false },
        &configuration.datadir(),
        None,
    );
    say_why_it_ends(&ground.signals);
    stop_data(data);
    tracing::info!("ended in order");
    Ok(())
}

fn init_link(dir: &Path) -> Result<(), Failure> {
    ca::init(dir).map_err(Failure::system)?;
    banner::link_made(dir);
    Ok(())
}

fn load(dir: &Path, role: ca::Role) -> Result<Credentials, Failure> {
    ca::load(dir, role).map_err(|error| {
        Failure::configuration(format!("{error}; `glint link init` makes these files"))
    })
}

fn control_options(
    configuration: &Configuration,
    link_bind: SocketAddr,
    credentials: Credentials,
    port: u16,
) -> Result<ControlOptions, Failure> {
    let pipeline::Chosen { file, pipeline, identity } = pipeline::read(configuration)?;
    if identity.is_unsafe() {
        tracing::warn!(
            "{file}: {}; unsafe but for tests, or where no client can come",
            identity.description()
        );
    }
    Ok(ControlOptions {
        edge: edge::read(configuration.config(), &file, &pipeline, port)?,
        identity,
        policy: configuration.policy()?,
        database: database::read(configuration.config(), &configuration.database_url())?,
        link_bind,
        credentials,
        lease: LEASE,
        api: configuration.api()?,
    })
}

fn data_options(
    configuration: &Configuration,
    bind: SocketAddr,
    link: SocketAddr,
    credentials: Credentials,
) -> Result<DataOptions, Failure> {
    let datadir = configuration.datadir();
    state::make(&datadir)?;
    Ok(DataOptions {
        bind,
        link,
        credentials,
        state_dir: configuration.state_dir().to_owned(),
        datadir,
        shards: None,
        force_epoll: false,
    })
}

fn say_why_it_ends(signals: &Signals) {
    let name = signals.wait();
    tracing::info!("{name}: finishing what is under way; a second one ends at once");
}
