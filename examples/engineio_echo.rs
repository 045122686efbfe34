//! An Engine.IO server on this crate's transport layers: sends every message back.
//!
//! ```text
//! cargo run --example engineio_echo -- --port 3000
//! ```

use std::sync::Arc;
use std::time::Duration;

use actix::Context;
use actix_web::App;
use clap::Parser;
use messagebox::engineio::{CloseReason, Data, EngineConfig, Frame, Packet};
use messagebox::http::{
    BodyMemory, Endpoint, ListenerSettings, TcpSettings, WatchSettings, engineio_scope, listen,
};
use messagebox::socket::{Application, Link, Opening, Socket, SocketTable};

/// Sends every text and binary message back.
struct Echo;

impl Application for Echo {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn received(&mut self, data: Data, link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {
        link.send(Frame::from(&Packet::Message(data)), &[]);
    }

    fn closed(&mut self, reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {
        log::debug!("closed: {reason}");
    }
}

#[derive(Debug, Parser)]
struct Flags {
    /// TCP port to listen on.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Milliseconds from a pong to the next ping.
    #[arg(long, default_value_t = 300)]
    ping_interval: u64,
    /// Maximum milliseconds for a pong.
    #[arg(long, default_value_t = 200)]
    ping_timeout: u64,
    /// Largest payload or frame in bytes.
    #[arg(long, default_value_t = 1_000_000)]
    max_payload: usize,
    /// Milliseconds to a namespace's CONNECT: Socket.IO only, accepted so that both examples take the same flags.
    #[arg(long, default_value_t = 1_000)]
    connect_timeout: u64,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    env_logger::init();
    let flags = Flags::parse();
    log::debug!("flags: {flags:?}");
    let config = EngineConfig {
        ping_interval: Duration::from_millis(flags.ping_interval),
        ping_timeout: Duration::from_millis(flags.ping_timeout),
        max_payload: flags.max_payload,
        ..EngineConfig::default()
    };
    let tcp = TcpSettings {
        user_timeout: config.ping_interval + config.ping_timeout,
        watch: WatchSettings::default(),
    };
    let endpoint = Endpoint {
        config: Arc::new(config),
        table: Arc::new(SocketTable::new(10_000)),
        bodies: BodyMemory::of_bytes(usize::MAX, usize::MAX),
        addresses: Arc::default(),
        open: Arc::new(|_: &Opening| Ok(Echo)),
    };
    let mut listener = ListenerSettings::new(tcp);
    // One thread, so that concurrent requests of one session are handled in their order of arrival.
    listener.workers = Some(1);
    let target = ("127.0.0.1", flags.port);
    let application = move || App::new().service(engineio_scope("/engine.io", endpoint.clone()));
    let (server, _) = listen(target, &listener, application)?;
    server.await
}
