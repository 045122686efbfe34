//! Session nonces from which their session can be taken up again, by any process that has the server's key.
//!
//! Such a nonce is, in base64 without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of this form, and what the session is for |
//! | 4 | when it began: seconds since 1970, big-endian |
//! | 8 | the process that began it |
//! | 1 + n | the counterparty's nonce, and its length before it |
//! | 16 to 18 | random, so many that the whole is a multiple of 3 |
//! | 32 | HMAC-SHA256 of all that, followed by the counterparty's identity key, under a key of our own |
//!
//! It is authenticated and not encrypted: nothing in it is a secret. The identity key is not in it, because every
//! message of the session brings it along. A message nonce counts once in its session, and where a session was kept,
//! its nonces were remembered with it; so a process takes up each session once, and never one that it began itself.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::ids::IdentityKey;

use super::error::KeyError;
use super::identity::Identity;
use super::keys::OwnMac;
use super::nonce::{MAX_NONCE_BYTES, MAX_NONCE_CHARS};
use super::payload::sha256;

/// Version 1; the lower half of the byte says what the session is for.
const VERSION: u8 = 0x10;
const PROCESS_BYTES: usize = 8;
const MIN_RANDOM_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
/// All but the counterparty's nonce and the bytes that fill up.
const FIXED_BYTES: usize = 1 + 4 + PROCESS_BYTES + 1 + MIN_RANDOM_BYTES + MAC_BYTES;

/// Nonces of counterparties that are longer are not put into ours; 32 and 48 bytes are in use.
const MAX_PEER_NONCE_BYTES: usize = MAX_NONCE_BYTES - FIXED_BYTES - 2;

/// How far the clocks of two nodes may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// What a session is for. One kind is never taken up as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests (BRC-104).
    Requests = 1,
    /// The messages of a socket.
    Socket = 2,
}

/// What a session begins with that can be resumed.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Makes its nonce.
    pub resumption: &'a Resumption,
    /// What it is for.
    pub purpose: Purpose,
    /// When it is.
    pub now: SystemTime,
}

/// What the nonce of a session says of it. That the counterparty is who it says, its next message must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumable {
    /// Our nonce.
    pub(super) own_nonce: String,
    /// The counterparty's nonce.
    pub(super) peer_nonce: String,
    /// The counterparty.
    pub(super) peer: IdentityKey,
    began: u32,
}

/// Makes and reads the nonces of sessions that can be resumed, and knows which of them this process has resumed.
pub struct Resumption {
    mac: OwnMac,
    process: [u8; PROCESS_BYTES],
    lifetime: Duration,
    taken_up: Mutex<TakenUp>,
}

/// Sessions that this process has taken up, by when they began and 16 bytes of their nonce's hash.
#[derive(Debug)]
struct TakenUp {
    sessions: BTreeSet<(u32, [u8; 16])>,
    max: NonZeroUsize,
    /// What began until then is not known any more, and counts as taken up.
    forgotten_until: u32,
}

