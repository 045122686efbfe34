//! Advertises MessageBox hosts on the overlay network, so that clients can find an identity.
//!
//! An advertisement is a transaction output that names an identity and a host, signed by the identity. Overlay services
//! store unspent ones (topic `tm_messagebox`) and find them by identity (service `ls_messagebox`). Spending one revokes
//! it.
//!
//! `advertisement`, `host`, `answer`, `service_token` and `locking` are pure.
//! `network` asks overlay services, and `submission` sends them transactions.
//!
//! `advertiser` uses a wallet, which holds the identity's key and pays for transactions.

mod advertisement;
mod advertiser;
mod answer;
mod error;
mod host;
mod locking;
mod network;
mod service_token;
mod spending;
mod submission;

pub use advertisement::Advertisement;
pub use advertiser::{Advertised, Advertiser, Revoked, Standing};
pub use error::{LookupFailure, OverlayError, OverlayFailure, SubmitFailure};
pub use host::{AdvertisedHost, HostError};
pub use network::{InvalidTracker, Overlay, OverlayNetwork, SlapTracker, UnknownNetwork};
