//! `--check-config`: finds what would keep the server from starting, without starting it.

use crate::cluster::check_address;
use crate::config::{Settings, load_identity};
use crate::db::refuse_old_schema;

use crate::server::administration;
use crate::server::error::ServerError;
use crate::server::layer_settings::{cluster_settings, db_settings, request_prices};
use crate::server::notifier;
use crate::server::upkeep::advertising;

/// Checks the settings as [`crate::server::Server::start`] does, and gives the warnings. It writes no file, and connects to nothing
/// but a database whose tables it may not change.
///
/// # Errors
/// [`ServerError`].
pub fn check(settings: &Settings) -> Result<Vec<String>, ServerError> {
    let database = db_settings(settings)?;
    request_prices(settings)?;
    // In development, loading a missing key would generate one.
    if settings.identity.private_key.is_some() || !settings.is_development() {
        load_identity(settings)?;
    }
    administration::guard(settings)?;
    administration::migrate_key(settings)?;
    notifier::fcm(settings)?;
    if let Some(cluster) = cluster_settings(settings) {
        check_address(&cluster.url)?;
    }
    refuse_old_schema(&database)?;
    let mut warnings = settings.warnings.clone();
    warnings.extend(advertising::obstacle(settings));
    Ok(warnings)
}
