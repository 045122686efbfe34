//! `listen`: the stored messages of a box, then live ones, each once, over as many connections as needed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use messagebox::client::{AuthSocket, ClientError, Connector, Failure};
use messagebox::ids::RoomId;

use crate::error::CommandError;
use crate::local::message::PrintedMessage;
use crate::local::names::Names;
use crate::local::output::{Printer, note};
use crate::local::party::{Party, in_time};
use crate::local::signals::asked_to_stop;
use crate::options::{General, Listen};

/// The pause before the first reconnection; it doubles for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The server's reason for a refusal above the sockets of one identity.
const TOO_MANY_SOCKETS: &str = "Too many sockets of this identity";

/// Listens until a signal.
pub(crate) async fn run(
    general: &General,
    listen: &Listen,
    output: Printer,
) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    let connector = party.connector.clone().over(listen.transport);
    let listener = Listener {
        room: RoomId::of(&party.identity.identity_key(), &listen.from.message_box),
        general,
        listen,
        output,
        party,
        connector,
        names: Names::to_show(),
        known: HashMap::new(),
        was_connected: false,
        pause: FIRST_PAUSE,
    };
    tokio::select! {
        ended = listener.run() => match ended {
            Ok(never) => match never {},
            Err(error) => Err(error),
        },
        stopped = asked_to_stop() => Ok(stopped?),
    }
}

/// Why a connection ended.
enum Ended {
    /// The connection failed, so that a new one may help.
    Lost(ClientError),
    /// A new connection would not help.
    Failed(CommandError),
}

impl From<ClientError> for Ended {
    fn from(error: ClientError) -> Self {
        Self::Lost(error)
    }
}

impl From<CommandError> for Ended {
    fn from(error: CommandError) -> Self {
        Self::Failed(error)
    }
}

/// The sender and its message id identify a message.
type Key = (String, String);

struct Listener<'a> {
    general: &'a General,
    listen: &'a Listen,
    output: Printer,
    party: Party,
    connector: Connector,
    names: Names,
    room: RoomId,
    /// Printed messages, of the last list and since, and whether they may be acknowledged.
    known: HashMap<Key, bool>,
    was_connected: bool,
    pause: Duration,
}

impl Listener<'_> {
    async fn run(mut self) -> Result<Infallible, CommandError> {
        loop {
            let error = match self.connection().await {
                Ok(never) => match never {},
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Lost(error)) => error,
            };
            if !self.was_connected || !may_pass(&error) {
                return Err(error.into());
            }
            let pause = self.pause;
            self.pause = LONGEST_PAUSE.min(pause * 2);
            note(&format!("{error}; reconnecting in {pause:?}"));
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs one connection until it is lost.
    async fn connection(&mut self) -> Result<Infallible, Ended> {
        let mut socket = self.party.socket(&self.connector, self.general).await?;
        // First the room, then the list: a message stored between the two comes twice, and none is missed.
        in_time(self.general, "joining the room", socket.join(&self.room)).await?;
        self.catch_up().await?;
        if !self.was_connected {
            note(&format!("listening to {}", self.listen.from.message_box));
        }
        self.was_connected = true;
        self.pause = FIRST_PAUSE;
        self.follow(&mut socket).await
    }

    async fn follow(&mut self, socket: &mut AuthSocket) -> Result<Infallible, Ended> {
        loop {
            let event = socket.next_event().await?;
            let Some(message) = event.message_of(&self.room) else {
                continue;
            };
            let key = (message.sender.clone(), message.message_id.clone());
            if self.known.contains_key(&key) {
                continue;
            }
            if self.listen.ack {
                // A live event lacks the payment, which would be deleted with the message.
                self.catch_up().await?;
                continue;
            }
            let message_box = &self.listen.from.message_box;
            let reader = &self.party.identity;
            let message = PrintedMessage::live(reader, &self.names, message_box, message);
            self.output.print(&message, || message.human(&self.names))?;
            self.known.insert(key, false);
        }
    }

    /// Prints the new messages of the box, and acknowledges them if asked to.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        let message_box = &self.listen.from.message_box;
        let stored = self.party.boxes.list(message_box).await?;
        let mut known = HashMap::with_capacity(stored.len());
        let mut done = Vec::new();
        for message in stored {
            let (key, id) = (
                (message.sender.clone(), message.message_id.clone()),
                message.message_id.clone(),
            );
            let is_done = if let Some(is_done) = self.known.get(&key) {
                *is_done
            } else {
                let reader = &self.party.identity;
                let message = PrintedMessage::stored(reader, &self.names, message_box, message);
                self.output.print(&message, || message.human(&self.names))?;
                message.is_safe_to_delete(self.output.is_json())
            };
            known.insert(key, is_done);
            if is_done && self.listen.ack {
                done.push(id);
            }
        }
        self.known = known;
        self.party.acknowledge(&done).await?;
        Ok(())
    }
}

/// Whether a reconnection may help.
fn may_pass(error: &ClientError) -> bool {
    let is_busy = match error {
        ClientError::Refused {
            status: 408, code, ..
        } => code != "CERTIFICATE_TIMEOUT",
        // The lost connection may still count.
        ClientError::EventRefused { reason, .. } => reason == TOO_MANY_SOCKETS,
        other => other.status() == Some(429),
    };
    is_busy
        || match error.failure() {
            Failure::Unreachable | Failure::Protocol => true,
            Failure::Authentication => false,
            Failure::Refused => error.status().is_some_and(|status| status >= 500),
        }
}

#[cfg(test)]
mod tests {
    use messagebox::events::Refusal;

    use super::*;

    #[test]
    fn temporary_refusals_are_retried() {
        let refused = |status, code: &str| ClientError::Refused {
            status,
            code: code.to_owned(),
            description: String::new(),
            satoshis: None,
            request_id: None,
        };
        let event = |reason: Refusal| ClientError::EventRefused {
            event: "authenticationFailed".to_owned(),
            reason: reason.to_string(),
        };
        for (error, expected) in [
            (refused(429, "ERR_RATE_LIMITED"), true),
            (refused(408, "ERR_REQUEST_TIMEOUT"), true),
            (refused(408, "CERTIFICATE_TIMEOUT"), false),
            (refused(503, "ERR_OVERLOADED"), true),
            (refused(401, "ERR_AUTH_FAILED"), false),
            (refused(400, "ERR_INVALID_MESSAGEBOX"), false),
            (event(Refusal::TooManySockets), true),
            (event(Refusal::IdentityMismatch), false),
        ] {
            assert_eq!(may_pass(&error), expected, "{error}");
        }
    }
}
