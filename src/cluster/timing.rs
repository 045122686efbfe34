//! All time constants of a node.

use std::time::Duration;

/// How often a node reads the highest message id of the database.
pub(super) const WATERMARK_INTERVAL: Duration = Duration::from_millis(500);

/// How long watermarks are kept beyond the overlap: longer than a lost connection goes unnoticed.
pub(super) const WATERMARKS_KEPT: Duration = Duration::from_secs(60);

/// Pauses between attempts to connect. A node must notice within 5 s that Redis is back.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(3);

/// A connection that lasted so long resets the pauses.
pub(super) const SETTLED: Duration = Duration::from_secs(5);

/// Time limit for connecting, and for each answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// How often a connection is pinged. Nothing else notices a Redis that has vanished.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How long a write lives that only shows that writes work.
pub(super) const PROBE_KEPT: Duration = Duration::from_secs(1);

/// How often the database is asked again for missed events while it does not answer, and the pause between attempts.
pub(super) const CATCH_UP_ATTEMPTS: u32 = 20;
pub(super) const CATCH_UP_PAUSE: Duration = Duration::from_millis(250);

/// The pause before the database is asked again for events to publish.
pub(super) const REPUBLISH_PAUSE: Duration = Duration::from_millis(500);

/// How often a node greets the others.
pub(super) const GREETING_INTERVAL: Duration = Duration::from_secs(5);

/// A node that was silent for so long counts as absent.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(16);

/// How long an absent node is still listed, so that operators see it missing.
pub(super) const REMEMBERED: Duration = Duration::from_secs(600);

/// A greeting does not name nodes that were silent for so long.
pub(super) const MAX_HEARD_AGO: Duration = Duration::from_secs(11);

/// How long the other nodes have to receive a node's first greeting.
pub(super) const TIME_TO_HEAR: Duration = Duration::from_secs(6);

/// How long a node that others do not receive waits before it reconnects again.
pub(super) const UNHEARD_PAUSE: Duration = Duration::from_secs(60);
