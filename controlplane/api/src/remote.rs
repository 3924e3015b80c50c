//! What lies behind a URL that a caller gives: how many bytes, if any (Glance: `glance/location.py`,
//! `_check_location_uri`; `glance_store/_drivers/http.py`, `Store.get_size`).
//!
//! Asks the host with a HEAD request and reads no byte of an image. Leaves what follows from the
//! answer to `controlplane/domain`. Invariants: a host is asked only after the filter let its name
//! and its address pass, at that very address, also where an answer redirects; an answer is read
//! with a bound and within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use controlplane_domain::locations::Place;
use controlplane_domain::uri::{self, Uri, UriFilter};
use glint_image::limits::{HEAD_BYTES_MAX, LOOK_MS_MAX, LOOK_REDIRECTS_MAX};
use tokio::net::TcpStream;

/// Where to go on.
#[derive(Debug)]
enum Answer {
    Place(Place),
    Moved(String),
}

/// Looks at a URL. `schemes` are those of the stores there are.
pub(crate) async fn look(url: &str, schemes: &[&str], filter: &UriFilter) -> Place {
    let known = uri::scheme(url).is_some_and(|scheme| schemes.contains(&scheme.as_str()));
    if !known {
        return Place::Unfit;
    }
    let deadline = Duration::from_millis(LOOK_MS_MAX);
    // Who answers too late may answer another time; the caller is told as of one that is not there.
    let found = tokio::time::timeout(deadline, follow(url, filter)).await;
    found.unwrap_or(Place::Malformed)
}

/// Whether a URL's host passes the filter, names resolved.
pub(crate) async fn passes(url: &str, filter: &UriFilter) -> bool {
    let deadline = Duration::from_millis(LOOK_MS_MAX);
    match Uri::parse(url) {
        Some(uri) => {
            let addresses = tokio::time::timeout(deadline, addresses(&uri, filter)).await;
            addresses.is_ok_and(|addresses| !addresses.is_empty())
        }
        None => false,
    }
}

async fn follow(url: &str, filter: &UriFilter) -> Place {
    let mut url = url.to_owned();
    for _ in 0..LOOK_REDIRECTS_MAX {
        let Some(uri) = Uri::parse(&url).filter(|uri| uri.scheme.starts_with("http")) else {
            return Place::Malformed;
        };
        let addresses = addresses(&uri, filter).await;
        if addresses.is_empty() {
            return Place::Unfit;
        }
        match ask_any(&uri, &addresses).await {
            Ok(Answer::Place(place)) => return place,
            Ok(Answer::Moved(next)) => url = next,
            Err(error) => {
                tracing::debug!(host = uri.host, %error, "a location cannot be looked at");
                return Place::Malformed;
            }
        }
    }
    Place::Unfit
}

/// The addresses of a URL's host that may be asked.
async fn addresses(uri: &Uri, filter: &UriFilter) -> Vec<SocketAddr> {
    if !filter.admits(uri) {
        return Vec::new();
    }
    let port = uri.port_or_default();
    let found: Vec<IpAddr> = match uri.host.parse() {
        Ok(address) => vec![address],
        Err(_) => {
            // With a dot at its end a number is a name, and not an address spelt oddly.
            let dot = if uri.host.ends_with('.') { "" } else { "." };
            match tokio::net::lookup_host((format!("{}{dot}", uri.host), port)).await {
                Ok(found) => found.map(|address| address.ip()).collect(),
                Err(error) => {
                    tracing::debug!(host = uri.host, %error, "a host has no address");
                    Vec::new()
                }
            }
        }
    };
    let pass = |address: &IpAddr| filter.admits_address(&uri.host, *address);
    found.into_iter().filter(pass).map(|address| SocketAddr::new(address, port)).collect()
}

