//! Greets the other nodes, so that operators and nodes see which nodes are present.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::channel::GREETINGS;
use super::envelope::Sealer;
use super::link::{LinkError, RedisLink};
use super::peers::Greeting;
use super::shared::ClusterShared;
use super::timing::GREETING_INTERVAL;

pub(super) struct Greeter {
    shared: Arc<ClusterShared>,
    sealer: Sealer,
    greeting: Greeting,
}

impl Greeter {
    pub(super) fn new(shared: Arc<ClusterShared>, sealer: Sealer) -> Self {
        let greeting = Greeting {
            name: shared.settings.node_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            hears: None,
        };
        Self {
            shared,
            sealer,
            greeting,
        }
    }

    pub(super) async fn greet(&mut self, link: &RedisLink) -> Result<Infallible, LinkError> {
        link.subscribe(vec![GREETINGS.to_owned()]).await?;
        let mut is_first = true;
        loop {
            self.greeting.hears = self.shared.peers.lock().heard(Instant::now());
            // Texts and a number always serialize.
            let greeting = serde_json::to_vec(&self.greeting).unwrap_or_default();
            let sealed = self.sealer.seal_greeting(&greeting);
            link.publish(&[(GREETINGS.to_owned(), sealed)]).await?;
            if std::mem::take(&mut is_first) {
                self.shared.peers.lock().greeted(Instant::now());
            }
            // A node that has just come missed the earlier greetings.
            let newcomer = self.shared.newcomer.notified();
            let _ = tokio::time::timeout(GREETING_INTERVAL, newcomer).await;
        }
    }
}
