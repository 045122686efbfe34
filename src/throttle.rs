//! Limits how many frames a client receives in a window of time.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Parts of a window. Frames of one part expire together, which bounds the memory.
const PARTS: u32 = 64;

/// A burst and a rate in frames per second, written `24/24`. `0` means no limit.
///
/// At most `burst` frames leave within `burst / per_second` seconds. So a client that verifies each frame within that
/// time never has more than `burst` unverified frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ThrottleText", into = "String")]
pub struct Throttle {
    burst: u32,
    per_second: u32,
}

/// The text is no throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected frames at once and frames a second such as \"24/24\", or 0 for no limit")]
pub struct ThrottleError;

impl Throttle {
    pub const OFF: Self = Self {
        burst: 0,
        per_second: 0,
    };

    /// Safe for the published clients with wallets that take up to 500 ms per call.
    pub const PUBLISHED_CLIENTS: Self = Self {
        burst: 24,
        per_second: 24,
    };

    /// The fastest rate that a client may choose.
    pub const FASTEST: Self = Self {
        burst: 100_000,
        per_second: 100_000,
    };

    /// This throttle, capped at the fastest that a client may choose.
    #[must_use]
    pub fn for_client(self) -> Self {
        if self.is_off() {
            return Self::FASTEST;
        }
        Self {
            burst: self.burst.min(Self::FASTEST.burst),
            per_second: self.per_second.min(Self::FASTEST.per_second),
        }
    }

    #[must_use]
    pub const fn is_off(self) -> bool {
        self.per_second == 0
    }

    /// Frames that may leave at once.
    #[must_use]
    pub const fn burst(self) -> usize {
        self.burst as usize
    }

    /// Queued frames that leave together: about 8 groups per second, so that few timers fire.
    #[must_use]
    pub const fn group(self) -> usize {
        let eighth = (self.per_second / 8) as usize;
        if eighth == 0 { 1 } else { eighth }
    }

    /// How long `frames` frames take at this rate.
    #[must_use]
    pub fn time_of(self, frames: usize) -> Duration {
        let nanos = u64::try_from(frames)
            .unwrap_or(u64::MAX)
            .saturating_mul(1_000_000_000);
        nanos
            .checked_div(self.per_second.into())
            .map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// The time in which at most one burst leaves.
    fn window(self) -> Duration {
        self.time_of(self.burst())
    }
}

impl FromStr for Throttle {
    type Err = ThrottleError;

    fn from_str(text: &str) -> Result<Self, ThrottleError> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self::OFF);
        }
        let (burst, per_second) = text.split_once('/').ok_or(ThrottleError)?;
        let number = |text: &str| match text.trim().parse() {
            Ok(0) | Err(_) => Err(ThrottleError),
            Ok(number) => Ok(number),
        };
        Ok(Self {
            burst: number(burst)?,
            per_second: number(per_second)?,
        })
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.write_str("0");
        }
        write!(f, "{}/{}", self.burst, self.per_second)
    }
}

impl From<Throttle> for String {
    fn from(throttle: Throttle) -> Self {
        throttle.to_string()
    }
}

/// In a settings file `0` may be a number.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"24/24\", frames at once and frames a second, or 0 for no limit"
)]
enum ThrottleText {
    Number(u32),
    Text(String),
}

impl TryFrom<ThrottleText> for Throttle {
    type Error = ThrottleError;

    fn try_from(text: ThrottleText) -> Result<Self, ThrottleError> {
        match text {
            ThrottleText::Number(0) => Ok(Self::OFF),
            ThrottleText::Number(_) => Err(ThrottleError),
            ThrottleText::Text(text) => text.parse(),
        }
    }
}

/// Frames that left within one part of a window.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: Instant,
    last: Instant,
    frames: usize,
}

/// The frames that left within the last window of a [`Throttle`].
#[derive(Debug, Default)]
pub struct ThrottleWindow {
    runs: VecDeque<Run>,
    frames: usize,
}

impl ThrottleWindow {
    /// How many frames may leave now.
    pub fn room(&mut self, throttle: Throttle, now: Instant) -> usize {
        if throttle.is_off() {
            return usize::MAX;
        }
        let window = throttle.window();
        while let Some(run) = self.runs.front()
            && run.last + window <= now
        {
            self.frames -= run.frames;
            self.runs.pop_front();
        }
        throttle.burst().saturating_sub(self.frames)
    }

    /// Counts a frame that leaves now. Returns `false`, and counts nothing, if the window is full.
    pub fn take(&mut self, throttle: Throttle, now: Instant) -> bool {
        if throttle.is_off() {
            return true;
        }
        if self.room(throttle, now) == 0 {
            return false;
        }
        self.frames += 1;
        match self.runs.back_mut() {
            Some(run) if now < run.first + throttle.window() / PARTS => {
                run.last = run.last.max(now);
                run.frames += 1;
            }
            _ => self.runs.push_back(Run {
                first: now,
                last: now,
                frames: 1,
            }),
        }
        true
    }