impl Resumption {
    /// For sessions of this identity, which can be resumed for `lifetime` after they began. Of up to `max_remembered`
    /// it is known that they were resumed; above that, the oldest sessions cannot be resumed any more.
    ///
    /// # Errors
    /// [`KeyError::Derivation`], for one key in 2^127.
    pub fn new(
        identity: &Identity,
        lifetime: Duration,
        max_remembered: NonZeroUsize,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            mac: identity.resumption_mac()?,
            process: rand::random(),
            lifetime,
            taken_up: Mutex::new(TakenUp {
                sessions: BTreeSet::new(),
                max: max_remembered,
                forgotten_until: 0,
            }),
        })
    }

    /// A nonce for a session that begins. `None` where the counterparty's nonce is too long for it, or would not come
    /// out of it as it was written: such a session lives in memory only.
    pub(super) fn nonce(
        &self,
        purpose: Purpose,
        peer: &IdentityKey,
        peer_nonce: &str,
        now: SystemTime,
    ) -> Option<String> {
        let peer_bytes = STANDARD.decode(peer_nonce).ok()?;
        if peer_bytes.len() > MAX_PEER_NONCE_BYTES {
            return None;
        }
        let length = u8::try_from(peer_bytes.len()).ok()?;
        let mut bytes = Vec::with_capacity(MAX_NONCE_BYTES);
        bytes.push(VERSION | purpose as u8);
        bytes.extend(seconds(now)?.to_be_bytes());
        bytes.extend(self.process);
        bytes.push(length);
        bytes.extend(peer_bytes);
        bytes.extend(rand::random::<[u8; MIN_RANDOM_BYTES]>());
        while !(bytes.len() + MAC_BYTES).is_multiple_of(3) {
            bytes.push(rand::random());
        }
        let mac = self.mac_of(&bytes, peer);
        bytes.extend(mac);
        Some(STANDARD.encode(bytes))
    }

    /// Reads a nonce that a message of `peer` names. `None` where it is not ours, not this counterparty's, expired, of
    /// another purpose, or where this process has its own memory of the session. Costs one HMAC at most.
    #[must_use]
    pub fn open(
        &self,
        purpose: Purpose,
        nonce: &str,
        peer: IdentityKey,
        now: SystemTime,
    ) -> Option<Resumable> {
        if nonce.len() > MAX_NONCE_CHARS {
            return None;
        }
        let bytes = STANDARD.decode(nonce).ok()?;
        let (signed, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        let (kind, rest) = signed.split_first()?;
        let (began, rest) = rest.split_first_chunk::<4>()?;
        let (process, rest) = rest.split_first_chunk::<PROCESS_BYTES>()?;
        let (length, rest) = rest.split_first()?;
        let (peer_nonce, random) = rest.split_at_checked(usize::from(*length))?;
        let has_form = *kind == VERSION | purpose as u8
            && (MIN_RANDOM_BYTES..MIN_RANDOM_BYTES + 3).contains(&random.len())
            && bytes.len().is_multiple_of(3);
        if !has_form || !bool::from(mac.ct_eq(&self.mac_of(signed, &peer))) {
            return None;
        }
        let resumable = Resumable {
            own_nonce: nonce.to_owned(),
            peer_nonce: STANDARD.encode(peer_nonce),
            peer,
            began: u32::from_be_bytes(*began),
        };
        let usable = *process != self.process
            && self.is_current(resumable.began, now)
            && !self.taken_up().contains(&resumable);
        usable.then_some(resumable)
    }

    /// How long a message nonce of one of our sessions must be remembered: until no process takes the session up any more,
    /// and none keeps it, which is for `session_ttl` after its last request (where it has no end, for as long as it can be
    /// resumed). `None` where the session is kept by the process that began it and can be by no other.
    #[must_use]
    pub fn remember_for(
        &self,
        own_nonce: &str,
        session_ttl: Option<Duration>,
        now: SystemTime,
    ) -> Option<Duration> {
        let bytes = STANDARD.decode(own_nonce).ok()?;
        // The usual nonce is shorter.
        let began = bytes.get(1..5).filter(|_| bytes.len() >= FIXED_BYTES)?;
        let began = u32::from_be_bytes(began.try_into().ok()?);
        let end = UNIX_EPOCH + Duration::from_secs(began.into()) + self.lifetime;
        let resumable = end.duration_since(now).unwrap_or_default();
        Some(resumable.max(session_ttl.unwrap_or(self.lifetime)) + CLOCK_SKEW)
    }

    /// Notes that this process keeps the session from now on; `false` if it has done so before.
    #[must_use]
    pub fn take_up(&self, resumable: &Resumable, now: SystemTime) -> bool {
        let expired = seconds(now).map_or(0, |now| {
            now.saturating_sub(u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX))
        });
        self.taken_up().insert(resumable, expired)
    }

    fn is_current(&self, began: u32, now: SystemTime) -> bool {
        let began = UNIX_EPOCH + Duration::from_secs(began.into());
        match now.duration_since(began) {
            Ok(age) => age < self.lifetime,
            Err(ahead) => ahead.duration() <= CLOCK_SKEW,
        }
    }

    fn mac_of(&self, bytes: &[u8], peer: &IdentityKey) -> [u8; MAC_BYTES] {
        self.mac.of([bytes, peer.as_bytes()])
    }

    fn taken_up(&self) -> std::sync::MutexGuard<'_, TakenUp> {
        self.taken_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TakenUp {
    fn entry(resumable: &Resumable) -> (u32, [u8; 16]) {
        let mut short = [0; 16];
        short.copy_from_slice(&sha256(resumable.own_nonce.as_bytes())[..16]);
        (resumable.began, short)
    }

    fn contains(&self, resumable: &Resumable) -> bool {
        resumable.began <= self.forgotten_until || self.sessions.contains(&Self::entry(resumable))
    }

    /// What began before `expired` cannot be resumed any more, and need not be known.
    fn insert(&mut self, resumable: &Resumable, expired: u32) -> bool {
        if self.contains(resumable) {
            return false;
        }
        self.sessions.insert(Self::entry(resumable));
        while let Some((began, _)) = self.sessions.first()
            && (*began < expired || self.sessions.len() > self.max.get())
        {
            // Also where it has expired: a clock may be set back.
            self.forgotten_until = *began;
            self.sessions.pop_first();
        }
        true
    }
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

fn seconds(now: SystemTime) -> Option<u32> {
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    u32::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests;
