//! A Socket.IO server on this crate's transport and protocol layers: sends every `message` back.
//!
//! ```text
//! cargo run --example socketio_echo -- --port 3000
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Context;
use actix_web::App;
use clap::Parser;
use messagebox::engineio::{CloseReason, Data, EngineConfig, Frame};
use messagebox::http::{
    BodyMemory, Endpoint, ListenerSettings, TcpSettings, WatchSettings, engineio_scope, listen,
};
use messagebox::ids::Sid;
use messagebox::socket::{Application, Link, Opening, Socket, SocketTable};
use messagebox::socketio::{
    AckBody, Body, EventBody, Namespace, ProtocolError, SocketIoClient, SocketIoConfig,
    SocketIoEvent, SocketIoPacket,
};

/// Pause after the confirmation of a namespace. Some clients lose the second of two packets in one read. Servers on Node.js
/// never send two packets in one turn.
const TURN: Duration = Duration::from_millis(2);

/// Answers `message` with `message-back` and acknowledges `message-with-ack`, both with the same arguments.
struct Echo {
    connection: SocketIoClient,
    /// Packets queued until the pause after a confirmation is over.
    waiting: Vec<SocketIoPacket>,
    turn: Option<Instant>,
}

impl Echo {
    fn handle(&mut self, handled: Result<(), ProtocolError>, link: &mut Link<'_>) {
        if let Err(error) = handled {
            log::debug!("closing: {error}");
            return link.close(CloseReason::ParseError);
        }
        while let Some(packet) = self.connection.poll_transmit() {
            self.send(packet, link);
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                SocketIoEvent::Connect { namespace, payload } => {
                    self.welcome(&namespace, payload, link);
                }
                SocketIoEvent::Event { namespace, body } => {
                    if let Some(packet) = answer(namespace, &body) {
                        self.send(packet, link);
                    }
                }
                SocketIoEvent::Ack { .. } | SocketIoEvent::Disconnect { .. } => {}
            }
        }
    }

    fn welcome(&mut self, namespace: &Namespace, payload: Option<String>, link: &mut Link<'_>) {
        let Some(confirmed) = self.connection.accept(namespace, Sid::random()) else {
            return;
        };
        write(&confirmed, link);
        self.turn = Some(link.now() + TURN);
        let auth = EventBody {
            ack: None,
            data: format!(r#"["auth",{}]"#, payload.unwrap_or_else(|| "{}".to_owned())),
            attachments: Vec::new(),
        };
        let packet = SocketIoPacket {
            namespace: namespace.clone(),
            body: Body::Event(auth),
        };
        self.send(packet, link);
    }

    fn send(&mut self, packet: SocketIoPacket, link: &mut Link<'_>) {
        if self.turn.is_some() {
            self.waiting.push(packet);
        } else {
            write(&packet, link);
        }
    }
}

fn answer(namespace: Namespace, event: &EventBody) -> Option<SocketIoPacket> {
    // The arguments follow the name, which is a string without escapes in both cases.
    let arguments = |name: &str| event.data.strip_prefix(&format!("[\"{name}\""));
    let body = if let Some(rest) = arguments("message") {
        Body::Event(EventBody {
            ack: None,
            data: format!("[\"message-back\"{rest}"),
            attachments: event.attachments.clone(),
        })
    } else if let (Some(rest), Some(ack)) = (arguments("message-with-ack"), event.ack) {
        Body::Ack(AckBody {
            ack,
            data: format!("[{}", rest.trim_start_matches(',')),
            attachments: event.attachments.clone(),
        })
    } else {
        return None;
    };
    Some(SocketIoPacket { namespace, body })
}

fn write(packet: &SocketIoPacket, link: &mut Link<'_>) {
    let attachments: Vec<Frame> = packet
        .attachments()
        .iter()
        .cloned()
        .map(Frame::Binary)
        .collect();
    link.send(
        Frame::message_with(64, |out| packet.encode_into(out)),
        &attachments,
    );
}

impl Application for Echo {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn received(&mut self, data: Data, link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {
        let handled = match data {
            Data::Text(text) => self.connection.handle_text(&text),
            Data::Binary(bytes) => self.connection.handle_binary(bytes),
        };
        self.handle(handled, link);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.connection.poll_timeout(), self.turn]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_timeout(&mut self, link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {
        if self.turn.is_some_and(|turn| turn <= link.now()) {
            self.turn = None;
            for packet in std::mem::take(&mut self.waiting) {
                write(&packet, link);
            }
        }
        let handled = self.connection.handle_timeout(link.now());
        self.handle(handled, link);
    }

    fn closed(&mut self, reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {
        log::debug!("closed: {reason}");
    }
}

#[derive(Debug, Parser)]
struct Flags {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
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
    /// Maximum milliseconds to join a namespace.
    #[arg(long, default_value_t = 1_000)]
    connect_timeout: u64,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    env_logger::init();
    let flags = Flags::parse();
    let engine = EngineConfig {
        ping_interval: Duration::from_millis(flags.ping_interval),
        ping_timeout: Duration::from_millis(flags.ping_timeout),
        max_payload: flags.max_payload,
        ..EngineConfig::default()
    };
    let namespaces = Arc::new(SocketIoConfig {
        connect_timeout: Duration::from_millis(flags.connect_timeout),
        namespaces: vec![Namespace::main(), Namespace::new("/custom")],
        max_attachment_bytes: flags.max_payload,
        ..SocketIoConfig::default()
    });
    let tcp = TcpSettings {
        user_timeout: engine.ping_interval + engine.ping_timeout,
        watch: WatchSettings::default(),
    };
    let endpoint = Endpoint {
        config: Arc::new(engine),
        table: Arc::new(SocketTable::new(10_000)),
        bodies: BodyMemory::of_bytes(usize::MAX, usize::MAX),
        addresses: Arc::default(),
        open: Arc::new(move |_: &Opening| {
            Ok(Echo {
                connection: SocketIoClient::new(Arc::clone(&namespaces), Instant::now()),
                waiting: Vec::new(),
                turn: None,
            })
        }),
    };
    let mut listener = ListenerSettings::new(tcp);
    // One thread, so that concurrent requests of one session are handled in their order of arrival.
    listener.workers = Some(1);
    let target = (flags.host, flags.port);
    let application = move || App::new().service(engineio_scope("/socket.io", endpoint.clone()));
    let (server, _) = listen(target, &listener, application)?;
    server.await
}
