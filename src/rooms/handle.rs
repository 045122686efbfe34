//! The way to the registry for everybody else.

use std::sync::Arc;

use actix::prelude::*;

use super::access::RoomAccess;
use super::backlog::Backlog;
use super::commands::{Admit, GetStatus, Gone, Join, Leave, Publish, RoomsStatus};
use super::registry::{Enrol, RoomRegistry};
use super::relay::{Attach, Detach, Relay};
use super::remote::Outward;

/// Rules and bounds of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomSettings {
    /// Whether an authenticated socket is a member of every room of its own identity.
    pub auto_join: bool,
    /// Who may join which room.
    pub access: RoomAccess,
    /// Rooms that one socket may join by asking.
    pub max_rooms_per_socket: usize,
    /// Events that may be under way to one socket.
    pub max_pending_deliveries: usize,
    /// Bytes of an event; larger ones are not delivered.
    pub max_event_bytes: usize,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            auto_join: true,
            access: RoomAccess::Owner,
            max_rooms_per_socket: 1_000,
            max_pending_deliveries: 10_000,
            max_event_bytes: 512 * 1024,
        }
    }
}

/// A handle on the rooms; cheap to clone. Commands keep their order.
#[derive(Debug, Clone)]
pub struct RoomsHandle {
    registry: Addr<RoomRegistry>,
    settings: RoomSettings,
}

impl RoomsHandle {
    /// Starts the registry on an arbiter of its own, where a large fan-out holds no socket up.
    #[must_use]
    pub fn start(settings: RoomSettings) -> Self {
        Self::start_with(settings, None)
    }

    /// The same; `outward` leads to the other nodes, if there are any.
    #[must_use]
    pub fn start_with(settings: RoomSettings, outward: Option<Arc<dyn Outward>>) -> Self {
        let arbiter = Arbiter::new();
        let registry = RoomRegistry::start_in_arbiter(&arbiter.handle(), move |_| {
            let registry = RoomRegistry::new(settings);
            match outward {
                Some(outward) => registry.with_neighbours(outward),
                None => registry,
            }
        });
        Self { registry, settings }
    }

    /// The rules.
    #[must_use]
    pub const fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    /// The registry, for the notices of others.
    #[must_use]
    pub const fn registry(&self) -> &Addr<RoomRegistry> {
        &self.registry
    }

    /// Takes a member in. Must be called on the member's own thread.
    pub fn admit(&self, command: Admit) {
        let Admit {
            sid,
            identity,
            deliver,
            lagging,
        } = command;
        let backlog = Backlog::new(self.settings.max_pending_deliveries);
        let relay = Relay::from_registry();
        // First: the registry's first event for this member must find it there.
        relay.do_send(Attach {
            sid,
            deliver,
            lagging: lagging.clone(),
            arrivals: backlog.arrivals(),
        });
        self.registry.do_send(Enrol {
            sid,
            identity,
            relay,
            lagging,
            backlog,
        });
    }

    /// Makes a member join a room.
    pub fn join(&self, command: Join) {
        self.registry.do_send(command);
    }

    /// Makes a member leave a room.
    pub fn leave(&self, command: Leave) {
        self.registry.do_send(command);
    }

    /// Forgets a member. Must be called on the member's own thread.
    pub fn gone(&self, command: Gone) {
        Relay::from_registry().do_send(Detach { sid: command.sid });
        self.registry.do_send(command);
    }

    /// Delivers an event to a room.
    pub fn publish(&self, command: Publish) {
        self.registry.do_send(command);
    }

    /// Counts; `None` when the registry does not answer.
    pub async fn status(&self) -> Option<RoomsStatus> {
        self.registry.send(GetStatus).await.ok()
    }
}
