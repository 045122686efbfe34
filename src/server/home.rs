//! The start page for browsers.

use crate::config::Settings;
use crate::http::{Home, HomePlace, Info};

use super::administration;

pub(super) fn home(settings: &Settings, info: &Info) -> Home {
    let admin = &settings.admin;
    let place = HomePlace {
        address: settings.server.hosting_domain.clone(),
        routing_prefix: settings.routing_prefix(),
        docs: settings.server.docs,
        metrics: admin.enabled && admin.public_metrics,
        dashboard: admin.enabled && has_admins(settings),
    };
    Home::new(info, &place)
}

/// Without admins there is no dashboard.
fn has_admins(settings: &Settings) -> bool {
    administration::guard(settings).is_ok_and(|guard| !guard.is_closed())
}
