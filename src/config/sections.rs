//! The sections of the settings: a row for each key, with its type, default, variables and help.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Networks;
use crate::rooms::RoomAccess;
use crate::telemetry::{AccessLog, LogFormat};
use crate::throttle::Throttle;

use super::keys::{Key, Setting, section};
use super::scalar::at_most::AtMost;
use super::scalar::lifetime::Lifetime;
use super::scalar::secret::Secret;

const MIB: usize = 1024 * 1024;
const GIB: u64 = 1024 * 1024 * 1024;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn at_least_one(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

section! {
    /// `[server]`: the HTTP listener.
    ServerSection "server." {
        host: String = "::".to_owned(), ["HOST"], "Address to listen on. `::` is every address of IPv6 and IPv4, `0.0.0.0` every address of IPv4 only";
        port: Option<u16> = None, ["PORT", "HTTP_PORT"], "TCP port; unset: 8080 in development, 3000 elsewhere";
        routing_prefix: String = String::new(), ["ROUTING_PREFIX"], "Prefix of every route, such as /api; it also names a Socket.IO path and namespace";
        hosting_domain: Option<String> = None, ["HOSTING_DOMAIN"], "Public address of the server, such as https://messagebox.example. Its documents name it, and overlay.advertise advertises it";
        workers: usize = 0, ["WORKERS"], "Threads that serve connections; 0: one per core";
        max_connections: usize = 25_000, ["MAX_CONNECTIONS"], "Maximum TCP connections per worker";
        max_url_bytes: AtMost<65_534> = AtMost::new(60 * 1024), ["MAX_URL_BYTES"], "Maximum bytes of a request's path and query, at most 65534";
        max_headers: AtMost<96> = AtMost::new(90), ["MAX_HEADERS"], "Maximum headers per request, at most 96";
        max_header_bytes: AtMost<131_072> = AtMost::new(128 * 1024), ["MAX_HEADER_BYTES"], "Maximum bytes of all headers of a request; 131072 at most, with its first line";
        max_body_bytes: usize = 32 * MIB, ["MAX_BODY_BYTES"], "Maximum bytes of a request body; a sixteenth of server.max_buffered_bytes at most";
        max_buffered_bytes: usize = 512 * MIB, ["MAX_BUFFERED_BYTES"], "Bytes of memory for the bodies of all requests in progress. Lists that clients are still reading get half as much, and the outbound buffers of all sockets get half as much. One identity and one address may each use a sixteenth; of lists, at least one of the largest size. When lists or outbound buffers fill their half, the server disconnects the slowest consumer";
        request_timeout: Duration = seconds(30), ["REQUEST_TIMEOUT_SECS"], "Maximum time to receive a request's body";
        head_timeout: Duration = seconds(5), ["HEAD_TIMEOUT"], "Maximum time to receive the head of a connection's first request";
        keep_alive: Duration = seconds(75), ["KEEP_ALIVE"], "Idle timeout of a connection between two requests. Current clients reuse a connection after a pause of one minute; balancers must close theirs sooner";
        min_answer_rate: NonZeroU64 = NonZeroU64::MIN.saturating_add(64 * 1024 - 1), ["MIN_ANSWER_RATE"], "Bytes per second that a client must read of an answer, after request_timeout; the default suits a slow mobile connection";
        trusted_proxies: Networks = Networks::default(), ["TRUSTED_PROXIES"], "Proxies, by address or network, whose X-Forwarded-For names the client";
        shutdown_timeout: Duration = seconds(30), ["SHUTDOWN_TIMEOUT"], "Maximum time for a shutdown";
        drain_delay: Duration = Duration::ZERO, ["DRAIN_DELAY"], "How long /readyz answers `draining` before a shutdown begins, for balancers; shutdown_timeout counts after it";
        health_interval: Duration = seconds(2), ["HEALTH_INTERVAL"], "How often the server probes the wallet, the block headers service and Firebase, where they are configured. One that fails makes the server `degraded`; 0: never";
        docs: bool = true, ["ENABLE_DOCS"], "Serve /docs";
    }
}

section! {
    /// `[identity]`: the server's key.
    IdentitySection "identity." {
        private_key: Option<Secret> = None, ["SERVER_PRIVATE_KEY"], "The server's private key, 64 hexadecimal characters; secret";
        data_dir: PathBuf = PathBuf::from("data"), ["DATA_DIR"], "Folder of the SQLite database and of the generated development key";
    }
}

section! {
    /// `[database]`: where messages are stored.
    DatabaseSection "database." {
        url: Option<Secret> = None, ["DATABASE_URL"], "sqlite://path, mysql://user:password@host/database or postgres://user:password@host/database. Several hosts, as host1:port,host2:port: the server uses the one that accepts writes. Unset: messagebox.db in the data folder. The server also reads DB_DRIVER with DB_SOURCE, and KNEX_DB_CONNECTION with KNEX_DB_CLIENT";
        max_connections: NonZeroUsize = at_least_one(3), ["DB_MAX_CONNECTIONS"], "Connections: one writes, the others read";
        busy_timeout: Duration = seconds(5), ["DB_BUSY_TIMEOUT"], "Maximum wait of a statement for a lock, and of a request for a connection";
        max_queued_writes: usize = 10_000, ["DB_MAX_QUEUED_WRITES"], "Maximum queued writes, a sixteenth of them per identity and per address. Above that the server refuses writes, except one small write of an identity that has none queued";
        max_queued_bytes: usize = 256 * MIB, ["DB_MAX_QUEUED_BYTES"], "Maximum bytes of messages in queued writes, a sixteenth of them per identity and per address. Above that the server refuses writes, with the same exception";
        max_queued_reads: usize = 2_048, ["DB_MAX_QUEUED_READS"], "Maximum queued reads, a sixteenth of them per identity and per address: clients list 40 boxes at once. Above that the server refuses reads, except one of an identity that has none queued";
        migrate_on_start: bool = true, ["DB_MIGRATE_ON_START"], "Apply pending migrations at start";
        min_free_bytes: u64 = GIB / 4, ["DB_MIN_FREE_BYTES"], "Free bytes on the disk of a SQLite database below which the server refuses messages (503) and still serves reads and acknowledgements. Below twice as many, health is `degraded`; 0: never";
        checkpoint: bool = true, ["DB_CHECKPOINT"], "Checkpoint the write-ahead log (-wal) into the SQLite file at an orderly stop; off for Litestream, which reads the log";
    }
}

section! {
    /// `[socket]`: Engine.IO and Socket.IO.
    SocketSection "socket." {
        enabled: bool = true, ["ENABLE_WEBSOCKETS"], "Serve Socket.IO";
        ping_interval: Duration = seconds(25), ["PING_INTERVAL"], "Time from a pong to the next ping";
        ping_timeout: Duration = seconds(20), ["PING_TIMEOUT"], "Maximum wait for a pong";
        max_payload: usize = 10_000_000, ["MAX_PAYLOAD"], "Maximum bytes of a Socket.IO payload or frame";
        max_outbound_bytes: usize = 8 * MIB, ["MAX_OUTBOUND_BYTES"], "Maximum bytes in a socket's outbound buffer; the server disconnects a client above it";
        max_packets_per_payload: NonZeroUsize = at_least_one(1_024), ["MAX_PACKETS_PER_PAYLOAD"], "Maximum packets per polling request";
        max_attachments: usize = 64, ["MAX_ATTACHMENTS"], "Maximum binary attachments per packet";
        max_sockets: usize = 20_000, ["MAX_SOCKETS"], "Maximum sockets of the server";
        pace: Throttle = Throttle::PUBLISHED_CLIENTS, ["SOCKET_PACE"], "Signed frames that a socket receives at once, and how many per second after that, such as 24/24. Published clients disconnect for good when more frames wait for their wallet; 0: no limit";
        keep_alive: Duration = seconds(600), ["SOCKET_KEEP_ALIVE"], "Silence after which the server sends a socket a signed event: clients forget a session after 30 minutes; 0: never";
    }
}

section! {
    /// `[auth]`: BRC-103 and BRC-104 sessions.
    AuthSection "auth." {
        timeout: Duration = seconds(30), ["AUTH_TIMEOUT"], "Maximum time for a socket to authenticate";
        revival_delay: Duration = seconds(3), ["AUTH_REVIVAL_DELAY"], "Silence after which the server begins a handshake with a connected socket";
        session_ttl: Duration = seconds(3_600), ["AUTH_SESSION_TTL"], "Lifetime of an HTTP session after its last request; 0: unlimited";
        max_sessions: NonZeroUsize = at_least_one(100_000), ["AUTH_MAX_SESSIONS"], "Maximum HTTP sessions; the least recently used goes first";
        max_sessions_per_identity: NonZeroUsize = at_least_one(64), ["AUTH_MAX_SESSIONS_PER_IDENTITY"], "Maximum HTTP sessions per identity";
        max_seen_nonces: NonZeroUsize = at_least_one(4_096), ["AUTH_MAX_SEEN_NONCES"], "Message nonces remembered per session. After three quarters of them, at most 3,000, a socket begins a new session; until its client joins that, the server remembers four times as many";
        max_held_frames: usize = 8, ["AUTH_MAX_HELD_FRAMES"], "Maximum frames of a lost socket's session that the server holds for a revival";
    }
    with { certificates: CertificatesSection, }
}

section! {
    /// `[auth.certificates]`: certificates that a client must present.
    CertificatesSection "auth.certificates." {
        certifiers: Vec<String> = Vec::new(), ["AUTH_CERTIFIERS"], "Identity keys of trusted certifiers. With any, every client must present a certificate; none: off";
        types: BTreeMap<String, Vec<String>> = BTreeMap::new(), ["AUTH_CERTIFICATE_TYPES"], "Accepted certificate types (base64 of 32 bytes) and the fields that each must reveal, as type=field+field,...";
        require_field: Vec<String> = Vec::new(), ["AUTH_REQUIRE_FIELD"], "Required field values: `name` (not blank) or `name=value`";
        timeout: Duration = seconds(30), ["AUTH_CERTIFICATE_TIMEOUT"], "Maximum time to receive certificates";
    }
}

section! {
    /// `[limits]`: limits per address, identity and socket; a rate of 0 is no limit.
    LimitsSection "limits." {
        unlimited_addresses: Networks = Networks::loopback(), ["UNLIMITED_ADDRESSES"], "Addresses and networks without limits per address; `none` is an empty list. The default is this machine, because one proxy on it would count for all clients";
        connections_per_address: usize = 1_500, ["CONNECTIONS_PER_ADDRESS"], "Maximum TCP connections per address, or per /64 of IPv6; the server closes further ones immediately";
        unproven_sockets: usize = 10_000, ["MAX_UNPROVEN_SOCKETS"], "Maximum unauthenticated sockets";
        unproven_sockets_per_address: usize = 625, ["UNPROVEN_SOCKETS_PER_ADDRESS"], "Maximum unauthenticated sockets per address, and as many HTTP sessions per address without a verified request";
        sockets_per_identity: usize = 10_000, ["SOCKETS_PER_IDENTITY"], "Maximum sockets per identity";
        requests_per_address: u64 = 5_000, ["REQUESTS_PER_ADDRESS"], "HTTP requests per second per address, polling included; 0 here and below: no limit";
        handshakes_per_address: u64 = 100, ["HANDSHAKES_PER_ADDRESS"], "Handshakes and new sockets per second per address; each costs the server a signature";
        requests_per_identity: u64 = 2_000, ["REQUESTS_PER_IDENTITY"], "Authenticated HTTP requests per second per identity";
        frames_per_socket: u64 = 2_000, ["FRAMES_PER_SOCKET"], "Websocket frames and polling packets per second per socket; above that the server reads the socket more slowly";
        frames_per_identity: u64 = 4_000, ["FRAMES_PER_IDENTITY"], "Websocket frames and polling packets per second per identity, over all its sockets";
        bytes_per_socket: u64 = 16 * 1024 * 1024, ["BYTES_PER_SOCKET"], "Bytes of such frames and packets per second per socket";
        bytes_per_identity: u64 = 32 * 1024 * 1024, ["BYTES_PER_IDENTITY"], "Bytes of such frames and packets per second per identity, over all its sockets";
        max_json_depth: NonZeroUsize = at_least_one(128), ["MAX_JSON_DEPTH"], "Maximum nesting of objects and arrays, in requests and in events";
        burst: Duration = seconds(10), ["LIMITS_BURST"], "Every rate limit allows a burst of as much as comes in this time";
        max_delay: Duration = seconds(10), ["LIMITS_MAX_DELAY"], "Maximum time that the server leaves a socket unread; it closes a socket that would have to wait longer";
    }
}

section! {
    /// `[cluster]`: other servers with the same database.
    ClusterSection "cluster." {
        redis_url: Option<Secret> = None, ["REDIS_URL"], "redis:// or rediss:// (TLS), such as redis://localhost:6379. Servers that share a database exchange room events through it, and a request counts once on all of them. Unset: this is the only server; secret";
        prefix: String = "messagebox:".to_owned(), ["REDIS_PREFIX"], "Prefix of the channels and keys in Redis";
        node_name: Option<String> = None, ["NODE_NAME"], "Name of this server for the others; unset: the machine's name and the port";
        max_queued_bytes: usize = 64 * MIB, ["CLUSTER_MAX_QUEUED_BYTES"], "Maximum bytes of events queued for Redis, and as many queued for delivery. The server reads the rest from the database later";
        max_catch_up: usize = 100_000, ["CLUSTER_MAX_CATCH_UP"], "Maximum messages to read from the database after a loss of Redis. The server disconnects members of rooms that missed more, and they list their boxes";
        nonce_timeout: Duration = Duration::from_millis(500), ["CLUSTER_NONCE_TIMEOUT"], "Maximum wait of a request for Redis to tell whether another server has served it";
        require_nonces: bool = false, ["CLUSTER_REQUIRE_NONCES"], "Refuse requests (503) while Redis cannot tell that. Off: serve requests that this server has not seen itself, and count them";
    }
}

section! {
    /// `[rooms]`: who may join which room.
    RoomsSection "rooms." {
        access: RoomAccess = RoomAccess::Owner, ["ROOMS_ACCESS"], "Who may join a room. `owner`: only the identity in the room's id; `open`: any identity";
        auto_join: bool = true, ["ROOMS_AUTO_JOIN"], "Make a socket a member of its own rooms without `joinRoom`";
        max_rooms_per_socket: usize = 1_000, ["ROOMS_MAX_PER_SOCKET"], "Maximum rooms that one socket may join by `joinRoom`";
    }
}

section! {
    /// `[log]`: level and format of the log.
    LogSection "log." {
        level: String = "info".to_owned(), ["RUST_LOG"], "Log level: off, error, warn, info, debug or trace, also per module as in warn,messagebox=debug";
        verbose: bool = false, ["LOGGING_ENABLED"], "Log this server at debug level";
        format: LogFormat = LogFormat::Text, ["LOG_FORMAT"], "`text`, or `json`: one object per line";
        access: AccessLog = AccessLog::Refused, ["ACCESS_LOG"], "Requests and events to log: `off`, `refused` or `all`. The server logs at most 50 refusals per second and counts the rest";
    }
}

section! {
    /// `[admin]`: who may manage the server.
    AdminSection "admin." {
        enabled: bool = true, ["ENABLE_ADMIN"], "Serve /admin and /metrics to admins. Anybody may load the page /admin/, which holds no data and asks for the token";
        token: Option<Secret> = None, ["ADMIN_TOKEN"], "Bearer token of admins, 16 characters or more; secret";
        identities: Vec<String> = Vec::new(), ["ADMIN_IDENTITIES"], "Identity keys of admins, who sign their requests. Without token and keys, requests from this machine are an admin's in development, and none are elsewhere";
        public_metrics: bool = false, ["PUBLIC_METRICS"], "Serve /metrics to anybody";
    }
}

section! {
    /// `[messages]`: sizes, quotas and retention of messages.
    MessagesSection "messages." {
        ttl: Duration = Duration::ZERO, ["MESSAGE_TTL"], "Retention of messages; 0: until they are acknowledged";
        sweep_interval: Duration = seconds(60), ["MESSAGE_SWEEP_INTERVAL"], "How often the server deletes expired messages";
        sweep_batch: NonZeroUsize = at_least_one(500), ["MESSAGE_SWEEP_BATCH"], "Expired messages that one transaction deletes";
        max_recipients: NonZeroUsize = at_least_one(1_000), ["MAX_RECIPIENTS"], "Maximum recipients of one message";
        max_listed_bytes: usize = 16 * MIB, ["MAX_LISTED_BYTES"], "Maximum bytes of a list (JSON) for a client that asks for no page; a cursor leads to the rest. A page has at most 4100000";
        max_message_bytes: usize = 4_000_000, ["MAX_MESSAGE_BYTES"], "Maximum bytes of one message as a list shows it (JSON, with its payment); the server refuses a larger one (413). Current clients can list no message above 4100000; 0: no limit";
        delivery_fee_per_recipient: bool = false, ["DELIVERY_FEE_PER_RECIPIENT"], "Charge the delivery fee once per recipient; off: once per message";
        retention: BTreeMap<String, Lifetime> = BTreeMap::new(), ["MESSAGE_RETENTION"], "Retention per box, as box=14days,...; it holds for messages stored from then on, beside messages.ttl";
        max_inbox_messages: u64 = 100_000, ["MAX_INBOX_MESSAGES"], "Maximum stored messages per recipient, over all boxes; above that the server refuses messages for it (429); 0 here and below: no limit";
        max_inbox_bytes: u64 = 4 * GIB, ["MAX_INBOX_BYTES"], "Maximum bytes of stored message bodies per recipient";
        max_sender_messages: u64 = 100_000, ["MAX_SENDER_MESSAGES"], "Maximum stored messages per sender, for all recipients; above that the server refuses its messages (429)";
        max_sender_bytes: u64 = 4 * GIB, ["MAX_SENDER_BYTES"], "Maximum bytes of stored message bodies per sender";
    }
}

section! {
    /// `[fees]`: delivery fees per box.
    FeesSection "fees." {
        boxes: BTreeMap<String, u64> = BTreeMap::new(), ["MESSAGEBOX_FEES"], "Delivery fees as box=satoshis,...; they take precedence over those in the database";
    }
}

section! {
    /// `[prices]`: the price of a request.
    PricesSection "prices." {
        request: u64 = 0, ["REQUEST_PRICE"], "Price of every request in satoshis (HTTP 402)";
        routes: BTreeMap<String, u64> = BTreeMap::new(), ["ROUTE_PRICES"], "Prices of single routes in satoshis, as /route=satoshis,...";
    }
}

section! {
    /// `[wallet]`: who takes and checks payments.
    WalletSection "wallet." {
        url: Option<Secret> = None, ["WALLET_URL", "WALLET_STORAGE_URL"], "BRC-100 wallet over HTTP that takes payments to the server, such as http://localhost:3321. Unset: the server keeps them for --export-payments; secret";
        timeout: Duration = seconds(30), ["WALLET_TIMEOUT"], "Maximum wait for the wallet and for the block headers service";
        headers_url: Option<Secret> = None, ["BLOCK_HEADERS_URL"], "Block headers service that payments are checked with, such as https://headers.example. Unset: the server does not check proofs against the chain; secret";
        network: String = "mainnet".to_owned(), ["BSV_NETWORK", "NETWORK"], "Chain of the wallet, logged at start, and overlay network: mainnet, testnet or local";
    }
}

section! {
    /// `[overlay]`: advertising the server on the overlay network.
    OverlaySection "overlay." {
        advertise: bool = false, ["ADVERTISE_HOST"], "Advertise server.hosting_domain for the server's identity at start; wallet.url must be the wallet of that identity";
        trackers: Vec<String> = Vec::new(), ["SLAP_TRACKERS"], "Trackers of the overlay network, by https address; none: the known trackers of wallet.network";
    }
}

section! {
    /// `[push]`: Firebase Cloud Messaging.
    PushSection "push." {
        enabled: bool = false, ["ENABLE_FIREBASE"], "Send push notifications by Firebase Cloud Messaging. A service account turns it on unless a variable, a flag or another file says false";
        project_id: Option<String> = None, ["FIREBASE_PROJECT_ID"], "Firebase project; unset: the service account's own";
        service_account_json: Option<Secret> = None, ["FIREBASE_SERVICE_ACCOUNT_JSON"], "Service account as JSON; secret";
        service_account_path: Option<PathBuf> = None, ["FIREBASE_SERVICE_ACCOUNT_PATH"], "Path of the service account's JSON file";
        endpoint: String = "https://fcm.googleapis.com".to_owned(), ["FIREBASE_ENDPOINT"], "Address of Firebase";
        boxes: Vec<String> = vec!["notifications".to_owned()], ["PUSH_BOXES"], "Boxes whose messages send a notification, comma-separated";
        max_queued: usize = 10_000, ["PUSH_MAX_QUEUED"], "Maximum queued notifications; the server drops those beyond";
    }
}
