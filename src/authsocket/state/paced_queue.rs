//! The send queue of one socket: answers and deliveries leave at the pace at which the client can verify them.
//!
//! Time is an argument. Queued events are unsigned, so that deliveries stay shared between sockets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::throttle::{Throttle, ThrottleWindow};

/// Deliveries that one socket may queue. The client also finds them by listing.
const MAX_DELIVERIES: usize = 1_024;

/// A queued item and the bytes that it holds.
#[derive(Debug)]
struct QueuedItem<T> {
    item: T,
    bytes: usize,
}

/// A queue with a bound in bytes. An empty one accepts an item of any size.
#[derive(Debug)]
struct BoundedQueue<T> {
    items: VecDeque<QueuedItem<T>>,
    bytes: usize,
}

impl<T> BoundedQueue<T> {
    const fn new() -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
        }
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn has_room(&self, bytes: usize, max_bytes: usize) -> bool {
        self.items.is_empty() || self.bytes + bytes <= max_bytes
    }

    fn push(&mut self, item: T, bytes: usize) {
        self.bytes += bytes;
        self.items.push_back(QueuedItem { item, bytes });
    }

    fn pop(&mut self) -> Option<T> {
        let QueuedItem { item, bytes } = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }
}

/// Why the queue refuses an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushRefused {
    /// A delivery is dropped. The client finds it by listing.
    Dropped,
    /// Answers are never dropped, so the socket must close.
    Overflow,
}

/// Queued frames of one socket.
#[derive(Debug)]
pub(crate) struct PacedQueue<T> {
    pace: Throttle,
    window: ThrottleWindow,
    /// Sent before `stream`, in order.
    answers: BoundedQueue<T>,
    /// Deliveries, and answers that must not overtake them.
    stream: BoundedQueue<T>,
    /// Bound of each queue: deliveries must not take the room of answers.
    max_bytes: usize,
    /// When the next group of queued frames may leave.
    next_group: Option<Instant>,
    /// Frames of the current group that may still leave.
    left_in_group: usize,
}

impl<T> PacedQueue<T> {
    /// An empty queue for at most `max_bytes` of answers and as much of deliveries.
    pub(crate) fn new(pace: Throttle, max_bytes: usize) -> Self {
        Self {
            pace,
            window: ThrottleWindow::default(),
            answers: BoundedQueue::new(),
            stream: BoundedQueue::new(),
            max_bytes,
            next_group: None,
            left_in_group: 0,
        }
    }

