//! Every key: its environment variables, how a variable's text is read, and what it means.

/// How the text of an environment variable or flag becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it stands.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// `box=satoshis,box=satoshis`.
    Fees,
    /// `box=duration,box=duration`.
    Lifetimes,
    /// `one,another`.
    List,
    /// `type=field+field,type=field`.
    FieldsByType,
}

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `section.name`.
    pub path: &'static str,
    /// Environment variables that set it, the first that is set counts; beside `MESSAGEBOX__SECTION__NAME`.
    pub variables: &'static [&'static str],
    /// How text is read.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

const fn key(
    path: &'static str,
    variables: &'static [&'static str],
    kind: Kind,
    help: &'static str,
) -> Key {
    Key {
        path,
        variables,
        kind,
        help,
    }
}

/// Keys of the last release that have no effect any more, with their variable. They are accepted, with a warning.
pub(super) const REMOVED: &[(&str, &str)] = &[
    ("auth.resume", "AUTH_RESUME"),
    ("auth.resume_for", "AUTH_RESUME_FOR"),
    ("admin.public_dashboard", "PUBLIC_DASHBOARD"),
];

use Kind::{Fees, FieldsByType, Lifetimes, List, Number, Switch, Text};

/// All of them, in the order of `config/default.toml`.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("environment", &["NODE_ENV"], Text, "`development` makes a server key by itself; every other one needs it set"),
    key("migrate_key", &["MIGRATE_KEY"], Text, "Opens POST /admin/migrate to whoever brings it as a bearer token, 16 characters or more; secret"),
    key("server.host", &["HOST"], Text, "Address to listen on; `::` is every address of IPv6 and IPv4, `0.0.0.0` every address of IPv4 only"),
    key("server.port", &["PORT", "HTTP_PORT"], Number, "TCP port; unset: 8080 in development, 3000 elsewhere"),
    key("server.routing_prefix", &["ROUTING_PREFIX"], Text, "Put in front of every route, such as /api; also names a Socket.IO path and namespace"),
    key("server.hosting_domain", &["HOSTING_DOMAIN"], Text, "The server's public address, as its documents name it and overlay.advertise advertises it"),
    key("server.workers", &["WORKERS"], Number, "Threads that serve connections; 0: one for each core"),
    key("server.max_connections", &["MAX_CONNECTIONS"], Number, "TCP connections of each worker"),
    key("server.max_url_bytes", &["MAX_URL_BYTES"], Number, "Bytes of a request's path and query, at most 65534"),
    key("server.max_headers", &["MAX_HEADERS"], Number, "Headers of a request, at most 96"),
    key("server.max_header_bytes", &["MAX_HEADER_BYTES"], Number, "Bytes of all headers of a request, at most 131072 with its first line"),
    key("server.max_body_bytes", &["MAX_BODY_BYTES"], Number, "Bytes of a request body; a sixteenth of server.max_buffered_bytes at most"),
    key("server.max_buffered_bytes", &["MAX_BUFFERED_BYTES"], Number, "Bytes of the bodies of all requests that are being answered. Half as many of all lists that clients have not taken yet, and half as many of everything that waits for sockets. One identity and one address may each have a sixteenth; of lists, or one of the largest size. When lists or sockets take all of it, the slowest reader is cut"),
    key("server.request_timeout", &["REQUEST_TIMEOUT_SECS"], Text, "How long a request's body may take to come"),
    key("server.head_timeout", &["HEAD_TIMEOUT"], Text, "How long the head of a connection's first request may take to come"),
    key("server.keep_alive", &["KEEP_ALIVE"], Text, "How long a connection may do nothing between two requests. Current clients pause for a minute and reuse it; balancers must close theirs sooner"),
    key("server.min_answer_rate", &["MIN_ANSWER_RATE"], Number, "Bytes in a second that a client must read of an answer, after request_timeout"),
    key("server.trusted_proxies", &["TRUSTED_PROXIES"], List, "Proxies, by address or network, whose X-Forwarded-For says who is asking"),
    key("server.shutdown_timeout", &["SHUTDOWN_TIMEOUT"], Text, "How long a shutdown may take"),
    key("server.drain_delay", &["DRAIN_DELAY"], Text, "How long /readyz says `draining` before a shutdown begins, for balancers; not part of its time"),
    key("server.health_interval", &["HEALTH_INTERVAL"], Text, "How often the wallet, the block headers service and Firebase are asked whether they work, where they are configured; what does not is `degraded`; 0: never"),
    key("server.docs", &["ENABLE_DOCS"], Switch, "Whether /docs is served"),
    key("identity.private_key", &["SERVER_PRIVATE_KEY"], Text, "The server's private key, 64 hexadecimal characters; secret"),
    key("identity.data_dir", &["DATA_DIR"], Text, "Folder of the database and of the key that development makes"),
    key("database.url", &["DATABASE_URL"], Text, "sqlite://path, mysql://user:password@host/database or postgres://user:password@host/database; several hosts as host1:port,host2:port, of which the one that takes writes is used; unset: messagebox.db in the data folder. DB_DRIVER with DB_SOURCE, and KNEX_DB_CONNECTION with KNEX_DB_CLIENT, are read too"),
    key("database.max_connections", &["DB_MAX_CONNECTIONS"], Number, "Connections: one writes, the others read"),
    key("database.busy_timeout", &["DB_BUSY_TIMEOUT"], Text, "How long a statement waits for a lock, and anybody for a connection"),
    key("database.max_queued_writes", &["DB_MAX_QUEUED_WRITES"], Number, "Writes that may wait, a sixteenth of them of one identity or one address; above that they are refused, but for one small write of whoever has none"),
    key("database.max_queued_bytes", &["DB_MAX_QUEUED_BYTES"], Number, "Bytes of messages in the writes that wait, a sixteenth of them of one identity or one address; above that they are refused, as above"),
    key("database.max_queued_reads", &["DB_MAX_QUEUED_READS"], Number, "Reads that may wait, a sixteenth of them of one identity or one address: clients list 40 boxes at once; above that they are refused, but for one of whoever has none"),
    key("database.max_group", &["DB_MAX_GROUP"], Number, "Writes that one transaction commits together"),
    key("database.migrate_on_start", &["DB_MIGRATE_ON_START"], Switch, "Whether the tables are brought up to date at the start"),
    key("database.min_free_bytes", &["DB_MIN_FREE_BYTES"], Number, "Free bytes on the disk of a SQLite database below which messages are refused (503), while reads and acknowledgements go on; below twice as many, health is `degraded`; 0: never"),
    key("database.checkpoint", &["DB_CHECKPOINT"], Switch, "Whether an orderly stop moves everything from the log of writes (-wal) to the SQLite file; off for Litestream, which reads the log"),
    key("socket.enabled", &["ENABLE_WEBSOCKETS"], Switch, "Whether Socket.IO is served"),
    key("socket.ping_interval", &["PING_INTERVAL"], Text, "Time from a pong to the next ping"),
    key("socket.ping_timeout", &["PING_TIMEOUT"], Text, "How long a pong may take"),
    key("socket.connect_timeout", &["CONNECT_TIMEOUT"], Text, "How long a client may take to join a namespace"),
    key("socket.upgrade_timeout", &["UPGRADE_TIMEOUT"], Text, "How long the move from polling to a websocket may take"),
    key("socket.max_payload", &["MAX_PAYLOAD"], Number, "Bytes of a Socket.IO payload or frame"),
    key("socket.max_outbound_bytes", &["MAX_OUTBOUND_BYTES"], Number, "Bytes that may wait for a client before it is cut off"),
    key("socket.max_packets_per_poll", &["MAX_PACKETS_PER_POLL"], Number, "Packets in one polling response"),
    key("socket.max_packets_per_payload", &["MAX_PACKETS_PER_PAYLOAD"], Number, "Packets in one polling request"),
    key("socket.max_attachments", &["MAX_ATTACHMENTS"], Number, "Binary attachments of one packet"),
    key("socket.max_sockets", &["MAX_SOCKETS"], Number, "Sockets of the server"),
    key("socket.pace", &["SOCKET_PACE"], Text, "Signed frames that a socket is sent at once, and how many a second after that, such as 24/24: clients disconnect for good where more wait for their wallet; 0: no limit"),
    key("socket.keep_alive", &["SOCKET_KEEP_ALIVE"], Text, "How long a socket may be quiet before it is sent a signed event; clients forget a session after 30 minutes; 0: never"),
    key("auth.timeout", &["AUTH_TIMEOUT"], Text, "How long a socket may stay unauthenticated"),
    key("auth.revival_delay", &["AUTH_REVIVAL_DELAY"], Text, "Silence after which the server begins a handshake with a connected socket"),
    key("auth.session_ttl", &["AUTH_SESSION_TTL"], Text, "How long an HTTP session lives after its last request; 0: for ever"),
    key("auth.max_sessions", &["AUTH_MAX_SESSIONS"], Number, "HTTP sessions; the least recently used goes first"),
    key("auth.max_sessions_per_identity", &["AUTH_MAX_SESSIONS_PER_IDENTITY"], Number, "HTTP sessions of one identity"),
    key("auth.max_seen_nonces", &["AUTH_MAX_SEEN_NONCES"], Number, "Message nonces remembered for each session. After three quarters of them, at most 3,000, a socket begins a new session; until its client takes part, four times as many are remembered"),
    key("auth.max_held_frames", &["AUTH_MAX_HELD_FRAMES"], Number, "Frames of a lost socket's session that are held for a revival"),
    key("auth.lost_session_ttl", &["AUTH_LOST_SESSION_TTL"], Text, "How long sessions of lost sockets are kept"),
    key("auth.max_lost_sessions", &["AUTH_MAX_LOST_SESSIONS"], Number, "How many of them"),
    key("auth.certificates.certifiers", &["AUTH_CERTIFIERS"], List, "Identity keys whose certificates count; with any, every client must bring one; none: off"),
    key("auth.certificates.types", &["AUTH_CERTIFICATE_TYPES"], FieldsByType, "Certificate types that count (base64 of 32 bytes) and the fields that each must reveal, as type=field+field,..."),
    key("auth.certificates.require_field", &["AUTH_REQUIRE_FIELD"], List, "What fields must be: `name` (not blank) or `name=value`"),
    key("auth.certificates.timeout", &["AUTH_CERTIFICATE_TIMEOUT"], Text, "How long certificates may take to come"),
    key("limits.unlimited_addresses", &["UNLIMITED_ADDRESSES"], List, "Addresses and networks that no limit of addresses is for; `none` is an empty list; by default this machine, because a proxy on it would count for all"),
    key("limits.connections_per_address", &["CONNECTIONS_PER_ADDRESS"], Number, "TCP connections of one address, or of one /64 of IPv6; above that they are closed at once"),
    key("limits.unproven_sockets", &["MAX_UNPROVEN_SOCKETS"], Number, "Sockets that have proven no identity yet"),
    key("limits.unproven_sockets_per_address", &["UNPROVEN_SOCKETS_PER_ADDRESS"], Number, "As many of one address, and as many HTTP sessions of one address in which no request has verified"),
    key("limits.sockets_per_identity", &["SOCKETS_PER_IDENTITY"], Number, "Sockets of one identity"),
    key("limits.requests_per_address", &["REQUESTS_PER_ADDRESS"], Number, "HTTP requests of one address in a second, with those of polling; 0 here and below: no limit"),
    key("limits.handshakes_per_address", &["HANDSHAKES_PER_ADDRESS"], Number, "Handshakes and new sockets of one address in a second; each costs the server a signature"),
    key("limits.requests_per_identity", &["REQUESTS_PER_IDENTITY"], Number, "Authenticated HTTP requests of one identity in a second"),
    key("limits.frames_per_socket", &["FRAMES_PER_SOCKET"], Number, "Websocket frames and polling packets of one socket in a second; above that it is read more slowly"),
    key("limits.frames_per_identity", &["FRAMES_PER_IDENTITY"], Number, "The same for all sockets of one identity together"),
    key("limits.bytes_per_socket", &["BYTES_PER_SOCKET"], Number, "Bytes of them in a second"),
    key("limits.bytes_per_identity", &["BYTES_PER_IDENTITY"], Number, "The same for all sockets of one identity together"),
    key("limits.max_json_depth", &["MAX_JSON_DEPTH"], Number, "Objects and arrays within each other, in requests and in events"),
    key("limits.burst", &["LIMITS_BURST"], Text, "How much may come at once: as much as comes in this time"),
    key("limits.max_delay", &["LIMITS_MAX_DELAY"], Text, "How long a socket may be left unread; one that would have to wait longer is closed"),
    key("cluster.redis_url", &["REDIS_URL"], Text, "redis:// or rediss:// (TLS): room events cross between servers that share a database, and a request counts once on all of them; unset: this is the only one; secret"),
    key("cluster.prefix", &["REDIS_PREFIX"], Text, "What the names of channels and keys in Redis begin with"),
    key("cluster.node_name", &["NODE_NAME"], Text, "What this server is called where the others name it; unset: the machine's name and the port"),
    key("cluster.max_queued_bytes", &["CLUSTER_MAX_QUEUED_BYTES"], Number, "Bytes of events that may wait for Redis, and as many that may wait to be delivered; what is above that is read from the database later"),
    key("cluster.max_catch_up", &["CLUSTER_MAX_CATCH_UP"], Number, "Messages that are read from the database after Redis was away; members of rooms that have missed more are cut off and look for themselves"),
    key("cluster.overlap", &["CLUSTER_OVERLAP"], Text, "How far back of a lost connection the database is read; longer than any server takes from a commit to its publication"),
    key("cluster.nonce_timeout", &["CLUSTER_NONCE_TIMEOUT"], Text, "How long a request waits for Redis to say whether another server has served it before"),
    key("cluster.require_nonces", &["CLUSTER_REQUIRE_NONCES"], Switch, "Refuse requests (503) while Redis cannot say so; false: serve what this server has not seen itself, and count it"),
    key("rooms.access", &["ROOMS_ACCESS"], Text, "`owner`: only the identity in a room's id may join it; `open`: any"),
    key("rooms.auto_join", &["ROOMS_AUTO_JOIN"], Switch, "Whether a socket is a member of its own rooms without asking"),
    key("rooms.max_rooms_per_socket", &["ROOMS_MAX_PER_SOCKET"], Number, "Rooms that one socket may join by asking"),
    key("rooms.max_pending_deliveries", &["ROOMS_MAX_PENDING"], Number, "Events on their way to one socket before it is cut off"),
    key("log.level", &["RUST_LOG"], Text, "What is logged: off, error, warn, info, debug or trace, also of single modules as in warn,messagebox=debug"),
    key("log.verbose", &["LOGGING_ENABLED"], Switch, "Raises our own level to debug"),
    key("log.format", &["LOG_FORMAT"], Text, "`text`, or `json`: one object a line"),
    key("log.access", &["ACCESS_LOG"], Text, "Which requests and events have a line: `off`, `refused`, or `all`; at most 50 refusals a second are logged, the rest is counted"),
    key("admin.enabled", &["ENABLE_ADMIN"], Switch, "Whether /admin and /metrics are served, to admins; anybody may load the page /admin/, which holds nothing and asks for the token"),
    key("admin.token", &["ADMIN_TOKEN"], Text, "Makes an admin of whoever brings it as a bearer token, 16 characters or more; secret"),
    key("admin.identities", &["ADMIN_IDENTITIES"], List, "Identity keys whose signed requests are an admin's; in development, without token and keys, requests from this machine are, elsewhere none"),
    key("admin.public_metrics", &["PUBLIC_METRICS"], Switch, "Whether anybody may read /metrics"),
    key("messages.ttl", &["MESSAGE_TTL"], Text, "How long messages are kept; 0: until they are acknowledged"),
    key("messages.sweep_interval", &["MESSAGE_SWEEP_INTERVAL"], Text, "How often expired messages are deleted"),
    key("messages.sweep_batch", &["MESSAGE_SWEEP_BATCH"], Number, "How many of them in one transaction"),
    key("messages.max_recipients", &["MAX_RECIPIENTS"], Number, "Recipients of one message"),
    key("messages.max_listed_bytes", &["MAX_LISTED_BYTES"], Number, "Bytes of a list (JSON) for a client that asks for no page; a cursor leads to the others. A page has at most 4100000"),
    key("messages.max_message_bytes", &["MAX_MESSAGE_BYTES"], Number, "Bytes of one message as a list shows it (JSON, with its payment); above that sending is refused (413). Current clients can list no message above 4100000; 0: no limit"),
    key("messages.delivery_fee_per_recipient", &["DELIVERY_FEE_PER_RECIPIENT"], Switch, "Whether a message costs its delivery fee once for each recipient; false: once, however many there are"),
    key("messages.retention", &["MESSAGE_RETENTION"], Lifetimes, "How long messages of single boxes are kept, as box=14days,...; counts for what is stored from then on, and beside messages.ttl"),
    key("messages.max_inbox_messages", &["MAX_INBOX_MESSAGES"], Number, "Messages that one recipient may have stored, in all boxes; above that sending to it is refused (429); 0 here and below: no limit"),
    key("messages.max_inbox_bytes", &["MAX_INBOX_BYTES"], Number, "Bytes of their bodies"),
    key("messages.max_sender_messages", &["MAX_SENDER_MESSAGES"], Number, "Messages that may be stored of one sender, for all recipients; above that its sending is refused (429)"),
    key("messages.max_sender_bytes", &["MAX_SENDER_BYTES"], Number, "Bytes of their bodies"),
    key("fees.boxes", &["MESSAGEBOX_FEES"], Fees, "Delivery fees as box=satoshis,...; they go before those in the database"),
    key("prices.request", &["REQUEST_PRICE"], Number, "Satoshis that every request costs (HTTP 402)"),
    key("prices.routes", &["ROUTE_PRICES"], Fees, "Satoshis that requests to single routes cost, as /route=satoshis,..."),
    key("wallet.url", &["WALLET_URL", "WALLET_STORAGE_URL"], Text, "BRC-100 wallet over HTTP that takes what is paid to the server; unset: the server keeps it for --export-payments; secret"),
    key("wallet.timeout", &["WALLET_TIMEOUT"], Text, "How long the wallet and the block headers service may take to answer"),
    key("wallet.headers_url", &["BLOCK_HEADERS_URL"], Text, "Block headers service that payments are checked with; unset: their proofs are not held against the chain; secret"),
    key("wallet.network", &["BSV_NETWORK", "NETWORK"], Text, "Chain of the wallet, and of the overlay network, which knows mainnet, testnet and local; said at the start"),
    key("overlay.advertise", &["ADVERTISE_HOST"], Switch, "Whether the server advertises server.hosting_domain for its own identity at start; wallet.url must be the wallet of that identity"),
    key("overlay.trackers", &["SLAP_TRACKERS"], List, "Trackers of the overlay network, by https address; none: those that wallet.network is known to have"),
    key("push.enabled", &["ENABLE_FIREBASE"], Switch, "Push notifications by Firebase Cloud Messaging; on where a service account is set and no variable, flag or other file says false"),
    key("push.project_id", &["FIREBASE_PROJECT_ID"], Text, "Firebase project; unset: the service account's own"),
    key("push.service_account_json", &["FIREBASE_SERVICE_ACCOUNT_JSON"], Text, "Service account, its JSON; secret"),
    key("push.service_account_path", &["FIREBASE_SERVICE_ACCOUNT_PATH"], Text, "Service account, the path of its JSON file"),
    key("push.endpoint", &["FIREBASE_ENDPOINT"], Text, "Where Firebase is"),
    key("push.boxes", &["PUSH_BOXES"], List, "Boxes whose messages are notified, comma-separated"),
    key("push.max_queued", &["PUSH_MAX_QUEUED"], Number, "Notifications that may wait; what comes above that is dropped"),
];
