//! Counts lost, duplicated and reordered messages.

use std::ops::AddAssign;

use serde::Serialize;

/// Totals over all receivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DeliveryTally {
    /// Messages that should have arrived.
    pub(crate) expected: u64,
    /// Messages that arrived, duplicates not counted.
    pub(crate) received: u64,
    /// Messages missing at the end.
    pub(crate) lost: u64,
    /// Messages that arrived again.
    pub(crate) duplicated: u64,
    /// Messages that arrived after a later one of the same sender.
    pub(crate) out_of_order: u64,
}

impl AddAssign for DeliveryTally {
    fn add_assign(&mut self, other: Self) {
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
    }
}

impl DeliveryTally {
    /// Whether each message arrived once and in order.
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }
}

/// One receiver's record of one sequence: one bit per message.
#[derive(Debug, Default)]
pub(crate) struct SequenceTracker {
    seen: Vec<u64>,
    highest: Option<u64>,
    tally: DeliveryTally,
}

impl SequenceTracker {
    /// Notes the message with this number. Gives whether it is new. The caller checks that the number was sent: memory grows
    /// with the highest number.
    pub(crate) fn note(&mut self, sequence: u64) -> bool {
        let Ok(word) = usize::try_from(sequence / 64) else {
            return false;
        };
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(bits) = self.seen.get_mut(word) else {
            return false;
        };
        let bit = 1 << (sequence % 64);
        if *bits & bit != 0 {
            self.tally.duplicated += 1;
            return false;
        }
        *bits |= bit;
        self.tally.received += 1;
        if self.highest.is_some_and(|highest| sequence < highest) {
            self.tally.out_of_order += 1;
        } else {
            self.highest = Some(sequence);
        }
        true
    }

    /// The totals, given the number of messages sent.
    pub(crate) fn finish(&self, expected: u64) -> DeliveryTally {
        DeliveryTally {
            expected,
            lost: expected.saturating_sub(self.tally.received),
            ..self.tally
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(arrivals: &[u64], sent: u64) -> DeliveryTally {
        let mut tracker = SequenceTracker::default();
        for &sequence in arrivals {
            tracker.note(sequence);
        }
        tracker.finish(sent)
    }

    #[test]
    fn messages_in_order_are_clean() {
        let arrivals: Vec<u64> = (0..1_000).collect();
        let tally = tally(&arrivals, 1_000);
        assert!(tally.is_clean());
        assert_eq!((tally.expected, tally.received), (1_000, 1_000));
        assert!(SequenceTracker::default().finish(0).is_clean());
    }

    #[test]
    fn each_kind_of_fault_is_counted() {
        let faults = |tally: DeliveryTally| (tally.lost, tally.duplicated, tally.out_of_order);
        let cases: [(&[u64], u64, _); 6] = [
            (&[0, 1, 3], 4, (1, 0, 0)),
            (&[], 3, (3, 0, 0)),
            (&[0, 1, 1, 2, 0], 3, (0, 2, 0)),
            (&[0, 2, 1, 3], 4, (0, 0, 1)),
            (&[3, 2, 1, 0], 4, (0, 0, 3)),
            (&[1, 1, 0], 4, (2, 1, 1)),
        ];
        for (arrivals, sent, expected) in cases {
            assert_eq!(faults(tally(arrivals, sent)), expected, "{arrivals:?}");
        }
    }

    /// What a faulty server does with a message.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Passes,
        Dropped,
        Repeated(u8),
        Late,
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            6 => Just(Fate::Passes),
            1 => Just(Fate::Dropped),
            1 => (1..4_u8).prop_map(Fate::Repeated),
            1 => Just(Fate::Late),
        ]
    }

    proptest! {
        #[test]
        fn faults_of_a_server_are_counted(fates in proptest::collection::vec(fate(), 0..300)) {
            let mut tracker = SequenceTracker::default();
            let (mut lost, mut duplicated, mut late) = (0, 0, Vec::new());
            let mut last_in_turn = None;
            for (sequence, fate) in (0..).zip(&fates) {
                match fate {
                    Fate::Passes => { tracker.note(sequence); last_in_turn = Some(sequence); }
                    Fate::Dropped => lost += 1,
                    Fate::Repeated(times) => {
                        tracker.note(sequence);
                        last_in_turn = Some(sequence);
                        for _ in 0..*times { tracker.note(sequence); }
                        duplicated += u64::from(*times);
                    }
                    Fate::Late => late.push(sequence),
                }
            }
            // Late messages arrive last.
            let mut out_of_order = 0;
            for sequence in late {
                if last_in_turn.is_some_and(|last| sequence < last) { out_of_order += 1; }
                last_in_turn = last_in_turn.max(Some(sequence));
                tracker.note(sequence);
            }
            let tally = tracker.finish(u64::try_from(fates.len()).unwrap());
            prop_assert_eq!((tally.lost, tally.duplicated, tally.out_of_order), (lost, duplicated, out_of_order));
        }
    }
}