async fn ask_any(uri: &Uri, addresses: &[SocketAddr]) -> io::Result<Answer> {
    if uri.scheme != "http" {
        return Err(io::Error::other("only http is spoken here"));
    }
    let mut last = io::Error::other("no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return ask(uri, &stream).await,
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(uri: &Uri, stream: &TcpStream) -> io::Result<Answer> {
    let host = if uri.host.contains(':') { format!("[{}]", uri.host) } else { uri.host.clone() };
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    let request = format!(
        "HEAD {} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: glint\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        uri.target
    );
    let mut left = request.as_bytes();
    while !left.is_empty() {
        stream.writable().await?;
        match stream.try_write(left) {
            Ok(count) => left = &left[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    read(&head(stream).await?).ok_or_else(|| io::Error::other("no answer of HTTP"))
}

/// Everything up to the blank line, or to the end.
async fn head(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.readable().await?;
        match stream.try_read(&mut piece) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("the answer's head is too long"));
        }
    }
    Ok(head)
}

/// What an answer's head says (`Store._query`, `Store._check_store_uri`).
fn read(head: &[u8]) -> Option<Answer> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse::<u16>().ok()?;
    let header = |wanted: &str| {
        head.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    Some(match status {
        // What comes before the answer proper is not expected of a HEAD request.
        100..=199 => return None,
        200..=299 => match header("content-length") {
            None => Answer::Place(Place::Unfit),
            Some(length) => Answer::Place(Place::Bytes(length.parse().ok()?)),
        },
        301 | 302 => Answer::Moved(header("location")?),
        404 => Answer::Place(Place::Unfit),
        _ => Answer::Place(Place::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Serves these answers, one connection each.
    async fn serve(answers: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().await.expect("a client");
                let request = head(&stream).await.expect("a request");
                let line = String::from_utf8(request).expect("text");
                asked.push(line.lines().next().unwrap_or_default().to_owned());
                stream.writable().await.expect("room");
                stream.try_write(answer.as_bytes()).expect("room");
            }
            asked
        });
        (port, served)
    }

    fn filter(port: u16) -> UriFilter {
        UriFilter {
            allowed_hosts: vec!["127.0.0.1".to_owned()],
            allowed_ports: vec![port],
            ..UriFilter::default()
        }
    }

    async fn check(answer: &str, expected: Place) {
        let (port, served) = serve(vec![answer.to_owned()]).await;
        let url = format!("http://127.0.0.1:{port}/a?b");
        assert_eq!(look(&url, &["http"], &filter(port)).await, expected, "{answer:?}");
        assert_eq!(served.await.expect("it served"), ["HEAD /a?b HTTP/1.1"]);
    }

    #[tokio::test]
    async fn answers_tell_the_size_or_that_there_is_none() {
        let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}\r\n");
        check(&ok("Content-Type: a\r\ncontent-LENGTH: 42\r\n"), Place::Bytes(42)).await;
        check(&ok("Content-Length: 0\r\n"), Place::Bytes(0)).await;
        check(&ok(""), Place::Unfit).await;
        check(&ok("Content-Length: x\r\n"), Place::Malformed).await;
        check("HTTP/1.0 404 No\r\n\r\n", Place::Unfit).await;
        check("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", Place::Malformed).await;
        check("HTTP/1.1 303 See\r\nLocation: /x\r\n\r\n", Place::Malformed).await;
        check("HTTP/1.1 302 Found\r\nLocation: /relative\r\n\r\n", Place::Malformed).await;
        check("SSH-2.0\r\n\r\n", Place::Malformed).await;
        check("", Place::Malformed).await;
    }

    #[tokio::test]
    async fn redirects_are_followed_through_the_filter() {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_owned();
        let (port, served) = serve(vec![good]).await;
        let there = format!("HTTP/1.1 301 M\r\nLocation: http://127.0.0.1:{port}/to\r\n\r\n");
        let (first, redirected) = serve(vec![there]).await;
        let mut both = filter(port);
        both.allowed_ports.push(first);
        let url = format!("http://127.0.0.1:{first}/from");
        assert_eq!(look(&url, &["http"], &both).await, Place::Bytes(7));
        assert_eq!(redirected.await.expect("it served"), ["HEAD /from HTTP/1.1"]);
        assert_eq!(served.await.expect("it served"), ["HEAD /to HTTP/1.1"]);

        let away = "HTTP/1.1 301 M\r\nLocation: http://127.0.0.2:80/\r\n\r\n".to_owned();
        let (port, served) = serve(vec![away]).await;
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(look(&url, &["http"], &filter(port)).await, Place::Unfit);
        served.await.expect("it served");
    }

    #[tokio::test]
    async fn nobody_is_asked_whom_the_filter_keeps_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let url = format!("http://127.0.0.1:{port}/");
        let open = UriFilter { allowed_ports: vec![port], ..UriFilter::default() };
        assert_eq!(look(&url, &["http"], &open).await, Place::Unfit);
        assert_eq!(look(&url, &["file"], &filter(port)).await, Place::Unfit);
        assert_eq!(look("file:///etc/passwd", &["http"], &filter(port)).await, Place::Unfit);
        assert_eq!(look("http:///x", &["http"], &filter(port)).await, Place::Malformed);
        assert!(!passes(&url, &open).await && passes(&url, &filter(port)).await);
        let accepted = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(accepted.is_err(), "a connection came");
    }
}
