//! The queue of writes. It is bounded, keeps the order of each identity, takes turns between addresses and then between
//! their identities, and fills groups.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};

use crate::db::engine::error::DbError;
use crate::db::store::requester::Requester;
use crate::limits::{KeyedBudget, LimitExceeded, Owner, Permit};

use super::fair_queue::{CostQueue as _, FairQueue};
use super::queued_write::QueuedWrite;

/// A single write counts for at most one part in this many of the queue.
const LARGEST: usize = 64;

/// Maximum places of a small write.
const SMALL: usize = 8;

/// A queued write with its permits: places and bytes.
#[derive(Debug)]
struct Waiter {
    write: QueuedWrite,
    permits: [Permit<Owner>; 2],
}

/// Addresses take turns, and the identities of each address take turns.
type Waiters = FairQueue<FairQueue<VecDeque<(usize, Waiter)>>>;

#[derive(Debug, Default)]
struct Waiting {
    writes: Waiters,
    places: usize,
    closed: bool,
}

/// The queue of writes.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    waiting: Mutex<Waiting>,
    /// Places of queued writes, and of stored messages that are not yet delivered.
    places: KeyedBudget<Owner>,
    bytes: KeyedBudget<Owner>,
    /// Maximum places that a single write counts for.
    largest: usize,
}

