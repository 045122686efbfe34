//! The two ends, everything in flight between them, and the clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::engineio::{EngineConfig, Frame, TransportKind};
use messagebox::socket::Application;

use crate::client::{Client, Party};
use crate::server::Server;

/// One request, answer or frame in flight. Websockets have numbers, because a client may open several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    Get,
    /// The payload; none if the server refused the poll.
    GetAnswer(Option<String>),
    Post(String),
    PostAnswer {
        is_accepted: bool,
    },
    Open(u32),
    Opened(u32),
    /// From the client to the server.
    Up(u32, Frame),
    /// From the server to the client.
    Down(u32, Frame),
    ClosedByClient(u32),
    ClosedByServer(u32),
}

impl Wire {
    pub const fn is_http(&self) -> bool {
        matches!(
            self,
            Self::Get | Self::GetAnswer(_) | Self::Post(_) | Self::PostAnswer { .. }
        )
    }

    const fn is_to_server(&self) -> bool {
        matches!(
            self,
            Self::Get | Self::Post(_) | Self::Open(_) | Self::Up(..) | Self::ClosedByClient(_)
        )
    }
}

/// What the network does with one thing in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
    /// The cable is pulled: everything in flight, this, and everything after it is lost. Neither end receives an error.
    Cut,
}

/// Decides what happens to each thing that an end sends: its number, and the thing.
pub type Network = Box<dyn FnMut(usize, &Wire) -> Fate>;

pub struct Pair<A: Application, P> {
    pub now: Instant,
    pub client: Client<P>,
    server: Option<Server<A>>,
    /// Sessions whose client has connected anew before the server noticed.
    half_open: Vec<Server<A>>,
    open: Box<dyn FnMut() -> A>,
    config: Arc<EngineConfig>,
    in_flight: BTreeMap<(Instant, usize), Wire>,
    sent: usize,
    is_cut: bool,
    pub network: Network,
    http: Duration,
    websocket: Duration,
}

impl<A: Application, P> fmt::Debug for Pair<A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl<A: Application, P: Party> Pair<A, P> {
    /// A client that connects over `transport` as soon as the clock moves.
    pub fn new(
        transport: TransportKind,
        config: EngineConfig,
        open: impl FnMut() -> A + 'static,
        party: P,
    ) -> Self {
        let now = Instant::now();
        Self {
            now,
            client: Client::new(transport, party, now),
            server: None,
            half_open: Vec::new(),
            open: Box::new(open),
            config: Arc::new(config),
            in_flight: BTreeMap::new(),
            sent: 0,
            is_cut: false,
            network: Box::new(|_, _| Fate::Arrives),
            http: Duration::from_millis(3),
            websocket: Duration::from_millis(3),
        }
    }

    /// Times from one end to the other: of a request or an answer, and of a frame.
    pub fn with_latency(mut self, http: Duration, websocket: Duration) -> Self {
        (self.http, self.websocket) = (http, websocket);
        self
    }

    pub fn with_network(mut self, network: impl FnMut(usize, &Wire) -> Fate + 'static) -> Self {
        self.network = Box::new(network);
        self
    }

    pub fn server(&mut self) -> &mut Server<A> {
        self.server.as_mut().unwrap()
    }

    /// How many things both ends have sent.
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// Ends the connection so that both ends receive an error.
    pub fn reset(&mut self) {
        self.in_flight.clear();
        self.client.lose_connection();
        if let Some(server) = &mut self.server {
            server.lose_connection();
        }
        self.pump();
    }

    /// The client connects anew on a network that works. The server may still take its old session for alive.
    pub fn reconnect(&mut self, transport: TransportKind) {
        self.in_flight.clear();
        self.is_cut = false;
        self.network = Box::new(|_, _| Fate::Arrives);
        self.half_open.extend(self.server.take());
        self.client.connect(transport, self.now);
    }

    /// Moves the clock; everything that is due happens at its time and in its order.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.pump();
        while let Some(next) = self.next_time().filter(|at| *at <= end) {
            self.now = self.now.max(next);
            self.step();
            self.pump();
            let next = self.next_time();
            assert!(
                next.is_none_or(|at| at > self.now) || !self.in_flight.is_empty(),
                "a timer fires for ever"
            );
        }
        self.now = end;
    }

    fn next_time(&self) -> Option<Instant> {
        let servers = self.server.iter().chain(&self.half_open);
        let timers = servers.filter_map(Server::poll_timeout);
        let first = self.in_flight.first_key_value().map(|((at, _), _)| *at);
        timers.chain(first).chain(self.client.poll_timeout()).min()
    }

    /// Handles one thing that arrives now, or the timers that are due.
    fn step(&mut self) {
        let now = self.now;
        if let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= now
        {
            let ((_, number), wire) = entry.remove_entry();
            return self.arrive(number, wire);
        }
        for server in self.server.iter_mut().chain(&mut self.half_open) {
            server.handle_timeout(now);
        }
        let sent = self.client.handle_timeout(now);
        self.transmit_all(sent);
    }

    fn arrive(&mut self, number: usize, wire: Wire) {
        let now = self.now;
        if !wire.is_to_server() {
            let sent = self.client.handle(wire, now);
            return self.transmit_all(sent);
        }
        if self.server.is_none() {
            let transport = match wire {
                Wire::Get => TransportKind::Polling,
                Wire::Open(_) => TransportKind::Websocket,
                // A frame of a connection that is over.
                _ => return,
            };
            let config = Arc::clone(&self.config);
            self.server = Some(Server::new(transport, config, (self.open)(), now));
        }
        let server = self.server.as_mut().unwrap();
        match server.reads_at() {
            Some(at) if at > now && matches!(wire, Wire::Up(..)) => {
                self.in_flight.insert((at, number), wire);
            }
            _ => {
                let sent = server.handle(wire, now);
                self.transmit_all(sent);
            }
        }
    }

    /// Lets both ends send what they have to send.
    fn pump(&mut self) {
        let now = self.now;
        if let Some(server) = &mut self.server {
            let sent = server.pump(now);
            self.transmit_all(sent);
        }
        for server in &mut self.half_open {
            server.pump(now);
        }
        let sent = self.client.pump();
        self.transmit_all(sent);
    }

    fn transmit_all(&mut self, wires: Vec<Wire>) {
        for wire in wires {
            self.transmit(wire);
        }
    }

    /// Hands something to the network, also on behalf of a client.
    pub fn transmit(&mut self, wire: Wire) {
        let number = self.sent;
        self.sent += 1;
        match (self.network)(number, &wire) {
            Fate::Arrives => {}
            Fate::Lost => return,
            Fate::Cut => {
                self.in_flight.clear();
                self.is_cut = true;
            }
        }
        if !self.is_cut {
            let latency = if wire.is_http() {
                self.http
            } else {
                self.websocket
            };
            self.in_flight.insert((self.now + latency, number), wire);
        }
    }
}
