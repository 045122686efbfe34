//! Closes the slowest consumers when the memory for outbound buffers is full.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::engineio::CloseReason;
use crate::socket::{Application, SocketTable};

/// How often, and how many times, to check whether a closed socket is gone.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
const CHECKS: usize = 50;

/// Pause if no socket can be closed: the frames have not reached the sockets yet.
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps the outbound buffers within their memory: closes one socket at a time, the one with the largest buffer first.
pub(crate) async fn relieve<A: Application>(sockets: Arc<SocketTable<A>>) {
    let outbound = sockets.outbound();
    loop {
        poll_fn(|cx| outbound.poll_full(cx)).await;
        let Some(slowest) = sockets.slowest() else {
            sleep(PAUSE).await;
            continue;
        };
        log::debug!(
            "close socket {slowest}: it has the largest outbound buffer, and the memory for buffers is full"
        );
        sockets.close(slowest, CloseReason::SlowConsumer);
        for _ in 0..CHECKS {
            if sockets.get(slowest).is_none() {
                break;
            }
            sleep(CHECK_INTERVAL).await;
        }
    }
}
