//! The settings and shared state of all sockets of the application.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::auth::{Identity, PeerConfig, RequiredCertificates};
use crate::delivery::Delivery;
use crate::heavy::HeavyWork;
use crate::limits::{
    AddressLimits, BucketRates, IdentityShares, KeyedBudget, OutboundMemory, Owner,
};
use crate::live::Live;
use crate::rooms::RoomsHandle;
use crate::socketio::SocketIoConfig;
use crate::throttle::Throttle;

use super::counts::EventCounts;
use super::lost_sessions::LostSessions;

/// How long sessions of closed sockets are kept for frames that clients still send in them.
const LOST_SESSION_TTL: Duration = Duration::from_secs(300);
const MAX_LOST_SESSIONS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Times and bounds of sockets.
#[derive(Debug, Clone)]
pub struct AuthSocketSettings {
    /// How long a socket may stay unauthenticated.
    pub auth_timeout: Duration,
    /// How long a connected client may be silent before the server begins a handshake. The published clients reconnect
    /// by themselves and then wait.
    pub revival_delay: Duration,
    /// Frames of a lost session that are held until a handshake, and as many that are held until certificates arrive.
    pub max_held_frames: usize,
    /// Bounds of the BRC-103 sessions of a socket.
    pub peer: PeerConfig,
    /// The certificates that a client must show before it is served.
    pub certificates: Option<RequiredCertificates>,
    /// How fast sockets and identities may send.
    pub rates: SocketRates,
    /// The largest number of sockets of one identity.
    pub max_sockets_per_identity: usize,
    /// How long a fast sender is left unread at most. A socket that would have to wait longer is closed.
    pub max_delay: Duration,
    /// How fast frames are sent to a socket, unless its client asks for another pace.
    pub pace: Throttle,
    /// Bytes that the pace may hold back for one socket, beside the outbound buffer of its connection.
    pub max_paced_bytes: usize,
    /// How long an authenticated socket may be quiet before it gets a signed event. The published clients forget a session
    /// after 30 minutes.
    pub keep_alive: Duration,
    /// Largest depth of nested objects and arrays in an event.
    pub max_json_depth: usize,
    /// Bytes of held frames and of incomplete packets in all sockets. One address, or one identity, may have a sixteenth.
    pub max_waiting_bytes: usize,
}

/// How fast clients may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketRates {
    /// The rates of each socket.
    pub socket: BucketRates,
    /// The rates of each identity, over all its sockets.
    pub identity: BucketRates,
}

/// What all sockets of the application share.
#[derive(Debug)]
pub struct AuthSocketService {
    /// The identity of the server.
    pub identity: Arc<Identity>,
    /// The registry of rooms.
    pub rooms: RoomsHandle,
    /// The path that messages take.
    pub delivery: Delivery,
    /// The namespaces and bounds of Socket.IO.
    pub socketio: Arc<SocketIoConfig>,
    /// The times and bounds of sockets.
    pub settings: AuthSocketSettings,
    /// How fast sockets and identities may send. A reload replaces it.
    pub rates: Live<SocketRates>,
    /// The sessions of closed sockets.
    pub lost: Mutex<LostSessions>,
    /// The limits of each address.
    pub addresses: Arc<AddressLimits>,
    /// Bytes of held frames and incomplete packets.
    pub waiting: KeyedBudget<Owner>,
    /// Bytes of events that wait for sockets to take them.
    pub outbound: OutboundMemory,
    /// The limits that the sockets of each identity share.
    pub identities: IdentityShares,
    /// The threads that parse large messages and bodies.
    pub heavy: HeavyWork,
    /// Counts of all sockets.
    pub counters: EventCounts,
}

impl AuthSocketService {
    /// Creates the service with default limits.
    pub fn new(
        identity: Arc<Identity>,
        rooms: RoomsHandle,
        delivery: Delivery,
        socketio: SocketIoConfig,
        settings: AuthSocketSettings,
    ) -> Self {
        Self {
            identity,
            rooms,
            delivery,
            socketio: Arc::new(socketio),
            lost: Mutex::new(LostSessions::new(MAX_LOST_SESSIONS, LOST_SESSION_TTL)),
            addresses: Arc::default(),
            outbound: OutboundMemory::default(),
            waiting: KeyedBudget::of_shared_bytes(settings.max_waiting_bytes)
                .named("waiting_frame_bytes"),
            identities: IdentityShares::of_places(settings.max_sockets_per_identity, usize::MAX)
                .named("sockets_of_identity"),
            rates: Live::new(settings.rates),
            settings,
            heavy: HeavyWork::default(),
            counters: EventCounts::default(),
        }
    }

    /// The number of sessions of closed sockets.
    pub fn lost_count(&self) -> usize {
        self.lost.lock().len()
    }

    /// Counts the events that wait for sockets in this memory.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// Sets the limits of each address.
    #[must_use]
    pub fn with_addresses(mut self, addresses: Arc<AddressLimits>) -> Self {
        self.addresses = addresses;
        self
    }
}
