//! `--check-config`: whatever would keep the server from starting, found without starting it.

use crate::cluster::check_address;
use crate::config::{Settings, load_identity};
use crate::db::{DatabaseUrl, refuse_old_schema};

use super::layer_settings::{cluster_settings, db_settings, request_prices};
use super::{ServerError, administration, advertising, announce, notifier};

/// Checks the settings as [`super::Server::start`] does, and gives the warnings. No file is made, and nobody is asked,
/// but for the database where its tables are not to be changed.
///
/// # Errors
/// [`ServerError`].
pub fn check(settings: &Settings) -> Result<Vec<String>, ServerError> {
    let url = DatabaseUrl::parse(&settings.database_url())?;
    request_prices(settings)?;
    // In development one would be made.
    if settings.identity.private_key.is_some() || !settings.is_development() {
        load_identity(settings)?;
    }
    administration::guard(settings)?;
    administration::migrate_key(settings)?;
    notifier::fcm(settings)?;
    if let Some(cluster) = cluster_settings(settings) {
        check_address(&cluster.url)?;
    }
    refuse_old_schema(&db_settings(settings, url))?;
    let mut warnings = announce::warnings(settings);
    warnings.extend(advertising::obstacle(settings));
    Ok(warnings)
}
