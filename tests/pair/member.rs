//! AuthSocket on both sides: the server's application, and a client whose every frame a test can keep and repeat.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload};
use messagebox::authsocket::{
    AuthSocketService, AuthSocketSession, AuthSocketSettings, SocketRates,
};
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use messagebox::delivery::{Delivery, PaymentConfig};
use messagebox::engineio::{EngineConfig, TransportKind};
use messagebox::ids::{RoomId, Sid};
use messagebox::limits::{BucketRates, Rate};
use messagebox::payments::PaymentStore;
use messagebox::rooms::{RoomSettings, RoomsHandle};
use messagebox::socket::{Application as _, Opening};
use messagebox::socketio::SocketIoConfig;
use messagebox::throttle::Throttle;
use serde_json::{Value, json};

use crate::client::Party;
use crate::pair::Pair;

/// A socket reads the real clock when it opens. Limits that start there must outlast the time that a test skips.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// What the sockets of one server process share.
pub struct Process {
    service: Rc<RefCell<Arc<AuthSocketService>>>,
    _folder: tempfile::TempDir,
}

impl Process {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A client that has shaken hands and is confirmed, as the published ones do it.
    pub fn authenticated(&self) -> Pair<AuthSocketSession, Member> {
        let mut pair = self.pair(Member::new(Greeting::Authenticates(None)));
        pair.run_for(Duration::from_millis(50));
        assert_eq!(pair.client.party.names(), ["authenticationSuccess"]);
        assert!(pair.is_authenticated());
        pair
    }

