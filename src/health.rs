//! Readiness of the server: named checks of its dependencies, and whether it is shutting down.
//!
//! Some checks run a probe. Requests share a result for [`HealthSettings::keep`], and none waits longer than
//! [`HealthSettings::deadline`]. Other checks read a state that the server already has.

mod causes;
mod observation;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{LocalBoxFuture, join_all};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::panics;

pub use causes::{CAUSES, CLOCK, DATABASE_LOG, DISK, FCM, HEADERS, REDIS, WALLET};
pub use observation::Observation;

/// The reason that a server gives while it is shutting down.
pub const DRAINING: &str = "draining";

/// Whether a dependency works, or why not.
type Answer = Result<(), String>;

/// How a check finds out whether its dependency works.
enum Probe {
    Ask(Box<dyn Fn() -> LocalBoxFuture<'static, Answer> + Send + Sync>),
    Look(Box<dyn Fn() -> Answer + Send + Sync>),
}

/// How long results are valid, and how long checks may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthSettings {
    /// How long a result is valid.
    pub keep: Duration,
    /// How long a check may take before it counts as failed.
    pub deadline: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(1),
            deadline: Duration::from_secs(2),
        }
    }
}

/// The state of all dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    pub ready: Vec<&'static str>,
    /// Optional dependencies that fail.
    pub degraded: Vec<&'static str>,
    /// Required dependencies that fail, and [`DRAINING`].
    pub not_ready: Vec<&'static str>,
    /// All optional dependencies, whether they work or not.
    pub optional: Vec<&'static str>,
    /// Why dependencies fail. Only admins may see it.
    pub reasons: BTreeMap<&'static str, String>,
}

/// The checks of a server. Clones share their results.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    settings: HealthSettings,
    draining: AtomicBool,
    checks: Vec<Arc<Check>>,
}

struct Check {
    name: &'static str,
    /// Whether the server works without the dependency, though in part.
    is_optional: bool,
    probe: Probe,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    latest: Option<(Instant, Answer)>,
    running: Option<Running>,
    /// The result that was last logged.
    logged: Option<bool>,
}

struct Running {
    since: Instant,
    /// The result, once the probe has finished.
    result: watch::Receiver<Option<Answer>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.checks.iter().map(|check| check.name);
        f.debug_list().entries(names).finish()
    }
}

