//! What all sockets of the application share.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::auth::{Identity, PeerConfig, RequiredCertificates};
use crate::delivery::Delivery;
use crate::rooms::RoomsHandle;
use crate::socketio;

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
}

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
        }
    }
}

/// What came and was not taken.
#[derive(Debug, Default)]
pub struct FrameCounters {
    /// Auth messages that were refused: malformed, forged, replayed, of no session, with certificates that do not fit.
    pub refused: AtomicU64,
    /// Frames held for a revival or until certificates come.
    pub held: AtomicU64,
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
    pub socketio: Arc<socketio::Config>,
    /// Times and bounds.
    pub settings: AuthSocketSettings,
    /// Sessions of sockets that are gone.
    pub lost: Mutex<LostSessions>,
    /// Counts.
    pub counters: FrameCounters,
}

impl AuthSocketService {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        identity: Arc<Identity>,
        rooms: RoomsHandle,
        delivery: Delivery,
        socketio: socketio::Config,
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
            settings,
            counters: FrameCounters::default(),
        }
    }
}
