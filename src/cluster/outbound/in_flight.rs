//! Sealed events that Redis has not confirmed, in order. Pure.

/// Events that are published together, and their bytes. A batch must pass while Redis is slow.
pub(super) const BATCH: usize = 512;
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// A sealed event: its channel and its envelope.
pub(super) type Sealed = (String, Vec<u8>);

/// An event stays here until it is confirmed. After a lost connection it is published again with the same sequence, so that
/// other nodes count it once.
#[derive(Default)]
pub(super) struct InFlightEvents {
    events: Vec<Sealed>,
    /// Length of the batch that is being published.
    begun: usize,
}

impl InFlightEvents {
    pub(super) fn extend(&mut self, events: impl Iterator<Item = Sealed>) {
        self.events.extend(events);
    }

    /// The next batch to publish; empty if nothing is in flight. Without a confirmation, the next call returns it again.
    pub(super) fn begin(&mut self) -> &[Sealed] {
        let mut bytes = 0;
        let fits = |(_, envelope): &&Sealed| {
            let has_room = bytes < BATCH_BYTES;
            bytes += envelope.len();
            has_room
        };
        self.begun = self.events.iter().take(BATCH).take_while(fits).count();
        self.events.split_at(self.begun).0
    }

    /// Removes the batch, which Redis has taken, and returns its length.
    pub(super) fn confirm(&mut self) -> usize {
        let confirmed = std::mem::take(&mut self.begun);
        self.events.drain(..confirmed);
        confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_in_one_go_is_bounded_and_all_of_it_is_given_in_order() {
        let sealed = |n: usize, bytes| (n.to_string(), vec![0; bytes]);
        let mut all: Vec<Sealed> = (0..4).map(|n| sealed(n, BATCH_BYTES / 2)).collect();
        all.push(sealed(4, BATCH_BYTES * 9));
        all.extend((5..=5 + BATCH).map(|n| sealed(n, 0)));
        let mut in_flight = InFlightEvents::default();
        in_flight.extend(all.clone().into_iter());
        let mut given = Vec::new();
        let mut counts = Vec::new();
        while !in_flight.begin().is_empty() {
            // An unconfirmed batch comes again.
            given.extend_from_slice(in_flight.begin());
            counts.push(in_flight.confirm());
        }
        assert_eq!(counts, [2, 2, 1, BATCH, 1]);
        assert_eq!(given, all);
    }
}
