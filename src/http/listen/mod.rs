//! TCP: accepts connections, limits their headers, and ends those that stall.

mod connection;
mod connection_errors;
mod header_limits;
mod listener;
mod watch;
mod worker_delay;

pub use connection::TcpSettings;
pub use header_limits::{HeaderLimits, refuse_large_headers};
pub use listener::{ListenerSettings, listen};
pub use watch::{WatchSettings, Watched, watch_answers};