impl WriteQueue {
    pub(crate) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            places: KeyedBudget::of_shared_places(max, SMALL).named("write_places"),
            bytes: KeyedBudget::of_shared_bytes(max_bytes).named("write_bytes"),
            largest: (max / LARGEST).max(1),
        }
    }

    /// Adds a write. A refused write is answered with the reason, and `false` is returned. One identity, and one
    /// address, may hold a sixteenth of the places and of the bytes. Its undelivered messages count as places. A
    /// requester that holds nothing can still add one small write from a reserve, of which one address gets a sixteenth.
    pub(crate) fn push(&self, write: QueuedWrite) -> bool {
        let requester = write.requester;
        let refusal = match self.permits(&requester, &write) {
            Err(_) => DbError::Overloaded,
            Ok(permits) => {
                let mut waiting = self.lock();
                if !waiting.closed {
                    waiting.places += permits[0].amount();
                    let cost = write.places;
                    let queue = waiting
                        .writes
                        .queue(requester.outer())
                        .queue(requester.owner);
                    queue.push_back((cost, Waiter { write, permits }));
                    return true;
                }
                DbError::Closed
            }
        };
        // Called outside the lock, because the reply runs the caller's code.
        write.fail(refusal);
        false
    }

    fn permits(
        &self,
        requester: &Requester,
        write: &QueuedWrite,
    ) -> Result<[Permit<Owner>; 2], LimitExceeded> {
        let mut places = requester.hold(&self.places);
        places.grow(write.places.min(self.largest))?;
        let mut bytes = requester.hold(&self.bytes);
        bytes.grow(write.bytes)?;
        Ok([places, bytes])
    }

    /// Moves queued writes to a group, up to `max` places but at least one write. Addresses take turns, and
    /// within each its identities. A large write waits for more rounds.
    pub(crate) fn fill(&self, group: &mut Vec<QueuedWrite>, max: usize) {
        let taken: usize = group.iter().map(|write| write.places).sum();
        let mut room = max.saturating_sub(taken);
        let mut waiting = self.lock();
        while let Some(cost) = waiting.writes.cost() {
            if cost > room && !group.is_empty() {
                break;
            }
            let Some(Waiter { write, permits }) = waiting.writes.pop() else {
                break;
            };
            waiting.places -= permits[0].amount();
            room = room.saturating_sub(cost);
            group.push(write);
        }
    }

    /// Places of queued writes.
    pub(crate) fn len(&self) -> usize {
        self.lock().places
    }

    /// Stored messages that are not yet delivered.
    pub(crate) fn undelivered(&self) -> usize {
        self.places.held().saturating_sub(self.len())
    }

    /// Places for stored messages until they are delivered, because actix mailboxes are unbounded.
    pub(crate) fn announce(&self, requester: &Requester, messages: usize) -> Permit<Owner> {
        let mut permit = requester.hold(&self.places);
        permit.insist(messages);
        permit
    }

    /// Accepts no more writes.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::db::store::command::{WriteCommand, WriteScope};
    use crate::ids::IdentityKey;
    use crate::limits::AddressKey;
    use diesel::QueryResult;

    /// A write of an identity.
    struct Mark {
        owner: IdentityKey,
        places: usize,
        bytes: usize,
    }

    impl WriteCommand for Mark {
        type Output = ();

        fn owner(&self) -> Option<IdentityKey> {
            Some(self.owner)
        }

        fn places(&self) -> usize {
            self.places
        }

        fn bytes(&self) -> usize {
            self.bytes
        }

        fn run(&self, _work: &mut WriteScope<'_>) -> QueryResult<()> {
            Ok(())
        }
    }

    /// A write of the server.
    struct Own;

    impl WriteCommand for Own {
        type Output = ();

        fn run(&self, _work: &mut WriteScope<'_>) -> QueryResult<()> {
            Ok(())
        }
    }

    fn push_from(
        queue: &WriteQueue,
        owner: IdentityKey,
        address: Option<AddressKey>,
        places: usize,
        bytes: usize,
    ) -> bool {
        let mark = Mark {
            owner,
            places,
            bytes,
        };
        queue.push(QueuedWrite::new(mark, None, address, |_| {}))
    }

    fn push(queue: &WriteQueue, owner: IdentityKey, places: usize) -> bool {
        push_from(queue, owner, None, places, 0)
    }

    fn push_bytes(queue: &WriteQueue, owner: IdentityKey, bytes: usize) -> bool {
        push_from(queue, owner, None, 1, bytes)
    }

    fn owners(group: &[QueuedWrite]) -> Vec<IdentityKey> {
        let lanes = group.iter().map(|write| write.requester.owner);
        let identity = |owner| match owner {
            Owner::Identity(identity) => Some(identity),
            _ => None,
        };
        lanes.filter_map(identity).collect()
    }

    fn take(queue: &WriteQueue, max: usize) -> Vec<QueuedWrite> {
        let mut group = Vec::new();
        queue.fill(&mut group, max);
        group
    }

    fn key() -> IdentityKey {
        Identity::random().identity_key()
    }

    fn people() -> [IdentityKey; 3] {
        [(); 3].map(|()| key())
    }

    fn address(last: u8) -> AddressKey {
        AddressKey::of([192, 0, 2, last].into())
    }

    fn drain(queue: &WriteQueue) {
        while !take(queue, 64).is_empty() {}
        assert!(queue.lock().writes.is_empty());
        assert_eq!(
            (queue.len(), queue.places.held(), queue.bytes.held()),
            (0, 0, 0)
        );
        assert_eq!((queue.places.owners(), queue.bytes.owners()), (0, 0));
    }

    #[test]
    fn whoever_comes_is_in_the_next_group_however_much_waits_of_another() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [flood, other, third] = people();
        for _ in 0..600 {
            assert!(push(&queue, flood, 1));
        }
        assert_eq!(owners(&take(&queue, 4)), [flood; 4]);
        assert!(push(&queue, other, 1) && push(&queue, third, 1) && push(&queue, other, 1));
        assert_eq!(owners(&take(&queue, 4)), [flood, other, third, flood]);
        assert_eq!(owners(&take(&queue, 4)), [other, flood, flood, flood]);
        assert_eq!(queue.len(), 591);
    }

    /// Four identities at one address, each with messages to 1,000 recipients in a loop.
    #[test]
    fn identities_of_one_address_have_the_share_and_the_turn_of_one() {
        let queue = WriteQueue::new(10_000, 256 << 20);
        let floods = [(); 4].map(|()| key());
        let mut taken = 0;
        for flood in floods.iter().cycle().take(100) {
            taken += usize::from(push_from(&queue, *flood, Some(address(1)), 1_000, 3_000));
        }
        assert_eq!((taken, queue.len()), (4, 4 * 156));
        let (elsewhere, neighbour) = (key(), key());
        let push_small = |owner, last| push_from(&queue, owner, Some(address(last)), 1, 100);
        assert!((0..600).all(|_| push_small(elsewhere, 2)));
        // A requester at the same address that holds nothing adds one write, but not a second one.
        assert!(push_small(neighbour, 1) && !push_small(neighbour, 1));
        let group = owners(&take(&queue, 512));
        assert!(
            group
                .iter()
                .all(|owner| *owner == elsewhere || *owner == neighbour)
        );
        assert!(group.contains(&neighbour) && group.len() > 8);
        drain(&queue);
    }

    #[test]
    fn an_address_has_a_sixteenth_of_what_is_kept_for_small_writes() {
        let queue = WriteQueue::new(160, usize::MAX);
        let pushed = |last| {
            let pushes = (0..99).filter(|_| push_from(&queue, key(), Some(address(last)), 1, 0));
            pushes.count()
        };
        // The address's share, and as much of the reserve.
        assert_eq!(pushed(1), 20);
        assert_eq!(pushed(2), 20);
        drain(&queue);
    }

    #[test]
    fn one_has_a_sixteenth_and_whoever_has_nothing_may_always_add_one() {
        let queue = WriteQueue::new(80, 80 << 20);
        let taken = |owner| (0..100).filter(|_| push(&queue, owner, 1)).count();
        let crowd: Vec<IdentityKey> = (0..16).map(|_| key()).collect();
        assert!(crowd.iter().all(|owner| taken(*owner) == 5));
        // All places are taken, and each newcomer still gets one; as many as there are places.
        assert!((0..80).all(|_| taken(key()) == 1));
        assert_eq!(taken(key()), 0);
        drain(&queue);
        assert_eq!(taken(crowd[0]), 5);
        assert!(!push(&WriteQueue::new(0, 80), key(), 1));
    }

    /// Ids need not exist: a request of 30 kB is a write of 10,000 places.
    #[test]
    fn a_large_write_is_a_small_part_of_the_queue() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [flood, other, third] = people();
        let large = (0..20).filter(|_| push(&queue, flood, 10_000)).count();
        assert_eq!((large, queue.len()), (4, 4 * 156));
        assert!(push(&queue, other, 1_000) && push(&queue, other, 1));
        // A cheaper write has its turn earlier.
        assert_eq!(owners(&take(&queue, 512)), [other]);
        assert_eq!(owners(&take(&queue, 512)), [other]);
        assert_eq!(owners(&take(&queue, 512)), [flood]);
        assert!(push(&queue, third, 10_000));
        drain(&queue);
    }

    #[test]
    fn bytes_are_bounded_and_one_has_a_sixteenth_of_them_at_most() {
        let queue = WriteQueue::new(10_000, 1_600_000);
        let taken = |owner| {
            let pushed = (0..20).filter(|_| push_bytes(&queue, owner, 100_000));
            pushed.count()
        };
        let first = key();
        assert_eq!(taken(first), 1);
        assert!((0..15).all(|_| taken(key()) == 1));
        // An identity that holds nothing adds one small write, and no large one.
        let other = key();
        assert_eq!((taken(other), push_bytes(&queue, other, 60_000)), (0, true));
        take(&queue, 1);
        assert!(push_bytes(&queue, first, 40_000));
        drain(&queue);
    }

    #[test]
    fn a_write_larger_than_its_share_is_taken_where_its_owner_has_nothing() {
        let queue = WriteQueue::new(10_000, 1_600_000);
        let [large, other, third] = people();
        assert!(push_bytes(&queue, other, 1) && push_bytes(&queue, large, 1_500_000));
        assert!(!push_bytes(&queue, large, 1) && !push_bytes(&queue, third, 150_000));
        assert!(push_bytes(&queue, third, 60_000));
        assert_eq!(owners(&take(&queue, 3)), [other, large, third]);
        assert!(push_bytes(&queue, large, 9_000_000));
        drain(&queue);
    }

    #[test]
    fn large_writes_are_taken_and_let_others_go_first_where_they_do_not_fit() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [large, other, _] = people();
        assert!(push(&queue, other, 1) && push(&queue, large, 50) && push(&queue, other, 1));
        assert_eq!(owners(&take(&queue, 8)), [other]);
        assert_eq!(owners(&take(&queue, 8)), [large]);
        assert_eq!(owners(&take(&queue, 8)), [other]);
        drain(&queue);
    }

    /// A server write settles a payment that a wallet has accepted.
    #[test]
    fn what_the_server_writes_is_refused_last() {
        let queue = WriteQueue::new(16, usize::MAX);
        assert!((0..16).all(|_| push(&queue, key(), 1)));
        let push_own = || queue.push(QueuedWrite::new(Own, None, Some(address(1)), |_| {}));
        assert!((0..16).all(|_| push_own()) && !push_own());
        drain(&queue);
    }

    #[test]
    fn messages_keep_their_places_until_they_are_delivered() {
        let queue = WriteQueue::new(160, usize::MAX);
        let [sender, other, _] = people();
        let requester = Requester::of(Some(sender), Some(address(1)));
        let undelivered = queue.announce(&requester, 20);
        assert_eq!((queue.len(), queue.undelivered()), (0, 20));
        assert!(!push(&queue, sender, 1));
        assert!(push_from(&queue, other, Some(address(2)), 9, 0));
        assert_eq!((queue.len(), queue.undelivered()), (2, 20));
        drop(undelivered);
        assert!(push(&queue, sender, 1));
        drain(&queue);
    }
}
