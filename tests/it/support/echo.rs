//! An Engine.IO server in this process that sends every message back, or floods on request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::Context;
use actix_web::App;
use actix_web::dev::ServerHandle;
use bytestring::ByteString;
use messagebox::engineio::{CloseReason, Data, EngineConfig, Frame, Packet};
use messagebox::http::{
    BodyMemory, Endpoint, ListenerSettings, TcpSettings, WatchSettings, engineio_scope, listen,
};
use messagebox::socket::{Application, Link, Opening, Socket, SocketTable};

/// Sends messages back. Answers `flood N` with N messages of 64 KiB.
pub struct Echo {
    reasons: Arc<Mutex<Vec<CloseReason>>>,
}

impl Application for Echo {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn received(&mut self, data: Data, link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {
        assert!(data != Data::Text("panic".into()), "on purpose");
        let count = match &data {
            Data::Text(text) => text
                .strip_prefix("flood ")
                .and_then(|count| count.parse().ok()),
            Data::Binary(_) => None,
        };
        let Some(count) = count else {
            return link.send(Frame::from(&Packet::Message(data)), &[]);
        };
        let block = ByteString::from("x".repeat(64 * 1024));
        for _ in 0..count {
            let packet = Packet::Message(Data::Text(block.clone()));
            link.send(Frame::from(&packet), &[]);
        }
    }

    fn closed(&mut self, reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {
        self.reasons.lock().unwrap().push(reason);
    }
}

/// The server. It ends when dropped, and fails the test if a socket is left.
pub struct EchoServer {
    pub address: SocketAddr,
    pub table: Arc<SocketTable<Echo>>,
    reasons: Arc<Mutex<Vec<CloseReason>>>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Short times for fast tests: those of the official suites.
pub fn quick() -> EngineConfig {
    EngineConfig {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        ..EngineConfig::default()
    }
}

/// Times so long that no heartbeat disturbs a test.
pub fn calm() -> EngineConfig {
    EngineConfig {
        max_payload: 1_000_000,
        ..EngineConfig::default()
    }
}

impl EchoServer {
    /// With two workers, so that different threads serve the two transports of a session.
    pub fn start(config: EngineConfig) -> Self {
        Self::with_workers(config, 2)
    }

    /// With one worker, which handles requests in the order of their arrival.
    pub fn one_worker(config: EngineConfig) -> Self {
        Self::with_workers(config, 1)
    }

    fn with_workers(config: EngineConfig, workers: usize) -> Self {
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let table = Arc::new(SocketTable::new(1_000));
        let tcp = TcpSettings {
            // So long that only the server ends connections.
            user_timeout: Duration::from_secs(600),
            watch: WatchSettings::default(),
        };
        let endpoint = Endpoint {
            config: Arc::new(config),
            table: Arc::clone(&table),
            bodies: BodyMemory::of_bytes(usize::MAX, usize::MAX),
            addresses: Arc::default(),
            open: {
                let reasons = Arc::clone(&reasons);
                Arc::new(move |_: &Opening| {
                    Ok(Echo {
                        reasons: Arc::clone(&reasons),
                    })
                })
            },
        };
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let factory =
                    move || App::new().service(engineio_scope("/engine.io", endpoint.clone()));
                let mut listener = ListenerSettings::new(tcp);
                listener.workers = Some(workers);
                let (server, address) = listen(("127.0.0.1", 0), &listener, factory).unwrap();
                sender.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        Self {
            address,
            table,
            reasons,
            handle,
            thread: Some(thread),
        }
    }

    pub fn http(&self, query: &str) -> String {
        format!("http://{}/engine.io/?{query}", self.address)
    }

    pub fn ws(&self, query: &str) -> String {
        format!("ws://{}/engine.io/?{query}", self.address)
    }

    /// The reasons of all ended sessions so far.
    pub fn reasons(&self) -> Vec<CloseReason> {
        self.reasons.lock().unwrap().clone()
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // Every socket must be able to end: a permit that is not returned is a leak.
        self.table.close_all(CloseReason::TransportClose);
        let start = Instant::now();
        while !self.table.is_empty() && start.elapsed() < super::PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Creating the future is enough: it sends the command at once.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        if !std::thread::panicking() {
            assert_eq!(self.table.len(), 0, "a socket was left open");
        }
    }
}
