//! The page that a browser gets at the root.

use crate::config::Settings;
use crate::http::{Home, HomePlace, Info};

/// The page for this server.
pub(super) fn home(settings: &Settings, info: &Info) -> Home {
    let admin = &settings.admin;
    let place = HomePlace {
        address: settings.server.hosting_domain.clone(),
        routing_prefix: settings.routing_prefix(),
        docs: settings.server.docs,
        metrics: admin.enabled && admin.public_metrics,
        dashboard: admin.enabled && admin.public_dashboard,
    };
    Home::new(info, &place)
}