    /// Changes the pace from now on.
    pub(crate) fn set_pace(&mut self, pace: Throttle) {
        self.pace = pace;
        self.next_group = None;
        self.left_in_group = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of queued answers.
    pub(crate) fn answers(&self) -> usize {
        self.answers.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len() + self.stream.len()
    }

    /// Bytes of all queued items.
    pub(crate) const fn bytes(&self) -> usize {
        self.answers.bytes + self.stream.bytes
    }

    /// Counts a frame that is sent at once, if nothing is queued and the pace allows it.
    pub(crate) fn passes(&mut self, now: Instant) -> bool {
        self.is_empty() && self.window.take(self.pace, now)
    }

    /// Queues an answer, before all deliveries.
    ///
    /// # Errors
    /// [`PushRefused::Overflow`].
    pub(crate) fn push_answer(&mut self, item: T, bytes: usize) -> Result<(), PushRefused> {
        if !self.answers.has_room(bytes, self.max_bytes) {
            return Err(PushRefused::Overflow);
        }
        self.answers.push(item, bytes);
        Ok(())
    }

    /// Queues an answer that must not overtake earlier deliveries. Deliveries can fill half of this room only.
    ///
    /// # Errors
    /// [`PushRefused::Overflow`].
    pub(crate) fn push_mark(&mut self, item: T, bytes: usize) -> Result<(), PushRefused> {
        if !self
            .stream
            .has_room(bytes, self.max_bytes.saturating_mul(2))
        {
            return Err(PushRefused::Overflow);
        }
        self.stream.push(item, bytes);
        Ok(())
    }

    /// Queues a delivery, after earlier ones.
    ///
    /// # Errors
    /// [`PushRefused::Dropped`].
    pub(crate) fn push_delivery(&mut self, item: T, bytes: usize) -> Result<(), PushRefused> {
        let has_room = self.stream.has_room(bytes, self.max_bytes);
        if !has_room || self.stream.len() >= MAX_DELIVERIES {
            return Err(PushRefused::Dropped);
        }
        self.stream.push(item, bytes);
        Ok(())
    }

    /// Drops all queued frames and returns their number.
    pub(crate) fn clear(&mut self) -> usize {
        let dropped = self.len();
        self.answers = BoundedQueue::new();
        self.stream = BoundedQueue::new();
        self.next_group = None;
        self.left_in_group = 0;
        dropped
    }

    /// Takes and counts the next frame that may leave now.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        if self.left_in_group == 0 {
            if self.next_group.is_some_and(|at| at > now) || self.window.room(self.pace, now) == 0 {
                return None;
            }
            self.begin_group(now);
        }
        if !self.window.take(self.pace, now) {
            return None;
        }
        self.left_in_group = self.left_in_group.saturating_sub(1);
        let item = self.answers.pop().or_else(|| self.stream.pop())?;
        if self.is_empty() {
            self.left_in_group = 0;
            self.next_group = None;
        }
        Some(item)
    }

    /// When [`Self::poll`] has something next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let group = self.next_group.filter(|_| self.left_in_group == 0);
        // A caller that polls to the end always leaves a later deadline.
        group.max(self.window.next_room(self.pace))
    }

    /// How long to stop reading from the client, so that answers leave as fast as they are made.
    ///
    /// `owed` counts the replies that the store has not given yet.
    pub(crate) fn pause(&self, owed: usize) -> Duration {
        if self.pace.is_off() {
            return Duration::ZERO;
        }
        let outstanding = self.answers.len() + owed;
        let excess = outstanding.saturating_sub(self.pace.burst());
        self.pace.time_of(excess)
    }

    fn begin_group(&mut self, now: Instant) {
        let group = self.pace.group();
        let time = self.pace.time_of(group);
        // Groups follow the schedule, so that a late timer does not slow them down.
        let due = self.next_group.filter(|at| now < *at + time);
        self.next_group = Some(due.unwrap_or(now) + time);
        self.left_in_group = if self.pace.is_off() {
            usize::MAX
        } else {
            group
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES: usize = 10;
    const MS: Duration = Duration::from_millis(1);

    fn queue(pace: &str) -> PacedQueue<u32> {
        PacedQueue::new(pace.parse().unwrap(), usize::MAX)
    }

    /// Sends at once what passes, or queues it.
    fn answer(queue: &mut PacedQueue<u32>, item: u32, now: Instant, sent: &mut Vec<u32>) {
        if queue.passes(now) {
            sent.push(item);
        } else {
            queue.push_answer(item, BYTES).unwrap();
        }
    }

    /// Moves time on until the queue is empty. Returns when each item left, and how often the timer fired.
    fn drain(queue: &mut PacedQueue<u32>, now: &mut Instant) -> (Vec<(Instant, u32)>, usize) {
        let (mut sent, mut timers) = (Vec::new(), 0);
        while let Some(at) = queue.poll_timeout() {
            assert!(at > *now, "the timer would fire for nothing");
            *now = at;
            timers += 1;
            sent.extend(std::iter::from_fn(|| queue.poll(*now)).map(|item| (at, item)));
            assert!(timers < 9_999, "nothing leaves");
        }
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
        (sent, timers)
    }

    #[test]
    fn a_burst_passes_and_the_rest_leaves_at_the_pace_in_order() {
        let (mut queue, start) = (queue("24/24"), Instant::now());
        let (mut now, mut sent) = (start, Vec::new());
        for item in 0..200 {
            answer(&mut queue, item, now, &mut sent);
        }
        assert_eq!(sent, (0..24).collect::<Vec<_>>());
        let (late, timers) = drain(&mut queue, &mut now);
        let order = late.iter().map(|(_, item)| *item);
        assert!(order.eq(24..200));
        // 176 items at 24 per second, after the second of the burst.
        let took = now - start;
        let least = Duration::from_secs(1) + MS * (173 * 1_000 / 24);
        assert!(took >= least && took <= least + MS * 250, "{took:?}");
        assert!(timers <= 176 / 3 + 2, "{timers}");
        // No group is larger than the eighth of a second that it stands for.
        for (at, _) in &late {
            assert!(late.iter().filter(|(other, _)| other == at).count() <= 3);
        }
    }

    #[test]
    fn answers_go_first_and_marks_keep_their_place() {
        let (mut queue, now) = (queue("1/1"), Instant::now());
        assert!(queue.passes(now));
        queue.push_delivery(1, BYTES).unwrap();
        queue.push_mark(2, BYTES).unwrap();
        queue.push_delivery(3, BYTES).unwrap();
        queue.push_answer(10, BYTES).unwrap();
        queue.push_answer(11, BYTES).unwrap();
        let order = drain(&mut queue, &mut now.clone()).0;
        let order: Vec<u32> = order.into_iter().map(|(_, item)| item).collect();
        assert_eq!(order, [10, 11, 1, 2, 3]);
    }

    #[test]
    fn the_newest_delivery_is_dropped_when_there_is_no_more_room_and_no_answer_is() {
        let (mut full, now) = (queue("1/1"), Instant::now());
        assert!(full.passes(now));
        for item in 0..2_000 {
            let room = item < u32::try_from(MAX_DELIVERIES).unwrap();
            let expected = if room {
                Ok(())
            } else {
                Err(PushRefused::Dropped)
            };
            assert_eq!(full.push_delivery(item, BYTES), expected);
        }
        assert_eq!(full.push_mark(2_000, BYTES), Ok(()));
        assert_eq!(full.push_answer(2_001, BYTES), Ok(()));
        assert_eq!(full.clear(), MAX_DELIVERIES + 2);
        assert_eq!((full.len(), full.poll_timeout()), (0, None));

        let mut bytes = PacedQueue::new("1/1".parse().unwrap(), 2 * BYTES);
        assert!(bytes.passes(now));
        // An empty queue has room for an item of any size.
        assert_eq!(bytes.push_delivery(1, 9 * BYTES), Ok(()));
        assert_eq!(bytes.push_delivery(2, BYTES), Err(PushRefused::Dropped));
        // Deliveries take no room from answers, which have as much of their own.
        assert_eq!(bytes.push_answer(3, BYTES), Ok(()));
        assert_eq!(bytes.push_answer(4, BYTES), Ok(()));
        assert_eq!(bytes.push_answer(5, BYTES), Err(PushRefused::Overflow));
    }

    #[test]
    fn a_client_is_read_as_fast_as_its_answers_leave() {
        let (mut queue, now) = (queue("24/24"), Instant::now());
        let mut sent = Vec::new();
        assert_eq!(queue.pause(24), Duration::ZERO);
        assert_eq!(queue.pause(36), MS * 500);
        for item in 0..72 {
            answer(&mut queue, item, now, &mut sent);
        }
        assert_eq!((queue.answers(), queue.pause(0)), (48, MS * 1_000));
        // Queued deliveries do not stop a client from sending.
        let mut deliveries = PacedQueue::new("24/24".parse().unwrap(), usize::MAX);
        while deliveries.passes(now) {}
        for item in 0..99 {
            deliveries.push_delivery(item, BYTES).unwrap();
        }
        assert_eq!(deliveries.pause(9), Duration::ZERO);
        assert_eq!(
            PacedQueue::<u32>::new(Throttle::OFF, 9).pause(9_999),
            Duration::ZERO
        );
    }

    #[test]
    fn a_client_that_says_it_is_fast_gets_at_once_what_waits() {
        let (mut queue, now) = (queue("1/1"), Instant::now());
        let mut sent = Vec::new();
        for item in 0..99 {
            answer(&mut queue, item, now, &mut sent);
        }
        queue.set_pace(Throttle::FASTEST);
        sent.extend(std::iter::from_fn(|| queue.poll(now)));
        assert_eq!(sent, (0..99).collect::<Vec<_>>());
        assert!((0..9_999).all(|_| queue.passes(now)));
        queue.set_pace(Throttle::OFF);
        assert!((0..999_999).all(|_| queue.passes(now)));
    }

    /// A wallet that takes 50 ms per call takes 100 ms per frame. The client disconnects at the 33rd unverified frame.
    #[test]
    fn no_published_client_ever_has_too_many_frames_in_work() {
        for per_frame in [100, 400, 1_000].map(|ms| MS * ms) {
            let (mut queue, start) = (queue("24/24"), Instant::now());
            let (mut arrived, mut answers, mut now) = (Vec::new(), 0, start);
            while now < start + Duration::from_secs(60) {
                now += MS * 7;
                // 1,000 deliveries within 7 s, and 200 answers meanwhile.
                let tick = u32::try_from((now - start).as_millis() / 7).unwrap();
                if tick <= 1_000 {
                    if queue.passes(now) {
                        arrived.push(now);
                    } else {
                        queue.push_delivery(tick, BYTES).unwrap();
                    }
                }
                if tick.is_multiple_of(5) && answers < 200 {
                    answers += 1;
                    if queue.passes(now) {
                        arrived.push(now);
                    } else {
                        queue.push_answer(tick, BYTES).unwrap();
                    }
                }
                arrived.extend(std::iter::from_fn(|| queue.poll(now)).map(|_| now));
            }
            assert_eq!(arrived.len(), 1_200);
            for (index, at) in arrived.iter().enumerate() {
                let in_work = arrived[..=index]
                    .iter()
                    .filter(|before| **before + per_frame > *at);
                assert!(in_work.count() <= 24, "{per_frame:?}");
            }
        }
    }

    proptest! {
        /// Whatever comes in whatever order: nothing is lost, answers and the stream keep their order.
        #[test]
        fn order_holds(steps in proptest::collection::vec((0..3_u8, 0..300_u64), 1..80)) {
            let (mut queue, mut now) = (queue("3/10"), Instant::now());
            let (mut sent, mut pushed) = (Vec::new(), 0);
            for (kind, pause) in steps {
                now += MS * u32::try_from(pause).unwrap();
                sent.extend(std::iter::from_fn(|| queue.poll(now)));
                pushed += 1;
                let item = pushed * 10 + u32::from(kind != 0);
                if queue.passes(now) {
                    sent.push(item);
                } else {
                    match kind {
                        0 => queue.push_answer(item, BYTES).unwrap(),
                        1 => queue.push_mark(item, BYTES).unwrap(),
                        _ => queue.push_delivery(item, BYTES).unwrap(),
                    }
                }
            }
            sent.extend(drain(&mut queue, &mut now).0.into_iter().map(|(_, item)| item));
            prop_assert_eq!(sent.len(), usize::try_from(pushed).unwrap());
            for kind in 0..2 {
                let of_kind: Vec<u32> = sent.iter().copied().filter(|item| item % 10 == kind).collect();
                prop_assert!(of_kind.is_sorted());
            }
        }
    }
}
