//! The writes that wait: bounded, in order for each identity, in turn among them, and drained into groups.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::announced::Announced;
use super::command::Write;
use super::error::DbError;
use super::lane::Lane;

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

#[derive(Debug, Default)]
struct Waiting {
    lanes: HashMap<Lane, Waiters>,
    /// Whose turn it is; each that has a lane is in it once.
    turns: VecDeque<Lane>,
    taken: Taken,
    closed: bool,
}

impl Waiting {
    /// The next write, unless it takes more than `room` places.
    fn next(&mut self, room: usize) -> Option<Box<dyn Write>> {
        let turn = *self.turns.front()?;
        let lane = self.lanes.get_mut(&turn)?;
        let taken = Taken::by(&**lane.writes.front()?);
        if taken.places > room {
            return None;
        }
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
pub(super) struct WriteQueue {
    waiting: Mutex<Waiting>,
    /// Messages that are stored and not yet delivered.
    announced: Announced,
    max: usize,
    max_bytes: usize,
}

impl WriteQueue {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting::default()),
            announced: Announced::default(),
            max,
            max_bytes,
        }
    }

    /// Adds a write; one that may not wait is answered with the reason, and `false` is returned. One that is larger than
    /// what is left is taken all the same, or it might never be: a bound may be passed by one write. One identity may
    /// have half of the places, with those of its messages that are not yet delivered, and half of the bytes, so that it
    /// takes more than one to leave none for others.
    pub(super) fn push(&self, write: Box<dyn Write>) -> bool {
        let (owner, lane) = (write.owner(), write.lane());
        let refusal = {
            let mut waiting = self.lock();
            let (all_announced, own_announced) = self.announced.counts(owner.as_ref());
            let all = waiting.taken;
            let own = waiting.lanes.get(&lane).map(|lane| lane.taken);
            let own = own.unwrap_or_default();
            if waiting.closed {
                DbError::Closed
            } else if all.places + all_announced >= self.max
                || own.places + own_announced >= self.max.div_ceil(2)
                || all.bytes >= self.max_bytes
                || own.bytes >= self.max_bytes.div_ceil(2)
            {
                DbError::Overloaded
            } else {
                let taken = Taken::by(&*write);
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
    pub(super) fn take(&self, max: usize) -> Vec<Box<dyn Write>> {
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
    pub(super) fn len(&self) -> usize {
        self.lock().taken.places
    }

    /// What counts the messages that are stored and not yet delivered.
    pub(super) const fn announced(&self) -> &Announced {
        &self.announced
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{Command, Work, write};
    use super::*;
    use crate::auth::Identity;
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
        for _ in 0..1_000 {
            assert!(push(&queue, flood, 1));
        }
        assert_eq!(owners(&queue.take(4)), [flood; 4]);
        assert!(push(&queue, other, 1) && push(&queue, third, 1) && push(&queue, other, 1));
        assert_eq!(owners(&queue.take(4)), [flood, other, third, flood]);
        assert_eq!(owners(&queue.take(4)), [other, flood, flood, flood]);
        assert_eq!(queue.len(), 991);
    }

    #[test]
    fn one_has_half_of_the_places_at_most() {
        let queue = WriteQueue::new(10, usize::MAX);
        let [flood, other, third] = people();
        let taken = |owner| (0..20).filter(|_| push(&queue, owner, 1)).count();
        assert_eq!((taken(flood), taken(other), taken(third)), (5, 5, 0));
        queue.take(2);
        assert_eq!(taken(third), 2);
    }

    #[test]
    fn bytes_are_bounded_and_one_has_half_of_them_at_most() {
        let queue = WriteQueue::new(10_000, 100);
        let [flood, other, third] = people();
        let taken = |owner| (0..20).filter(|_| push_bytes(&queue, owner, 10)).count();
        assert_eq!((taken(flood), taken(other), taken(third)), (5, 5, 0));
        // What holds no bytes is refused too, as it is where the places are taken.
        assert!(!push(&queue, third, 1));
        queue.take(2);
        assert_eq!(taken(third), 2);
        while !queue.take(64).is_empty() {}
        assert!(queue.lock().taken.bytes == 0 && queue.lock().taken.places == 0);
    }

    #[test]
    fn a_write_larger_than_all_bytes_is_taken_where_there_is_room_at_all() {
        let queue = WriteQueue::new(10_000, 100);
        let [large, other, third] = people();
        assert!(push_bytes(&queue, other, 1) && push_bytes(&queue, large, 1_000));
        assert!(!push_bytes(&queue, large, 1) && !push_bytes(&queue, third, 1));
        assert_eq!(owners(&queue.take(2)), [other, large]);
        assert!(push_bytes(&queue, large, 1_000));
        // A bound of nothing takes nothing.
        assert!(!push_bytes(&WriteQueue::new(10, 0), other, 0));
    }

    #[test]
    fn large_writes_are_taken_and_let_others_go_first_where_they_do_not_fit() {
        let queue = WriteQueue::new(100, usize::MAX);
        let [large, other, _] = people();
        assert!(push(&queue, other, 1) && push(&queue, large, 50) && push(&queue, other, 1));
        assert_eq!(owners(&queue.take(8)), [other]);
        assert_eq!(owners(&queue.take(8)), [large]);
        assert_eq!(owners(&queue.take(8)), [other]);
        assert!(queue.take(8).is_empty() && queue.len() == 0);
        assert!(queue.lock().lanes.is_empty() && queue.lock().turns.is_empty());
    }
}
