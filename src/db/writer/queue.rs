//! The writes that wait: bounded, in order for each identity, in turn among them, and drained into groups.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::db::engine::error::DbError;
use crate::db::store::lane::Lane;

use super::announced::Announced;
use super::write::Write;

/// The part of a queue that this lane may have.
pub(in crate::db) const fn share(lane: Lane, whole: usize) -> usize {
    match lane {
        Lane::Of(_) => whole.div_ceil(16),
        // They are many, and what one address may begin is bounded elsewhere.
        Lane::Strangers => whole.div_ceil(4),
        Lane::Server => usize::MAX,
    }
}

/// The part of the queue that one write counts for at most, however much it does.
const LARGEST: usize = 64;

/// What a write may do and hold to be a small one.
const SMALL: Taken = Taken {
    places: 8,
    bytes: 64 * 1024,
};

/// What writes take of the queue.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    places: usize,
    bytes: usize,
}

impl Taken {
    fn by(write: &dyn Write) -> Self {
        Self {
            places: write.places(),
            bytes: write.bytes(),
        }
    }

    const fn is_small(self) -> bool {
        self.places <= SMALL.places && self.bytes <= SMALL.bytes
    }

    const fn add(&mut self, other: Self) {
        self.places += other.places;
        self.bytes += other.bytes;
    }

    const fn subtract(&mut self, other: Self) {
        self.places -= other.places;
        self.bytes -= other.bytes;
    }
}

/// What waits in one lane, oldest first; never empty.
#[derive(Debug, Default)]
struct Waiters {
    writes: VecDeque<Box<dyn Write>>,
    taken: Taken,
}

#[derive(Debug)]
struct Waiting {
    lanes: HashMap<Lane, Waiters>,
    /// Whose turn it is; each that has a lane is in it once.
    turns: VecDeque<Lane>,
    taken: Taken,
    /// Places that one write counts for at most.
    largest: usize,
    closed: bool,
}

impl Waiting {
    /// What a write counts for while it waits.
    fn counted(&self, write: &dyn Write) -> Taken {
        let taken = Taken::by(write);
        Taken {
            places: taken.places.min(self.largest),
            ..taken
        }
    }

    /// The next write, unless it takes more than `room` places.
    fn next(&mut self, room: usize) -> Option<Box<dyn Write>> {
        let turn = *self.turns.front()?;
        let first = &**self.lanes.get(&turn)?.writes.front()?;
        if first.places() > room {
            return None;
        }
        let taken = self.counted(first);
        let lane = self.lanes.get_mut(&turn)?;
        let write = lane.writes.pop_front();
        lane.taken.subtract(taken);
        self.taken.subtract(taken);
        self.turns.pop_front();
        if lane.writes.is_empty() {
            self.lanes.remove(&turn);
        } else {
            self.turns.push_back(turn);
        }
        write
    }
}

/// The writes that wait for the writer.
#[derive(Debug)]
pub(in crate::db) struct WriteQueue {
    waiting: Mutex<Waiting>,
    /// Messages that are stored and not yet delivered.
    announced: Announced,
    max: usize,
    max_bytes: usize,
}

