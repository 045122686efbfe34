//! The shutdown of the server: signals, the order of the steps, and their deadlines.

use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engineio::CloseReason;

use super::Server;
use super::error::ServerError;

/// Maximum wait for push notifications.
const PUSH_DEADLINE: Duration = Duration::from_secs(3);

/// Maximum wait until other nodes have the last events.
const CLUSTER_DEADLINE: Duration = Duration::from_secs(3);

/// How often the remaining sockets are counted.
const SOCKETS_INTERVAL: Duration = Duration::from_millis(10);

/// Two equal signals within this time count as one: supervisors signal the process and its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that the server handles; none of them ends the process by itself.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hang_up: Signal,
    user: [Signal; 2],
}

enum Action {
    Shutdown(&'static str),
    Reload,
    /// For other servers these signals reopen logs or start a debugger; for this one they do nothing.
    Nothing(&'static str),
}

impl Signals {
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

    async fn action(&mut self) -> Action {
        let [user_1, user_2] = &mut self.user;
        tokio::select! {
            Some(()) = self.interrupt.recv() => Action::Shutdown("SIGINT"),
            Some(()) = self.terminate.recv() => Action::Shutdown("SIGTERM"),
            Some(()) = self.quit.recv() => Action::Shutdown("SIGQUIT"),
            Some(()) = self.hang_up.recv() => Action::Reload,
            Some(()) = user_1.recv() => Action::Nothing("SIGUSR1"),
            Some(()) = user_2.recv() => Action::Nothing("SIGUSR2"),
            else => std::future::pending().await,
        }
    }

    /// Waits for a signal to shut down, and gives its name. Calls `reload` for each SIGHUP.
    pub(super) async fn next(&mut self, reload: impl Fn()) -> &'static str {
        loop {
            match self.action().await {
                Action::Shutdown(name) => return name,
                Action::Reload => reload(),
                Action::Nothing(name) => log::info!("{name}: ignored"),
            }
        }
    }

    /// Waits for a signal to exit at once, after `first` has started a shutdown.
    pub(super) async fn second(&mut self, first: &'static str) -> &'static str {
        let mut last = (first, Instant::now());
        loop {
            let name = self
                .next(|| log::info!("SIGHUP: ignored while shutting down"))
                .await;
            let (before, at) = std::mem::replace(&mut last, (name, Instant::now()));
            if name != before || at.elapsed() > SAME_SIGNAL {
                return name;
            }
            log::info!("{name} again within a second: counts once");
        }
    }
}

/// The time for a shutdown, which its steps share.
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

    /// The time left until this share of the whole, in tenths.
    fn left(&self, tenths: u32) -> Duration {
        (self.whole * tenths / 10).saturating_sub(self.began.elapsed())
    }
}

impl Server {
    /// Shuts down without loss: reports not ready, closes sockets once their messages are answered, and finishes requests.
    /// Gives whether all of that was done in time.
    pub(super) async fn drain(&self, http: &ServerHandle) -> bool {
        self.health.drain();
        tokio::time::sleep(self.settings.server.drain_delay).await;
        let budget = Budget::new(self.settings.server.shutdown_timeout);
        // The listener stays open until the sockets have ended: polling clients fetch their last packets with a new request.
        let sockets_ended = self.end_sockets(&budget).await;
        let finished = tokio::time::timeout(budget.left(8), http.stop(true)).await;
        self.flush(&budget).await && sockets_ended && finished.is_ok()
    }

    /// Commits queued writes and sends pending notifications, as far as time allows.
    pub(super) async fn flush_at_end(&self) -> bool {
        self.sockets.drain(CloseReason::ServerShutdown);
        let budget = Budget::new(self.settings.server.shutdown_timeout);
        self.flush(&budget).await
    }

    async fn flush(&self, budget: &Budget) -> bool {
        // Writes come first: storing messages matters more than announcing them.
        let committed = self.db.close(budget.left(9)).await;
        if let Err(error) = &committed {
            log::error!("at shutdown: {error}");
        }
        if let Some(cluster) = &self.cluster {
            // The registry has received all commits when it answers.
            let _ = tokio::time::timeout(budget.left(10), self.service.rooms.status()).await;
            if !cluster.flush(CLUSTER_DEADLINE.min(budget.left(10))).await {
                log::warn!("at shutdown: other nodes did not receive the last events");
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
                    "at shutdown: {} sockets are closed before they read their last packets",
                    self.sockets.len()
                );
                self.sockets.drain(CloseReason::TransportClose);
                return false;
            }
            // Repeatedly, because a socket may have been about to open.
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
