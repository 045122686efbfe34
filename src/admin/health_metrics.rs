//! What `/readyz` says, as metrics.

use crate::health::CAUSES;

use super::families::Families;
use super::status::ServerPart;

pub(super) fn metrics(families: &mut Families, server: &ServerPart) {
    let (Some(ready), Some(not_ready), Some(degraded)) =
        (&server.ready, &server.not_ready, &server.degraded)
    else {
        return;
    };
    let needed = ready
        .iter()
        .filter(|check| !server.optional.contains(check));
    let needed = needed.map(|check| (check, true));
    let checks = needed.chain(not_ready.iter().map(|check| (check, false)));
    families.gauges(
        "ready",
        "What the server cannot do without: 1 works, 0 does not, and /readyz answers 503.",
        checks.map(|(check, works)| (Some(("check", *check)), works.into())),
    );
    families.gauges(
        "degraded",
        "What the server does without: 1 where it is configured and does not work, 0 otherwise.",
        CAUSES.map(|cause| (Some(("cause", cause)), degraded.contains(&cause).into())),
    );
}