    /// When the next frame may leave, or `None` if one may leave now.
    #[must_use]
    pub fn next_room(&self, throttle: Throttle) -> Option<Instant> {
        if throttle.is_off() || self.frames < throttle.burst() {
            return None;
        }
        let mut over = self.frames - throttle.burst();
        for run in &self.runs {
            if run.frames > over {
                return Some(run.last + throttle.window());
            }
            over -= run.frames;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Throttle {
        text.parse().unwrap()
    }

    #[test]
    fn a_pace_is_read_and_written() {
        assert_eq!(read("24/24"), Throttle::PUBLISHED_CLIENTS);
        assert_eq!(read(" 5 / 7 ").to_string(), "5/7");
        assert!(read("0").is_off() && Throttle::OFF.to_string() == "0");
        for text in [
            "",
            "24",
            "0/24",
            "24/0",
            "-1/2",
            "1/2/3",
            "a/b",
            "9999999999/1",
        ] {
            assert_eq!(text.parse::<Throttle>(), Err(ThrottleError), "{text}");
        }
        let of = |toml: &str| toml::from_str::<toml::Table>(toml).unwrap()["pace"].clone();
        assert!(of("pace = 0").try_into::<Throttle>().unwrap().is_off());
        assert_eq!(
            of("pace = \"1/2\"").try_into::<Throttle>().unwrap(),
            read("1/2")
        );
        assert!(of("pace = 24").try_into::<Throttle>().is_err());
    }

    #[test]
    fn a_client_has_no_pace_without_a_limit() {
        assert_eq!(Throttle::OFF.for_client(), Throttle::FASTEST);
        assert_eq!(read("4000000000/7").for_client(), read("100000/7"));
        assert_eq!(read("1/1").for_client(), read("1/1"));
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_next_frame_when_the_first_is_a_window_old() {
        let (mut window, start) = (ThrottleWindow::default(), Instant::now());
        let throttle = read("24/24");
        for _ in 0..24 {
            assert_eq!(window.next_room(throttle), None);
            assert!(window.take(throttle, start));
        }
        assert!(!window.take(throttle, start + Duration::from_millis(999)));
        let later = start + Duration::from_secs(1);
        assert_eq!(window.next_room(throttle), Some(later));
        assert_eq!(window.room(throttle, later), 24);
        assert!(window.take(throttle, later));
    }

    #[test]
    fn without_a_pace_everything_leaves_and_nothing_is_remembered() {
        let (mut window, now) = (ThrottleWindow::default(), Instant::now());
        assert!((0..99_999).all(|_| window.take(Throttle::OFF, now)));
        assert!(window.runs.is_empty() && window.next_room(Throttle::OFF).is_none());
    }

    #[test]
    fn a_slower_pace_counts_what_left_before() {
        let (mut window, now) = (ThrottleWindow::default(), Instant::now());
        let (fast, slow) = (read("9/9"), read("2/1"));
        for tenth in 0..5 {
            assert!(window.take(fast, now + Duration::from_millis(100 * tenth)));
        }
        assert!(!window.take(slow, now + Duration::from_secs(1)));
        // Four of the five frames must expire before the next one may leave.
        let next = now + Duration::from_millis(300) + Duration::from_secs(2);
        assert_eq!(window.next_room(slow), Some(next));
    }

    proptest! {
        /// No window has more frames than the burst, every refused frame has a time, and memory is bounded.
        #[test]
        fn no_window_ever_has_more_than_the_burst(
            burst in 1..40_u32,
            per_second in 1..200_u32,
            steps in proptest::collection::vec((0..400_u64, 1..30_usize), 1..60),
        ) {
            let throttle = Throttle { burst, per_second };
            let (mut window, start) = (ThrottleWindow::default(), Instant::now());
            let mut now = start;
            let mut left: Vec<Instant> = Vec::new();
            for (pause, frames) in steps {
                now += Duration::from_millis(pause);
                for _ in 0..frames {
                    let taken = window.take(throttle, now);
                    if taken {
                        left.push(now);
                    } else {
                        let at = window.next_room(throttle).unwrap();
                        prop_assert!(at > now && at <= now + throttle.window());
                    }
                }
                prop_assert!(window.runs.len() <= PARTS as usize + 2);
            }
            for (index, first) in left.iter().enumerate() {
                let within = left[index..].iter().take_while(|at| **at < *first + throttle.window());
                prop_assert!(within.count() <= burst as usize);
            }
        }
    }
}
