//! Logging: `env_logger` behind the `log` facade.

use env_logger::{Env, Target};

/// Sets logging up, once. A second call changes nothing.
pub fn start(filter: &str) {
    let logger = env_logger::Builder::from_env(Env::default())
        .parse_filters(filter)
        .target(Target::Stderr)
        .format_timestamp_millis()
        .try_init();
    if logger.is_err() {
        log::debug!("logging was set up already");
    }
}