impl WriteQueue {
    pub(in crate::db) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                lanes: HashMap::new(),
                turns: VecDeque::new(),
                taken: Taken::default(),
                largest: max.div_ceil(LARGEST),
                closed: false,
            }),
            announced: Announced::default(),
            max,
            max_bytes,
        }
    }

    /// Adds a write; one that may not wait is answered with the reason, and `false` is returned. One that is larger than
    /// what is left is taken all the same, or it might never be: a bound may be passed by one write. One identity may
    /// have a sixteenth of the places, with those of its messages that are not yet delivered, and of the bytes. Whoever has
    /// nothing there can add one small write, also where the queue is full: as much as the whole queue is kept for that.
    pub(in crate::db) fn push(&self, write: Box<dyn Write>) -> bool {
        let (owner, lane) = (write.owner(), write.lane());
        let refusal = {
            let mut waiting = self.lock();
            let (all_announced, own_announced) = self.announced.counts(owner.as_ref());
            let all = waiting.taken;
            let own = waiting.lanes.get(&lane).map(|lane| lane.taken);
            let own = own.unwrap_or_default();
            let taken = waiting.counted(&*write);
            let fits = |times: usize| {
                all.places + all_announced < self.max.saturating_mul(times)
                    && all.bytes < self.max_bytes.saturating_mul(times)
            };
            let has_share = own.places + own_announced < share(lane, self.max)
                && own.bytes < share(lane, self.max_bytes);
            let holds_nothing = own.places + own_announced == 0;
            let is_small = Taken::by(&*write).is_small();
            if waiting.closed {
                DbError::Closed
            } else if !(has_share && fits(1) || holds_nothing && is_small && fits(2)) {
                DbError::Overloaded
            } else {
                waiting.taken.add(taken);
                let waiters = waiting.lanes.entry(lane).or_default();
                let is_new = waiters.writes.is_empty();
                waiters.taken.add(taken);
                waiters.writes.push_back(write);
                if is_new {
                    waiting.turns.push_back(lane);
                }
                return true;
            }
        };
        // Outside the lock: the answer is somebody else's code.
        write.fail(refusal);
        false
    }

    /// Takes what waits, up to `max` places but at least one write; of each identity one, and then of each another.
    pub(in crate::db) fn take(&self, max: usize) -> Vec<Box<dyn Write>> {
        let mut waiting = self.lock();
        let mut taken = Vec::new();
        let mut room = max;
        while let Some(write) = waiting.next(if taken.is_empty() { usize::MAX } else { room }) {
            room = room.saturating_sub(write.places());
            taken.push(write);
        }
        taken
    }

    /// Places that are taken by writes that wait.
    pub(in crate::db) fn len(&self) -> usize {
        self.lock().taken.places
    }

    /// What counts the messages that are stored and not yet delivered.
    pub(in crate::db) const fn announced(&self) -> &Announced {
        &self.announced
    }

    /// Takes no more.
    pub(in crate::db) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::write;
    use super::*;
    use crate::auth::Identity;
    use crate::db::store::command::{Command, Work};
    use crate::ids::IdentityKey;
    use diesel::QueryResult;

    /// A write of somebody, told apart by what it answers with.
    struct Mark(Option<IdentityKey>, usize, usize);

    impl Command for Mark {
        type Output = ();

        fn owner(&self) -> Option<IdentityKey> {
            self.0
        }

        fn places(&self) -> usize {
            self.1
        }

        fn bytes(&self) -> usize {
            self.2
        }

        fn run(&self, _work: &mut Work<'_>) -> QueryResult<()> {
            Ok(())
        }
    }

    fn push(queue: &WriteQueue, owner: IdentityKey, places: usize) -> bool {
        queue.push(write(Mark(Some(owner), places, 0), None, |_| {}))
    }

    fn push_bytes(queue: &WriteQueue, owner: IdentityKey, bytes: usize) -> bool {
        queue.push(write(Mark(Some(owner), 1, bytes), None, |_| {}))
    }

    fn owners(group: &[Box<dyn Write>]) -> Vec<IdentityKey> {
        group.iter().filter_map(|write| write.owner()).collect()
    }

    fn people() -> [IdentityKey; 3] {
        [(); 3].map(|()| Identity::random().identity_key())
    }

    #[test]
    fn whoever_comes_is_in_the_next_group_however_much_waits_of_another() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [flood, other, third] = people();
        for _ in 0..600 {
            assert!(push(&queue, flood, 1));
        }
        assert_eq!(owners(&queue.take(4)), [flood; 4]);
        assert!(push(&queue, other, 1) && push(&queue, third, 1) && push(&queue, other, 1));
        assert_eq!(owners(&queue.take(4)), [flood, other, third, flood]);
        assert_eq!(owners(&queue.take(4)), [other, flood, flood, flood]);
        assert_eq!(queue.len(), 591);
    }

    #[test]
    fn one_has_a_sixteenth_and_whoever_has_nothing_may_always_add_one() {
        let queue = WriteQueue::new(80, usize::MAX);
        let taken = |owner| (0..100).filter(|_| push(&queue, owner, 1)).count();
        let key = || Identity::random().identity_key();
        let crowd: Vec<IdentityKey> = (0..16).map(|_| key()).collect();
        assert!(crowd.iter().all(|owner| taken(*owner) == 5));
        // All places are taken, and still whoever comes has one; as many as there are places.
        assert!((0..80).all(|_| taken(key()) == 1));
        assert_eq!(taken(key()), 0);
        assert!(!push(&WriteQueue::new(80, 0), key(), 1));
        while !queue.take(64).is_empty() {}
        assert_eq!(taken(crowd[0]), 5);
    }

    /// Ids that nobody has to know: a request of 30 kB is a write of 10,000 places.
    #[test]
    fn a_large_write_is_a_small_part_of_the_queue() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [flood, other, third] = people();
        let large = (0..20).filter(|_| push(&queue, flood, 10_000)).count();
        assert_eq!((large, queue.len()), (4, 4 * 157));
        assert!(push(&queue, other, 1_000) && push(&queue, other, 1));
        assert_eq!(owners(&queue.take(512)), [flood]);
        assert_eq!(owners(&queue.take(512)), [other]);
        assert!(push(&queue, third, 10_000));
        while !queue.take(512).is_empty() {}
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn bytes_are_bounded_and_one_has_a_sixteenth_of_them_at_most() {
        let queue = WriteQueue::new(10_000, 1_600_000);
        let taken = |owner| {
            let pushed = (0..20).filter(|_| push_bytes(&queue, owner, 100_000));
            pushed.count()
        };
        let key = || Identity::random().identity_key();
        let first = key();
        assert_eq!(taken(first), 1);
        assert!((0..15).all(|_| taken(key()) == 1));
        // Who has nothing adds what is small, and nothing else.
        let other = key();
        assert_eq!((taken(other), push_bytes(&queue, other, 60_000)), (0, true));
        queue.take(1);
        assert!(push_bytes(&queue, first, 100_000));
        while !queue.take(64).is_empty() {}
        assert!(queue.lock().taken.bytes == 0 && queue.lock().taken.places == 0);
    }

    #[test]
    fn a_write_larger_than_all_bytes_is_taken_where_there_is_room_at_all() {
        let queue = WriteQueue::new(10_000, 100_000);
        let [large, other, third] = people();
        assert!(push_bytes(&queue, other, 1) && push_bytes(&queue, large, 150_000));
        assert!(!push_bytes(&queue, large, 1) && !push_bytes(&queue, third, 70_000));
        assert!(push_bytes(&queue, third, 1));
        assert_eq!(owners(&queue.take(3)), [other, large, third]);
        assert!(push_bytes(&queue, large, 1_000_000));
        // A bound of nothing takes nothing.
        assert!(!push_bytes(&WriteQueue::new(10, 0), other, 0));
    }

    #[test]
    fn large_writes_are_taken_and_let_others_go_first_where_they_do_not_fit() {
        let queue = WriteQueue::new(10_000, usize::MAX);
        let [large, other, _] = people();
        assert!(push(&queue, other, 1) && push(&queue, large, 50) && push(&queue, other, 1));
        assert_eq!(owners(&queue.take(8)), [other]);
        assert_eq!(owners(&queue.take(8)), [large]);
        assert_eq!(owners(&queue.take(8)), [other]);
        assert!(queue.take(8).is_empty() && queue.len() == 0);
        assert!(queue.lock().lanes.is_empty() && queue.lock().turns.is_empty());
    }
}
