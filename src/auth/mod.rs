//! BRC-103 peer sessions and BRC-104 canonical bytes, without I/O.
//!
//! Invariants:
//!
//! - An identity counts only after a signature over a fresh nonce of this side. A claim proves nothing.
//!
//! - A message is valid only in the session that it names, and only from the identity of that session.
//!
//! - A message nonce is valid once in its session.
//!
//! - A message that fails verification changes nothing.
//!
//! - Secrets and the fields of certificates never appear in `Debug`, `Display` or logs.
//!
//! libsecp256k1 does the curve arithmetic. Tests compare its results with `bsv-sdk`.
#![warn(missing_docs)]

pub mod canonical;
mod certificates;
mod error;
mod identity;
mod keys;
mod message;
mod payload;
mod peer;
mod session;

pub use certificates::{
    CertificateDemand, CertificateError, CertificateType, DemandError, FieldRule,
    RequiredCertificates, RevealedCertificate, RevealedFields,
};
pub use error::{AuthError, KeyError};
pub use identity::Identity;
pub use keys::{Counterparty, DerSignature, KeyId, PairKeys, Protocol};
pub use message::numbers::Numbers;
pub use message::{AUTH_VERSION, AuthMessage, MessageType, NO_CERTIFICATES};
pub use payload::{SharedPayload, sha256};
pub use peer::{Handled, Peer, PeerConfig, Verified};
pub use session::nonce::{MAX_NONCE_BYTES, MAX_NONCE_CHARS, SeenNonces, message_nonce};
pub use session::store::{CachedSession, PENDING_TTL, SessionLimits, SessionStore, SessionUse};
pub use session::{InitialResponse, Session, SessionRecord};
