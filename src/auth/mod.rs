//! BRC-103 peer sessions and BRC-104 canonical bytes, without I/O.
//!
//! What always holds:
//! 1. An identity is proven by a signature over a nonce of ours, never by being claimed.
//! 2. A message counts only in the session that it names, from the identity of that session.
//! 3. A message nonce counts once in its session.
//! 4. Whatever fails verification changes nothing.
//! 5. Secrets, and what certificates reveal, appear in no `Debug`, `Display` or log.
//!
//! Curve arithmetic is libsecp256k1's; `bsv-sdk` is the reference that the results are tested against.

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
pub use session::store::{Known, PENDING_TTL, SessionLimits, SessionStore, Used};
pub use session::{InitialResponse, Session, SessionRecord};