    pub fn with(change: impl FnOnce(&mut AuthSocketSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/messages.db", folder.path().display());
        let url = DatabaseUrl::parse(&url).unwrap();
        let db = DbHandle::open(&DbSettings::new(url), None).unwrap();
        let identity = Arc::new(Identity::random());
        let paying = PaymentConfig {
            identity: Arc::clone(&identity),
            cashier: Arc::new(PaymentStore),
            headers: None,
        };
        let mut settings = settings();
        change(&mut settings);
        let service = service(
            identity,
            RoomsHandle::start(RoomSettings::default()),
            Delivery::new(db, Arc::new(paying), None),
            settings,
        );
        Self {
            service: Rc::new(RefCell::new(Arc::new(service))),
            _folder: folder,
        }
    }

    /// Replaces it by a process with the same key, which has no sessions.
    pub fn restart(&self) {
        let old = self.service();
        let (rooms, delivery) = (old.rooms.clone(), old.delivery.clone());
        let new = service(
            Arc::clone(&old.identity),
            rooms,
            delivery,
            old.settings.clone(),
        );
        *self.service.borrow_mut() = Arc::new(new);
    }

    pub fn service(&self) -> Arc<AuthSocketService> {
        Arc::clone(&self.service.borrow())
    }

    /// A client of this process, over a websocket with default heartbeats.
    pub fn pair(&self, member: Member) -> Pair<AuthSocketSession, Member> {
        self.pair_with(EngineConfig::default(), member)
    }

    pub fn pair_with(
        &self,
        config: EngineConfig,
        member: Member,
    ) -> Pair<AuthSocketSession, Member> {
        let service = Rc::clone(&self.service);
        let open = move || {
            let opening = Opening {
                sid: Sid::random(),
                remote: None,
                counted_for: None,
            };
            AuthSocketSession::new(Arc::clone(&service.borrow()), &opening).unwrap()
        };
        Pair::new(TransportKind::Websocket, config, open, member)
    }

    /// Auth messages that were refused.
    pub fn refused(&self) -> u64 {
        self.service().counters.refused.load(Ordering::Relaxed)
    }

    /// Verified events of this name that came.
    pub fn events(&self, name: &str) -> u64 {
        let events = self.service().counters.events.get();
        events.get(name).copied().unwrap_or_default()
    }
}

fn settings() -> AuthSocketSettings {
    let unlimited = BucketRates {
        frames: Rate::new(0, Duration::ZERO),
        bytes: Rate::new(0, Duration::ZERO),
    };
    AuthSocketSettings {
        auth_timeout: LONG,
        revival_delay: Duration::from_secs(3),
        max_held_frames: 8,
        peer: PeerConfig::default(),
        certificates: None,
        rates: SocketRates {
            socket: unlimited,
            identity: unlimited,
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

fn service(
    identity: Arc<Identity>,
    rooms: RoomsHandle,
    delivery: Delivery,
    settings: AuthSocketSettings,
) -> AuthSocketService {
    let socketio = SocketIoConfig {
        connect_timeout: LONG,
        ..SocketIoConfig::default()
    };
    AuthSocketService::new(identity, rooms, delivery, socketio, settings)
}

/// What a client does as soon as it has joined the namespace.
pub enum Greeting {
    /// Shakes hands and has its identity confirmed, with this pace if it names one.
    Authenticates(Option<&'static str>),
    /// Nothing, as published clients up to 2.5.5 after they have connected again.
    Silence,
    /// Sends these auth messages, as the newest published client after it has connected again.
    Frames(Vec<String>),
}

pub struct Member {
    pub identity: Arc<Identity>,
    pub peer: Peer,
    pub greeting: Greeting,
    /// Whether it answers the server's handshakes.
    pub answers_handshakes: bool,
    /// When it joined the namespace.
    pub joined: Option<Instant>,
    /// When the server's handshakes came.
    pub handshakes: Vec<Instant>,
    /// The server's events, in order: when, name, data, and the session that signed.
    pub events: Vec<Received>,
    /// All auth messages that it sent by itself, and all that came.
    pub sent: Vec<String>,
    pub incoming: Vec<String>,
    /// Auth messages that did not verify.
    pub refused: usize,
}

#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    pub name: String,
    pub data: Value,
    /// The client's nonce of the session.
    pub session: String,
}

impl Member {
    pub fn new(greeting: Greeting) -> Self {
        Self::of(Arc::new(Identity::random()), greeting)
    }

    pub fn of(identity: Arc<Identity>, greeting: Greeting) -> Self {
        Self {
            peer: Peer::new(Arc::clone(&identity), PeerConfig::default()),
            identity,
            greeting,
            answers_handshakes: true,
            joined: None,
            handshakes: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            incoming: Vec::new(),
            refused: 0,
        }
    }

    pub fn room(&self, message_box: &str) -> RoomId {
        RoomId::of(&self.identity.identity_key(), message_box)
    }

    pub fn signed(&self, event: &str, data: &Value) -> String {
        let payload = json!({ "eventName": event, "data": data }).to_string();
        let mut json = String::new();
        let payload = SharedPayload::new(payload.into_bytes());
        self.peer.sign(&payload, &mut json).unwrap();
        json
    }

    /// The auth message that joins a room.
    pub fn join(&self, message_box: &str) -> String {
        self.signed("joinRoom", &json!(self.room(message_box).as_str()))
    }

    /// The auth message that asks for the identity to be confirmed.
    pub fn confirm(&self, pace: Option<&str>) -> String {
        let key = self.identity.identity_key().to_hex();
        let data = match pace {
            None => json!({ "identityKey": key }),
            Some(pace) => json!({ "identityKey": key, "pace": pace }),
        };
        self.signed("authenticated", &data)
    }

    /// Names of the events that came.
    pub fn names(&self) -> Vec<&str> {
        self.events.iter().map(|event| &*event.name).collect()
    }

    fn send(&mut self, json: String) -> Vec<String> {
        let text = text(&json);
        self.sent.push(json);
        vec![text]
    }

    fn greet(&mut self) -> Vec<String> {
        match &self.greeting {
            Greeting::Authenticates(_) => {
                let request = self.peer.start_handshake().unwrap();
                self.send(request)
            }
            Greeting::Silence => Vec::new(),
            Greeting::Frames(frames) => frames.iter().map(|json| text(json)).collect(),
        }
    }
}

/// The Socket.IO packet of an auth message.
pub fn text(json: &str) -> String {
    format!("2[\"authMessage\",{json}]")
}

impl Party for Member {
    fn opened(&mut self, _now: Instant) -> Vec<String> {
        vec!["0".to_owned()]
    }

    fn received(&mut self, text: &str, now: Instant) -> Vec<String> {
        if text.starts_with("0{") {
            self.joined = Some(now);
            return self.greet();
        }
        let json = text.strip_prefix("2[\"authMessage\",");
        let json = json.and_then(|rest| rest.strip_suffix(']')).unwrap();
        self.incoming.push(json.to_owned());
        let message = AuthMessage::parse(json).unwrap();
        let Ok(handled) = self.peer.handle(&message) else {
            self.refused += 1;
            return Vec::new();
        };
        match handled {
            Handled::Established(_) => {
                let Greeting::Authenticates(pace) = self.greeting else {
                    panic!("only a client that shakes hands is answered");
                };
                let confirm = self.confirm(pace);
                self.send(confirm)
            }
            Handled::Reply(answer) => {
                self.handshakes.push(now);
                if self.answers_handshakes {
                    self.send(answer)
                } else {
                    Vec::new()
                }
            }
            Handled::General(verified) => {
                let mut event: Value = serde_json::from_slice(&verified.payload).unwrap();
                let message: Value = serde_json::from_str(json).unwrap();
                self.events.push(Received {
                    at: now,
                    name: event["eventName"].as_str().unwrap().to_owned(),
                    data: event["data"].take(),
                    session: message["yourNonce"].as_str().unwrap().to_owned(),
                });
                Vec::new()
            }
            other => panic!("an event or a handshake, not {other:?}"),
        }
    }
}

impl Pair<AuthSocketSession, Member> {
    /// The client comes back over a new websocket, and begins with `greeting`.
    pub fn come_back(&mut self, greeting: Greeting) {
        let member = &mut self.client.party;
        member.greeting = greeting;
        member.handshakes.clear();
        member.events.clear();
        self.reconnect(TransportKind::Websocket);
    }

    /// The client sends an auth message.
    pub fn send(&mut self, json: &str) {
        self.client.send(&text(json));
    }

    /// Whether the server takes the socket for one of this client's identity.
    pub fn is_authenticated(&mut self) -> bool {
        let key = self.client.party.identity.identity_key();
        self.server().application.identity() == Some(key)
    }
}
