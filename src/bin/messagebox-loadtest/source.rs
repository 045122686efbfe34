//! What asks for the next message: a schedule, or the end of one before it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::clock::Clock;
use super::options::Pace;

/// Asks a task for one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    /// Which of the task's sequences.
    pub(crate) local: usize,
    /// When it should be sent; none: when the tick is taken.
    pub(crate) intended: Option<u64>,
}

/// Where ticks for one sequence go. Their number is bounded by the rate, or by what is in flight.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) ticks: UnboundedSender<Tick>,
    pub(crate) local: usize,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<Clock>,
}

impl Source {
    /// One is done: where that asks for the next, it is asked for.
    pub(crate) fn completed(&self) {
        if matches!(self.pace, Pace::InFlight(_)) && self.clock.is_running() {
            self.tick(None);
        }
    }

    fn tick(&self, intended: Option<u64>) {
        let local = self.local;
        // A task that has ended because its socket has takes no more.
        let _ = self.ticks.send(Tick { local, intended });
    }
}

/// Sets sources going. The clock has begun.
pub(crate) fn begin(sources: Vec<Source>, pace: Pace, clock: Arc<Clock>) {
    match pace {
        Pace::InFlight(window) => {
            for source in sources {
                for _ in 0..window {
                    source.tick(None);
                }
            }
        }
        Pace::Rate(rate) => {
            // A thread of its own, because it sleeps more exactly than the runtime's timer, which counts milliseconds.
            std::thread::spawn(move || schedule(&sources, rate, &clock));
        }
    }
}

fn schedule(sources: &[Source], rate: f64, clock: &Clock) {
    let began = clock.began();
    for (index, source) in (0_u64..).zip(sources.iter().cycle()) {
        let offset = super::figures::whole(super::figures::float(index) * 1e9 / rate);
        let due = began.saturating_add(offset);
        let wait = due.saturating_sub(clock.now());
        // The end is asked for each time: a run may be cut.
        if wait > 0 && due < clock.measured_to() {
            std::thread::sleep(Duration::from_nanos(wait));
        }
        if due >= clock.measured_to() {
            return;
        }
        source.tick(Some(due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn source(pace: Pace, clock: &Arc<Clock>) -> (Source, mpsc::UnboundedReceiver<Tick>) {
        let (ticks, receiver) = mpsc::unbounded_channel();
        let clock = Arc::clone(clock);
        let source = Source {
            ticks,
            local: 0,
            pace,
            clock,
        };
        (source, receiver)
    }

    #[test]
    fn a_schedule_keeps_its_times_whatever_becomes_of_the_messages() {
        let clock = Arc::new(Clock::start(Duration::ZERO, Duration::from_millis(100)));
        let (one, mut ones) = source(Pace::Rate(100.0), &clock);
        let (other, mut others) = source(Pace::Rate(100.0), &clock);
        clock.begin();
        schedule(&[one.clone(), other], 100.0, &clock);
        one.completed();
        let mut offsets = Vec::new();
        while let Ok(tick) = ones.try_recv() {
            offsets.push((tick.intended.unwrap() - clock.began()) / 1_000_000);
        }
        assert_eq!(offsets, [0, 20, 40, 60, 80]);
        assert_eq!(std::iter::from_fn(|| others.try_recv().ok()).count(), 5);
    }

    #[test]
    fn a_window_asks_for_the_next_when_one_is_done_and_not_after_the_end() {
        let clock = Arc::new(Clock::start(Duration::ZERO, Duration::from_secs(60)));
        let (source, mut ticks) = source(Pace::InFlight(3), &clock);
        clock.begin();
        begin(vec![source.clone()], Pace::InFlight(3), Arc::clone(&clock));
        source.completed();
        assert_eq!(std::iter::from_fn(|| ticks.try_recv().ok()).count(), 4);
        clock.cut();
        source.completed();
        assert!(ticks.try_recv().is_err());
    }
}
