//! TLS with a worthless certificate, signed by a worthless authority. It is for 127.0.0.1, `localhost` and the names of
//! the recorded services.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const SERVER: &[u8] = include_bytes!("../../keys/worthless_server.pem");

/// The file of the authority, for `SSL_CERT_FILE`.
pub fn authority() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys/worthless_authority.pem");
    file.to_str().unwrap().to_owned()
}

pub fn acceptor() -> TlsAcceptor {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(SERVER).collect();
    let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.unwrap(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Accepts TLS connections and passes their contents to `target`. Ends with the runtime.
pub async fn in_front_of(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor().accept(stream).await {
                    let mut behind = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut behind).await;
                }
            });
        }
    });
    address
}
