//! Cuts the sockets that read least, when the memory of what waits for sockets is full.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::engineio::CloseReason;
use crate::socket::{Application, SocketTable};

/// How often it is looked at whether a socket that was cut is gone, and for how long.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 50;

/// How long to wait where no socket can be cut: what is full is on its way to them.
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps what waits for sockets within its memory: cuts one at a time, the one with the most first.
pub(super) async fn relieve<A: Application>(sockets: Arc<SocketTable<A>>) {
    let outbound = sockets.outbound();
    loop {
        poll_fn(|cx| outbound.poll_full(cx)).await;
        let Some(slowest) = sockets.slowest() else {
            sleep(PAUSE).await;
            continue;
        };
        log::debug!("socket {slowest} is cut: it leaves the most unread, and the memory is full");
        sockets.close(slowest, CloseReason::SlowConsumer);
        for _ in 0..LOOKS {
            if sockets.get(slowest).is_none() {
                break;
            }
            sleep(LOOK).await;
        }
    }
}
