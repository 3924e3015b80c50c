//! The two ends of the link: a listener for the control plane, a connector for a data node.
//!
//! Leaves reconnecting and everything on the streams to its caller. Invariants: TLS 1.3 with
//! certificates on both sides, checked during the handshake; a peer's address is validated (Retry)
//! before anything is kept for it; every buffer and stream count is bounded well below quinn's
//! defaults, which are sized for strangers on the open Internet.

use crate::ca::{Credentials, Role};
use glint_image::limits;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::client::{Resumption, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The protocol name both ends must offer.
pub const ALPN: &[u8] = b"glint-link/1";

/// A peer that is silent for this long is gone. Shorter than the default lease, so that a lost link
/// is known before the lease is.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an idle end shows that it lives: three times within the idle timeout.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Why an endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The socket could not be bound.
    #[error("cannot bind {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates are not usable.
    #[error("the link's certificates are not usable: {0}")]
    Credentials(String),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The attempt could not even begin (address or configuration).
    #[error(transparent)]
    Begin(#[from] quinn::ConnectError),
    /// The peer did not answer, or one end refused the other.
    #[error(transparent)]
    Handshake(#[from] quinn::ConnectionError),
}

/// The control plane's end.
#[derive(Debug)]
pub struct Listener {
    endpoint: quinn::Endpoint,
    address: SocketAddr,
}

/// A data node's end.
#[derive(Debug)]
pub struct Connector {
    endpoint: quinn::Endpoint,
    remote: SocketAddr,
}

// === impl Listener ===

impl Listener {
    /// Binds a UDP address. Must be called inside a tokio runtime with IO and time.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn bind(address: SocketAddr, credentials: &Credentials) -> Result<Self, OpenError> {
        let bind = |source| OpenError::Bind { address, source };
        let endpoint =
            quinn::Endpoint::server(server_config(credentials)?, address).map_err(bind)?;
        let address = endpoint.local_addr().map_err(bind)?;
        Ok(Self { endpoint, address })
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next attempt from a validated address; its handshake goes on in [`Accepted::finish`], so
    /// that a slow peer holds up nobody. `None` once the listener is closed.
    pub async fn accept(&self) -> Option<Accepted> {
        loop {
            let incoming = self.endpoint.accept().await?;
            if !incoming.remote_address_validated() {
                // Costs no state: the peer must come back with a token that proves it receives at
                // its address.
                if incoming.retry().is_err() {
                    tracing::debug!("a link attempt could not be asked to retry");
                }
                continue;
            }
            match incoming.accept() {
                Ok(connecting) => return Some(Accepted { connecting }),
                Err(error) => tracing::debug!(%error, "a link attempt failed at once"),
            }
        }
    }

    /// Closes every connection and stops accepting.
    pub fn close(&self, reason: &str) {
        self.endpoint.close(VarInt::from_u32(0), reason.as_bytes());
    }

    /// Waits until the peers have been told of [`Listener::close`].
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

/// An attempt whose address is validated and whose handshake is under way.
#[derive(Debug)]
pub struct Accepted {
    connecting: quinn::Connecting,
}

impl Accepted {
    /// Where the attempt comes from.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.connecting.remote_address()
    }

    /// Completes the handshake: afterwards the peer is a data node of our authority.
    ///
    /// # Errors
    /// [`ConnectError::Handshake`] for anyone else; bounded in time by the idle timeout.
    pub async fn finish(self) -> Result<quinn::Connection, ConnectError> {
        Ok(self.connecting.await?)
    }
}

// === impl Connector ===

impl Connector {
    /// Prepares to connect to a control plane from a free local port. Must be called inside a tokio
    /// runtime with IO and time.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn new(remote: SocketAddr, credentials: &Credentials) -> Result<Self, OpenError> {
        let address: SocketAddr = match remote {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let config = client_config(credentials)?;
        let mut endpoint = quinn::Endpoint::client(address)
            .map_err(|source| OpenError::Bind { address, source })?;
        endpoint.set_default_client_config(config);
        Ok(Self { endpoint, remote })
    }

    /// Connects: afterwards the peer is a control plane of our authority.
    ///
    /// Where the *server* refuses our certificate, TLS 1.3 lets us see that only after this
    /// returned: the first stream fails.
    ///
    /// # Errors
    /// [`ConnectError`]; bounded in time by the idle timeout.
    pub async fn connect(&self) -> Result<quinn::Connection, ConnectError> {
        let connecting = self.endpoint.connect(self.remote, Role::Control.dns_name())?;
        Ok(connecting.await?)
    }

    /// Closes every connection.
    pub fn close(&self, reason: &str) {
        self.endpoint.close(VarInt::from_u32(0), reason.as_bytes());
    }

    /// Waits until the peer has been told of [`Connector::close`].
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

// === configuration ===

/// Accepts certificates of our authority that carry the data role, and no other.
#[derive(Debug)]
struct DataRoleVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl ClientCertVerifier for DataRoleVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, &self.name)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn unusable(error: impl std::fmt::Display) -> OpenError {
    OpenError::Credentials(error.to_string())
}

fn roots(credentials: &Credentials) -> Result<Arc<RootCertStore>, OpenError> {
    let mut roots = RootCertStore::empty();
    roots.add(credentials.ca.clone()).map_err(unusable)?;
    Ok(Arc::new(roots))
}

fn server_config(credentials: &Credentials) -> Result<quinn::ServerConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = WebPkiClientVerifier::builder_with_provider(roots(credentials)?, provider.clone())
        .build()
        .map_err(unusable)?;
    let name = ServerName::try_from(Role::Data.dns_name()).expect("a constant DNS name");
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(DataRoleVerifier { chain, name }))
        .with_single_cert(vec![credentials.certificate.clone()], credentials.key.clone_key())
        .map_err(unusable)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: a link is set up rarely, and each time the whole check is made.
    tls.send_tls13_tickets = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(unusable)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport(limits::ASKS_IN_FLIGHT_MAX + 1)))
        .migration(false)
        .max_incoming(limits::LINK_INCOMING_MAX)
        .incoming_buffer_size(limits::LINK_INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(limits::LINK_INCOMING_BUFFERS_BYTES_MAX);
    Ok(config)
}

