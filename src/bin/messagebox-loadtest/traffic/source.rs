//! Triggers messages: on a schedule, or when an earlier one is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::measure::clock::Clock;
use crate::options::SendPace;

/// Triggers one message of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    /// The index of the stream in its task.
    pub(crate) local: usize,
    /// When the message should be sent; `None`: when the tick is taken.
    pub(crate) intended: Option<u64>,
}

/// Sends the ticks of one stream. The rate, or the messages in flight, bound their number.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) ticks: UnboundedSender<Tick>,
    pub(crate) local: usize,
    pub(crate) pace: SendPace,
    pub(crate) clock: Arc<Clock>,
}

impl Source {
    /// Reports a message as done, which triggers the next one in flight.
    pub(crate) fn completed(&self) {
        if matches!(self.pace, SendPace::InFlight(_)) && self.clock.is_running() {
            self.tick(None);
        }
    }

    fn tick(&self, intended: Option<u64>) {
        let local = self.local;
        // The task of a lost socket takes no more ticks.
        let _ = self.ticks.send(Tick { local, intended });
    }
}

/// Starts the sources, after the clock has begun.
pub(crate) fn begin(sources: Vec<Source>, pace: SendPace, clock: Arc<Clock>) {
    match pace {
        SendPace::InFlight(window) => {
            for source in sources {
                for _ in 0..window {
                    source.tick(None);
                }
            }
        }
        SendPace::Rate(rate) => {
            // A thread sleeps more exactly than the runtime's timer, which counts milliseconds.
            std::thread::spawn(move || schedule(&sources, rate, &clock));
        }
    }
}

fn schedule(sources: &[Source], rate: f64, clock: &Clock) {
    let began = clock.began();
    for (index, source) in (0_u64..).zip(sources.iter().cycle()) {
        let offset =
            crate::measure::figures::whole(crate::measure::figures::float(index) * 1e9 / rate);
        let due = began.saturating_add(offset);
        let wait = due.saturating_sub(clock.now());
        // The end may move, because a run may be cut.
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

    fn source(pace: SendPace, clock: &Arc<Clock>) -> (Source, mpsc::UnboundedReceiver<Tick>) {
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
    fn a_schedule_does_not_depend_on_the_messages() {
        let clock = Arc::new(Clock::start(Duration::ZERO, Duration::from_millis(100)));
        let (one, mut ones) = source(SendPace::Rate(100.0), &clock);
        let (other, mut others) = source(SendPace::Rate(100.0), &clock);
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
    fn a_done_message_triggers_the_next_until_the_end() {
        let clock = Arc::new(Clock::start(Duration::ZERO, Duration::from_secs(60)));
        let (source, mut ticks) = source(SendPace::InFlight(3), &clock);
        clock.begin();
        begin(
            vec![source.clone()],
            SendPace::InFlight(3),
            Arc::clone(&clock),
        );
        source.completed();
        assert_eq!(std::iter::from_fn(|| ticks.try_recv().ok()).count(), 4);
        clock.cut();
        source.completed();
        assert!(ticks.try_recv().is_err());
    }
}
