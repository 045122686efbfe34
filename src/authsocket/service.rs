//! What all sockets of the application share.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::{Identity, PeerConfig, RequiredCertificates};
use crate::delivery::Delivery;
use crate::heavy::HeavyWork;
use crate::limits::{
    AddressLimits, BucketRates, IdentityShares, KeyedBudget, OutboundMemory, Owner, Rate,
};
use crate::live::Live;
use crate::rooms::RoomsHandle;
use crate::socketio::SocketIoConfig;
use crate::throttle::Throttle;

use super::counts::EventCounts;
use super::lost_sessions::LostSessions;

/// Times and bounds of a socket's authentication.
#[derive(Debug, Clone)]
pub struct AuthSocketSettings {
    /// How long a socket may stay unauthenticated.
    pub auth_timeout: Duration,
    /// How long a connected socket may say nothing before the server begins a handshake: the published
    /// clients reconnect by themselves and then stay silent.
    pub revival_delay: Duration,
    /// Frames of a lost socket's session that are held until the handshake is done, and as many that are held until
    /// certificates came.
    pub max_held_frames: usize,
    /// How long sessions of lost sockets are kept for such frames.
    pub lost_session_ttl: Duration,
    /// How many of them.
    pub max_lost_sessions: NonZeroUsize,
    /// Messages of one socket that may wait to be stored.
    pub max_pending_messages: usize,
    /// Bounds of its BRC-103 sessions.
    pub peer: PeerConfig,
    /// What a socket must bring before anything is done for it.
    pub certificates: Option<RequiredCertificates>,
    /// What sockets and identities may send in a second.
    pub rates: SocketRates,
    /// Sockets of one identity.
    pub max_sockets_per_identity: usize,
    /// How long a socket may be left unread because it has sent too much; one that would have to wait longer is closed.
    pub max_delay: Duration,
    /// How fast a socket is sent frames, unless its client says otherwise.
    pub pace: Throttle,
    /// Bytes that may wait for one socket's turn, beside what its connection has not taken yet.
    pub max_paced_bytes: usize,
    /// How long an authenticated socket may be quiet before it is sent a signed event. The published clients forget a
    /// session after 30 minutes.
    pub keep_alive: Duration,
    /// Objects and arrays of an event within each other.
    pub max_json_depth: usize,
    /// Bytes of frames that wait for a proof or for certificates, and of packets whose attachments are still to come, in
    /// all sockets; a sixteenth of them for one address, and for one identity.
    pub max_waiting_bytes: usize,
}

/// What may be sent in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketRates {
    /// By one socket.
    pub socket: BucketRates,
    /// By all sockets of one identity.
    pub identity: BucketRates,
}

const NO_LIMIT: BucketRates = BucketRates {
    frames: Rate::new(0, Duration::ZERO),
    bytes: Rate::new(0, Duration::ZERO),
};

impl Default for AuthSocketSettings {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(30),
            revival_delay: Duration::from_secs(3),
            max_held_frames: 8,
            lost_session_ttl: Duration::from_secs(300),
            max_lost_sessions: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            max_pending_messages: 1_000,
            peer: PeerConfig::default(),
            certificates: None,
            rates: SocketRates {
                socket: NO_LIMIT,
                identity: NO_LIMIT,
            },
            max_sockets_per_identity: usize::MAX,
            max_delay: Duration::from_secs(10),
            pace: Throttle::PUBLISHED_CLIENTS,
            max_paced_bytes: 2 * 1024 * 1024,
            keep_alive: Duration::from_secs(600),
            max_json_depth: 128,
            max_waiting_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Everything that a socket of the application needs.
#[derive(Debug)]
pub struct AuthSocketService {
    /// Who the server is.
    pub identity: Arc<Identity>,
    /// Rooms.
    pub rooms: RoomsHandle,
    /// Where messages are handed in.
    pub delivery: Delivery,
    /// Namespaces and bounds of Socket.IO.
    pub socketio: Arc<SocketIoConfig>,
    /// Times and bounds.
    pub settings: AuthSocketSettings,
    /// What sockets and identities may send in a second; begins as the settings say.
    pub rates: Live<SocketRates>,
    /// Sessions of sockets that are gone.
    pub lost: Mutex<LostSessions>,
    /// What each address may have.
    pub addresses: Arc<AddressLimits>,
    /// Bytes of frames and packets that wait in sockets.
    pub waiting: KeyedBudget<Owner>,
    /// Bytes of events that wait for sockets.
    pub outbound: OutboundMemory,
    /// What the sockets of each identity share.
    pub identities: IdentityShares,
    /// Threads for large messages and bodies, beside the workers.
    pub heavy: HeavyWork,
    /// Counts.
    pub counters: EventCounts,
}

impl AuthSocketService {
    /// Puts the parts together.
    #[must_use]
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
            lost: Mutex::new(LostSessions::new(
                settings.max_lost_sessions,
                settings.lost_session_ttl,
            )),
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

    /// How many sessions of sockets that are gone are kept.
    #[must_use]
    pub fn lost_count(&self) -> usize {
        self.lost().len()
    }

    /// The sessions of sockets that are gone, locked: for look-ups only.
    pub(super) fn lost(&self) -> MutexGuard<'_, LostSessions> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what waits for sockets in this memory.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// Limits what each address may have.
    #[must_use]
    pub fn with_addresses(mut self, addresses: Arc<AddressLimits>) -> Self {
        self.addresses = addresses;
        self
    }
}
