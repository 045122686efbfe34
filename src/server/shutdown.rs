//! How the server goes down: in which order, how long each step may take, and what ends it at once.

use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engineio::CloseReason;

use super::{Server, ServerError};

/// How long a shutdown waits for push notifications, at most.
const PUSH_DEADLINE: Duration = Duration::from_secs(3);

/// How long a shutdown waits until other nodes know of the last messages, at most.
const CLUSTER_DEADLINE: Duration = Duration::from_secs(3);

/// How often the sockets that are left are counted.
const SOCKETS_INTERVAL: Duration = Duration::from_millis(10);

/// Two equal signals within this time are one: supervisors send a signal to the process and to its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that the server listens to, so that none of them ends the process by itself.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hang_up: Signal,
    user: [Signal; 2],
}

/// What a signal asks for.
enum Asked {
    /// To shut down.
    End(&'static str),
    /// To read the configuration again.
    Reload,
    /// Nothing; other servers open their logs anew, or start a debugger.
    Nothing(&'static str),
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub(super) fn listen() -> Result<Self, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            quit: listen(SignalKind::quit())?,
            hang_up: listen(SignalKind::hangup())?,
            user: [
                listen(SignalKind::user_defined1())?,
                listen(SignalKind::user_defined2())?,
            ],
        })
    }

    async fn asked(&mut self) -> Asked {
        let [user_1, user_2] = &mut self.user;
        tokio::select! {
            Some(()) = self.interrupt.recv() => Asked::End("SIGINT"),
            Some(()) = self.terminate.recv() => Asked::End("SIGTERM"),
            Some(()) = self.quit.recv() => Asked::End("SIGQUIT"),
            Some(()) = self.hang_up.recv() => Asked::Reload,
            Some(()) = user_1.recv() => Asked::Nothing("SIGUSR1"),
            Some(()) = user_2.recv() => Asked::Nothing("SIGUSR2"),
            else => std::future::pending().await,
        }
    }

    /// The name of the next one that ends the server. `reload` is called for each SIGHUP before it.
    pub(super) async fn next(&mut self, reload: impl Fn()) -> &'static str {
        loop {
            match self.asked().await {
                Asked::End(name) => return name,
                Asked::Reload => reload(),
                Asked::Nothing(name) => log::info!("{name}: does nothing here"),
            }
        }
    }

    /// The name of the next one that ends the server at once, after `first` has begun a shutdown.
    pub(super) async fn second(&mut self, first: &'static str) -> &'static str {
        let mut last = (first, Instant::now());
        loop {
            let name = self
                .next(|| log::info!("SIGHUP while shutting down: does nothing"))
                .await;
            let (before, at) = std::mem::replace(&mut last, (name, Instant::now()));
            if name != before || at.elapsed() > SAME_SIGNAL {
                return name;
            }
            log::info!("{name} again: counts once within a second");
        }
    }
}

/// The time that a shutdown has, and what each of its steps may take of it.
struct Budget {
    began: Instant,
    whole: Duration,
}

impl Budget {
    fn new(whole: Duration) -> Self {
        Self {
            began: Instant::now(),
            whole,
        }
    }

    /// What is left until this share of the whole is used up, in tenths.
    fn left(&self, tenths: u32) -> Duration {
        (self.whole * tenths / 10).saturating_sub(self.began.elapsed())
    }
}

impl Server {
    /// Lets go of everybody without losing anything: says that it is not ready, ends the sockets once their messages are
    /// answered, finishes the requests. Says whether all of that was done in time.
    pub(super) async fn drain(&self, http: &ServerHandle) -> bool {
        self.health.drain();
        tokio::time::sleep(self.settings.server.drain_delay).await;
        let budget = Budget::new(self.settings.server.shutdown_timeout);
        // The listener stays until then: a client that polls comes back for its last answers.
        let sockets_ended = self.end_sockets(&budget).await;
        let finished = tokio::time::timeout(budget.left(8), http.stop(true)).await;
        self.flush(&budget).await && sockets_ended && finished.is_ok()
    }

    /// Commits what waits and sends what is to be notified, as far as there is time.
    pub(super) async fn flush_at_end(&self) -> bool {
        self.sockets.drain(CloseReason::ServerShutdown);
        let budget = Budget::new(self.settings.server.shutdown_timeout);
        self.flush(&budget).await
    }

    async fn flush(&self, budget: &Budget) -> bool {
        // First: what is acknowledged is worth more than who is told of it.
        let committed = self.db.close(budget.left(9)).await;
        if let Err(error) = &committed {
            log::error!("at shutdown: {error}");
        }
        if let Some(cluster) = &self.cluster {
            // The registry is told of commits before it answers this.
            let _ = tokio::time::timeout(budget.left(10), self.service.rooms.status()).await;
            if !cluster.flush(CLUSTER_DEADLINE.min(budget.left(10))).await {
                log::warn!("at shutdown: other nodes did not hear of all that was stored last");
            }
        }
        if let Some(push) = &self.push
            && !push.flush(PUSH_DEADLINE.min(budget.left(10))).await
        {
            log::warn!("at shutdown: some push notifications were not sent");
        }
        committed.is_ok()
    }

    async fn end_sockets(&self, budget: &Budget) -> bool {
        while !self.sockets.is_empty() {
            if budget.left(5).is_zero() {
                log::warn!(
                    "at shutdown: {} sockets are cut off: their last packets were not taken",
                    self.sockets.len()
                );
                self.sockets.drain(CloseReason::TransportClose);
                return false;
            }
            // Again and again: one may have been about to begin.
            self.sockets.drain(CloseReason::ServerShutdown);
            tokio::time::sleep(SOCKETS_INTERVAL).await;
        }
        self.sockets.drain(CloseReason::ServerShutdown);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_share_the_time_of_the_whole() {
        let budget = Budget::new(Duration::from_secs(1_000));
        assert!(budget.left(5) <= Duration::from_secs(500));
        assert!(budget.left(5) > Duration::from_secs(400));
        assert!(budget.left(10) > Duration::from_secs(900));
        assert_eq!(Budget::new(Duration::ZERO).left(10), Duration::ZERO);
    }
}