impl Health {
    #[must_use]
    pub fn new(settings: HealthSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            draining: AtomicBool::new(false),
            checks: Vec::new(),
        }))
    }

    /// Adds a check of a required dependency. `probe` must finish at some time; it does not run twice at once.
    #[must_use]
    pub fn with<F>(self, name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + 'static,
    {
        let ask = Probe::Ask(Box::new(move || Box::pin(probe())));
        self.adding(name, false, ask)
    }

    /// Adds a check of an optional dependency, whose failure only degrades the server.
    #[must_use]
    pub fn with_optional<F>(
        self,
        name: &'static str,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + 'static,
    {
        let ask = Probe::Ask(Box::new(move || Box::pin(probe())));
        self.adding(name, true, ask)
    }

    /// Adds a check of an optional dependency whose state is already known.
    #[must_use]
    pub fn with_known(
        self,
        name: &'static str,
        look: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.adding(name, true, Probe::Look(Box::new(look)))
    }

    fn adding(self, name: &'static str, is_optional: bool, probe: Probe) -> Self {
        let mut checks = self.0.checks.clone();
        checks.push(Arc::new(Check {
            name,
            is_optional,
            probe,
            state: Mutex::default(),
        }));
        Self(Arc::new(Shared {
            settings: self.0.settings,
            draining: AtomicBool::new(self.is_draining()),
            checks,
        }))
    }

    /// Marks the server as shutting down, and so as not ready.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Runs all checks. Must be called inside an actix system.
    pub async fn readiness(&self) -> Readiness {
        let Shared {
            settings, checks, ..
        } = &*self.0;
        let answers = join_all(checks.iter().map(|check| check.answer(settings))).await;
        let mut readiness = Readiness::default();
        for (check, answer) in checks.iter().zip(answers) {
            if check.is_optional {
                readiness.optional.push(check.name);
            }
            match answer {
                Ok(()) => readiness.ready.push(check.name),
                Err(reason) => {
                    let failing = if check.is_optional {
                        &mut readiness.degraded
                    } else {
                        &mut readiness.not_ready
                    };
                    failing.push(check.name);
                    readiness.reasons.insert(check.name, reason);
                }
            }
        }
        if self.is_draining() {
            readiness.not_ready.push(DRAINING);
        }
        readiness
    }

    /// Logs the changes of known states, even if no request asks for them.
    pub fn look(&self) {
        for check in &self.0.checks {
            if let Probe::Look(look) = &check.probe {
                // The result serves only the log here.
                drop(check.look(look));
            }
        }
    }
}

impl Check {
    async fn answer(self: &Arc<Self>, settings: &HealthSettings) -> Answer {
        match &self.probe {
            Probe::Look(look) => self.look(look),
            Probe::Ask(ask) => self.ask(ask, settings).await,
        }
    }

    fn look(&self, look: &dyn Fn() -> Answer) -> Answer {
        let answer = look();
        self.note(&mut self.state.lock(), &answer);
        answer
    }

    async fn ask(
        self: &Arc<Self>,
        ask: &dyn Fn() -> LocalBoxFuture<'static, Answer>,
        settings: &HealthSettings,
    ) -> Answer {
        let (since, mut result) = {
            let mut state = self.state.lock();
            if let Some((at, answer)) = &state.latest
                && at.elapsed() < settings.keep
            {
                return answer.clone();
            }
            let running = state.running.get_or_insert_with(|| self.start(ask()));
            (running.since, running.result.clone())
        };
        let left = settings.deadline.saturating_sub(since.elapsed());
        let late = || Err("no answer in time".to_owned());
        match tokio::time::timeout(left, result.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(late),
            // The task of the probe ended without a result.
            Ok(Err(_)) => {
                self.state.lock().running = None;
                late()
            }
            Err(_) => {
                self.note(&mut self.state.lock(), &late());
                late()
            }
        }
    }

    /// Runs the probe in a task of its own, so that a dropped request does not cancel it.
    fn start(self: &Arc<Self>, probe: LocalBoxFuture<'static, Answer>) -> Running {
        let (sender, result) = watch::channel(None);
        let check = Arc::clone(self);
        actix::spawn(async move {
            let answer = panics::contained(check.name, probe).await;
            let answer = answer.unwrap_or_else(|| Err("the check panicked".to_owned()));
            {
                let mut state = check.state.lock();
                check.note(&mut state, &answer);
                state.latest = Some((Instant::now(), answer.clone()));
                state.running = None;
            }
            sender.send_replace(Some(answer));
        });
        Running {
            since: Instant::now(),
            result,
        }
    }

    /// Logs a change of state once.
    fn note(&self, state: &mut State, answer: &Answer) {
        let works = answer.is_ok();
        let before = state.logged.replace(works);
        match answer {
            Ok(()) if before == Some(false) && self.is_optional => {
                log::info!("no longer degraded: {}", self.name);
            }
            Ok(()) if before == Some(false) => log::info!("ready again: {}", self.name),
            Err(error) if before != Some(false) => {
                let what = if self.is_optional {
                    "degraded"
                } else {
                    "not ready"
                };
                log::error!("{what}: {}: {error}", self.name);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;

    fn settings() -> HealthSettings {
        HealthSettings {
            keep: Duration::from_secs(3_600),
            deadline: Duration::from_secs(20),
        }
    }

    #[actix_web::test]
    async fn a_probe_runs_once_for_all_requests() {
        let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, gate) = (Arc::clone(&runs), Arc::clone(&go));
        let health = Health::new(settings()).with("one", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok(())
            }
        });
        // A dropped request cancels nothing.
        let mut gone = Box::pin(health.readiness());
        assert!(futures_util::poll!(&mut gone).is_pending());
        drop(gone);
        let many = join_all((0..50).map(|_| health.readiness()));
        let (many, ()) = futures_util::future::join(many, async { go.notify_one() }).await;
        assert!(many.iter().all(|readiness| readiness.ready == ["one"]));
        assert_eq!(health.readiness().await.ready, ["one"]);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[actix_web::test]
    async fn checks_that_fail_panic_or_take_too_long_are_named() {
        let brief = HealthSettings {
            deadline: Duration::from_millis(50),
            ..settings()
        };
        let health = Health::new(brief)
            .with("works", || async { Ok(()) })
            .with("fails", || async { Err("on purpose".to_owned()) })
            .with("panics", || async { panic!("on purpose") })
            .with("hangs", std::future::pending)
            .with_optional("optional", || async { Err("on purpose".to_owned()) });
        for _ in 0..2 {
            let readiness = health.readiness().await;
            assert_eq!(readiness.ready, ["works"]);
            assert_eq!(readiness.not_ready, ["fails", "panics", "hangs"]);
            assert_eq!(readiness.degraded, ["optional"]);
            assert_eq!(readiness.optional, ["optional"]);
            assert_eq!(readiness.reasons["fails"], "on purpose");
            assert_eq!(readiness.reasons["hangs"], "no answer in time");
            assert!(!readiness.reasons.contains_key("works"));
        }
    }

    #[actix_web::test]
    async fn known_states_are_current() {
        let seen = Observation::default();
        let checked = seen.clone();
        let health = Health::new(settings()).with_known("seen", move || checked.check());
        for (now, expected) in [(Ok(()), 0), (Err("gone".to_owned()), 1), (Ok(()), 0)] {
            seen.note(now);
            health.look();
            let readiness = health.readiness().await;
            assert_eq!(
                (readiness.degraded.len(), readiness.ready.len()),
                (expected, 1 - expected)
            );
        }
    }

    #[actix_web::test]
    async fn a_server_that_shuts_down_is_not_ready() {
        let health = Health::new(settings()).with("works", || async { Ok(()) });
        assert_eq!(health.readiness().await.not_ready, [""; 0]);
        health.clone().drain();
        assert_eq!(health.readiness().await.not_ready, [DRAINING]);
    }
}
