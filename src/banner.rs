//! What an operator reads on standard output: where the service listens, what runs, and what to
//! type next.
//!
//! Standard output may be closed; nothing depends on it.

use dataplane_server::Data;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Who gets in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// In a few words.
    pub(crate) what: &'static str,
    /// Whether a request needs nothing to be let in.
    pub(crate) is_open: bool,
}

/// A data plane serves, with the control plane's database when that is in this process too.
pub(crate) fn serving(data: &Data, access: Access, datadir: &Path, database_url: Option<&str>) {
    let Access { what: access, is_open } = access;
    let bound = data.bound();
    let engines = data.engines();
    let url = url(bound);
    let mut text = format!("Glint {} serves images at {url}\n", env!("CARGO_PKG_VERSION"));
    text += &format!("  access     {access}\n");
    text += &format!(
        "  engines    sockets {}, disks {} ({})\n",
        engines.runtime, engines.bulk, engines.why
    );
    text += &format!("  images     {}\n", datadir.display());
    if let Some(database_url) = database_url {
        text += &format!("  database   {database_url}\n");
    }
    if !is_open {
        return say(&format!("{text}\nTry:\n  curl {url}/healthcheck\n"));
    }
    text += &format!(
        "\nTry:\n  curl {url}/v2/images\n  openstack --os-auth-type none --os-endpoint {url} \
         image list\n  glance --os-auth-token none --os-image-url {url} image-list\n"
    );
    say(&text);
}

/// A control plane alone.
pub(crate) fn controlling(link: SocketAddr, access: &str, database_url: &str) {
    say(&format!(
        "Glint {} control plane awaits data planes at {link} (UDP)\n  \
         access     {access}\n  database   {database_url}\n",
        env!("CARGO_PKG_VERSION")
    ));
}

/// `glint link init` is done.
pub(crate) fn link_made(dir: &Path) {
    let dir = dir.display();
    say(&format!(
        "Certificates of the link are in {dir}.\n  \
         Control planes need ca.pem, control.pem and control.key; data planes ca.pem, data.pem and data.key.\n  \
         Keep ca.key away from both.\n"
    ));
}

/// A URL that works from this machine also when the service listens on every address.
fn url(bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed standard output does not want to read this.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &str, expected: &str) {
        assert_eq!(url(bound.parse().expect("a valid address")), expected);
    }

    #[test]
    fn the_url_can_be_opened_from_here() {
        check("127.0.0.1:9292", "http://127.0.0.1:9292");
        check("0.0.0.0:80", "http://127.0.0.1:80");
        check("[::]:80", "http://[::1]:80");
        check("10.0.0.1:80", "http://10.0.0.1:80");
    }
}
