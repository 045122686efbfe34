//! The facts on the page that a browser gets at the root.

use crate::config::Settings;
use crate::http::{Home, HomeFacts};
use crate::ids::IdentityKey;

/// The page for this server.
pub(super) fn home(settings: &Settings, identity_key: IdentityKey, certificates: bool) -> Home {
    let admin = &settings.admin;
    let prices = &settings.prices;
    Home::new(&HomeFacts {
        identity_key,
        address: settings.server.hosting_domain.clone(),
        routing_prefix: settings.routing_prefix(),
        sockets: settings.socket.enabled,
        push: settings.push.enabled,
        certificates,
        priced: prices.request > 0
            || prices.routes.values().any(|price| *price > 0)
            || settings.fees.boxes.values().any(|fee| *fee > 0),
        docs: settings.server.docs,
        metrics: admin.enabled && admin.public_metrics,
        dashboard: admin.enabled && admin.public_dashboard,
    })
}
