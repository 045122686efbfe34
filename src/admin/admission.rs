//! Who was refused for lack of room.

use std::collections::BTreeMap;

use crate::limits::Refusals;

use super::families::Families;

/// Refusals by resource, and there by reason: `own_share` or `all`.
pub type RefusalsPart = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

pub(super) fn part(refusals: &Refusals) -> RefusalsPart {
    let mut part = RefusalsPart::new();
    for ((resource, reason), count) in refusals.counts() {
        part.entry(resource).or_default().insert(reason, count);
    }
    part
}

pub(super) fn metrics(families: &mut Families, part: &RefusalsPart) {
    let samples = part.iter().flat_map(|(resource, reasons)| {
        let labels = move |reason| vec![("resource", *resource), ("reason", reason)];
        let sample =
            move |(reason, count): (&&'static str, &u64)| (labels(*reason), (*count).into());
        reasons.iter().map(sample)
    });
    families.counters(
        "admission_refused_total",
        "What was refused for lack of room, by resource and by reason: own_share (of an identity, an address or a socket) or all.",
        samples,
    );
}
