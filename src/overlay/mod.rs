//! Where an identity can be reached, made public: advertisements of MessageBox hosts on the overlay network.
//!
//! An advertisement is an output of a transaction that names an identity and a host and is signed by the identity. Overlay
//! services keep those that are not spent (topic `tm_messagebox`) and find them by identity (service `ls_messagebox`). To
//! spend one is to revoke it. `advertisement` and `host` are pure; `network` asks overlay services, `advertiser` a wallet,
//! which has the identity's key and pays the transactions.
//! `answer`, `service_token` and `locking` are pure too; `submission` gives transactions to overlay services.

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
pub use network::{NoTracker, Overlay, OverlayNetwork, Tracker, UnknownNetwork};