fn client_config(credentials: &Credentials) -> Result<quinn::ClientConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots(credentials)?)
        .with_client_auth_cert(vec![credentials.certificate.clone()], credentials.key.clone_key())
        .map_err(unusable)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = Resumption::disabled();
    let crypto = QuicClientConfig::try_from(tls).map_err(unusable)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    // The control plane opens no streams: it answers on those the data plane opened.
    config.transport_config(Arc::new(transport(0)));
    Ok(config)
}

fn transport(streams_from_peer_max: usize) -> TransportConfig {
    let count = |count: usize| VarInt::try_from(count as u64).expect("a small constant");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(count(streams_from_peer_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(count(limits::LINK_RECEIVE_WINDOW_BYTES))
        .send_window(limits::LINK_RECEIVE_WINDOW_BYTES as u64)
        .stream_receive_window(count(limits::LINK_STREAM_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(
            IdleTimeout::try_from(IDLE_TIMEOUT).expect("ten seconds fit the wire"),
        ))
        .keep_alive_interval(Some(KEEP_ALIVE));
    transport
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::ephemeral;

    /// A client that trusts the right authority but deviates as the caller says.
    fn deviant(data: &Credentials, certificate: bool, alpn: &[u8]) -> quinn::ClientConfig {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots(data).unwrap());
        let mut tls = if certificate {
            let chain = vec![data.certificate.clone()];
            builder.with_client_auth_cert(chain, data.key.clone_key()).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        tls.alpn_protocols = vec![alpn.to_vec()];
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    async fn is_let_in(certificate: bool, alpn: &[u8]) -> bool {
        let (control, data) = ephemeral().unwrap();
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), &control).unwrap();
        let mut client = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        client.set_default_client_config(deviant(&data, certificate, alpn));
        let connecting = client.connect(listener.local_addr(), Role::Control.dns_name()).unwrap();
        let attempt = async { listener.accept().await.unwrap().finish().await };
        let refused = async {
            // A refusal of the very first packet never becomes an attempt for the listener to
            // return.
            match connecting.await {
                Ok(connection) => connection.closed().await,
                Err(error) => error,
            }
        };
        tokio::time::timeout(IDLE_TIMEOUT / 2, async {
            tokio::select! {
                far = attempt => far.is_ok(),
                _ = refused => false,
            }
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn no_certificate_and_another_protocol_are_refused() {
        let check = async |certificate: bool, alpn: &[u8], expected: bool| {
            assert_eq!(is_let_in(certificate, alpn).await, expected, "{certificate} {alpn:?}");
        };
        check(true, ALPN, true).await;
        check(false, ALPN, false).await;
        check(true, b"h3", false).await;
    }
}
