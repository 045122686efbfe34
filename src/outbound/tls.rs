//! The TLS configuration of all outgoing connections: rustls with ring, and the certificates that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Makes ring the cryptography of the process, for libraries that create their own configuration.
pub fn install_provider() {
    // If a provider is installed already, it stays.
    let _ = ring::default_provider().install_default();
}

/// The configuration of a client, created on first use. Reading the certificates of the system takes milliseconds, and a
/// load test opens thousands of connections.
///
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates, as they do with OpenSSL.
pub fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let made = CONFIG.get_or_init(|| {
        install_provider();
        let config = ClientConfig::builder()
            .with_root_certificates(system_roots())
            .with_no_client_auth();
        Arc::new(config)
    });
    Arc::clone(made)
}

/// The authorities that the system trusts. Unreadable ones are skipped with a warning.
fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("a certificate authority of this system could not be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        log::warn!(
            "this system has no certificate authorities, so every https address will be refused: install ca-certificates, or set SSL_CERT_FILE"
        );
    }
    roots
}
