//! The same counts in the text format of Prometheus. Labels are words of the program: no identities, rooms or addresses.

use prometheus::{Encoder as _, TextEncoder};

use super::families::{Families, Number};
use super::rooms::{Responding, RoomsAnswer};
use super::status::{SizePart, Status};
use super::{admission, health_metrics, http_metrics, neighbours, storage};

/// The format's media type.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Microseconds in a second.
pub(super) const MICROS: f64 = 1e6;

/// Everything in the status, as text.
#[must_use]
pub fn exposition(status: &Status) -> Vec<u8> {
    let mut families = Families::default();
    server(&mut families, status);
    sockets(&mut families, status);
    rooms(&mut families, status);
    events(&mut families, status);
    http_metrics::metrics(&mut families, &status.http);
    database(&mut families, status);
    storage::metrics(&mut families, &status.database);
    others(&mut families, status);
    admission::metrics(&mut families, &status.refusals);
    neighbours::metrics(&mut families, status.cluster.as_ref());
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(families.all(), &mut text) {
        log::error!("the metrics could not be written: {error}");
    }
    text
}

fn server(families: &mut Families, status: &Status) {
    let server = &status.server;
    let version = Some(("version", server.version));
    families.gauges(
        "build_info",
        "1, with the version of the program.",
        [(version, true.into())],
    );
    families.gauge(
        "uptime_seconds",
        "Seconds since the server started.",
        server.uptime_seconds,
    );
    families.gauge(
        "draining",
        "Whether the server is going down.",
        server.draining,
    );
    health_metrics::metrics(families, server);
    let answers = [
        ("rooms", matches!(status.rooms, RoomsAnswer::Answered(_))),
        ("database", status.database.executor == Responding::Answers),
        ("health", server.ready.is_some()),
    ];
    families.gauges(
        "actor_up",
        "Whether an actor answers in time.",
        answers.map(|(actor, answers)| (Some(("actor", actor)), answers.into())),
    );
    families.counter("panics_total", "Panics since the start.", status.panics);
}

fn sockets(families: &mut Families, status: &Status) {
    let sockets = &status.sockets;
    families.gauges(
        "sockets",
        "Open sockets, by whether they have proven an identity.",
        [("proven", sockets.proven), ("unproven", sockets.unproven)]
            .map(|(state, count)| (Some(("state", state)), count.into())),
    );
    families.gauges(
        "socket_transports",
        "Open sockets, by what carries them.",
        [
            ("websocket", sockets.websocket),
            ("polling", sockets.polling),
        ]
        .map(|(transport, count)| (Some(("transport", transport)), count.into())),
    );
    families.gauge("sockets_max", "Sockets that there may be.", sockets.max);
    families.gauge(
        "socket_identities",
        "Identities that have sockets.",
        sockets.identities,
    );
    families.gauge(
        "connections",
        "TCP connections of addresses that are counted.",
        sockets.counted_connections,
    );
    families.counter(
        "sockets_opened_total",
        "Sockets that began.",
        sockets.opened,
    );
    families.counters(
        "sockets_ended_total",
        "Sockets that ended, by reason.",
        sockets
            .ended
            .iter()
            .map(|(reason, count)| (vec![("reason", *reason)], (*count).into())),
    );
    families.gauge(
        "outbound_bytes",
        "Bytes that wait for sockets.",
        sockets.outbound_bytes,
    );
    families.gauge(
        "outbound_memory_bytes",
        "Memory of what waits for sockets; what several share counts once.",
        sockets.outbound_memory_bytes,
    );
    families.gauge(
        "outbound_largest_bytes",
        "Bytes that wait for the socket that has most.",
        sockets.largest_outbound_bytes,
    );
}

fn rooms(families: &mut Families, status: &Status) {
    let RoomsAnswer::Answered(rooms) = &status.rooms else {
        return;
    };
    families.gauge(
        "rooms",
        "Rooms that somebody has joined by asking.",
        rooms.rooms,
    );
    families.gauge(
        "room_members",
        "Sockets that are members of rooms.",
        rooms.members,
    );
    families.counter(
        "room_events_total",
        "Events whose room had members.",
        rooms.published,
    );
    families.counter(
        "deliveries_total",
        "Events handed to members.",
        rooms.deliveries,
    );
    families.counter(
        "lagging_members_total",
        "Members cut off because they lagged.",
        rooms.lagging,
    );
    families.counter(
        "events_too_large_total",
        "Events that were not delivered live: too large, or in a room whose name clients cannot read.",
        rooms.too_large,
    );
    families.gauge(
        "rooms_answer_seconds",
        "Time until the registry answered: as long as its mailbox is.",
        Number::from(rooms.answer_micros).0 / MICROS,
    );
}

fn events(families: &mut Families, status: &Status) {
    let events = &status.events;
    families.counters(
        "events_received_total",
        "Verified events of sockets, by name.",
        events
            .received
            .iter()
            .map(|(event, count)| (vec![("event", *event)], (*count).into())),
    );
    families.counter(
        "events_answered_total",
        "Events sent in answer to one.",
        events.answers,
    );
    families.counter(
        "messages_acknowledged_total",
        "Messages of sockets that were acknowledged.",
        events.acks,
    );
    families.counters(
        "messages_refused_total",
        "Messages of sockets that were refused, by reason.",
        events
            .failures
            .iter()
            .map(|(reason, count)| (vec![("reason", *reason)], (*count).into())),
    );
    families.counter(
        "auth_frames_refused_total",
        "Auth messages of sockets that were refused.",
        events.refused_frames,
    );
    families.counter(
        "auth_frames_held_total",
        "Frames of sockets that were held for a proof.",
        events.held_frames,
    );
    families.gauge(
        "frames_waiting",
        "Frames that wait until the clients of their sockets can verify them.",
        events.waiting_frames,
    );
    families.counter(
        "deliveries_dropped_total",
        "Events not delivered live because too many waited for a slow client; they are listed.",
        events.dropped_deliveries,
    );
    families.histogram(
        "message_answer_seconds",
        "From a message of a socket to its answer.",
        &events.answer_micros,
        MICROS,
    );
    families.counters(
        "handshakes_total",
        "Handshakes that came to something.",
        [
            ("http", status.handshakes.http),
            ("socket", status.handshakes.sockets),
        ]
        .map(|(transport, count)| (vec![("transport", transport)], count.into())),
    );
}

fn database(families: &mut Families, status: &Status) {
    let database = &status.database;
    families.gauge(
        "database_queued_writes",
        "Writes that wait.",
        database.queued_writes,
    );
    families.gauge(
        "database_reads",
        "Reads that wait or are being made.",
        database.reads,
    );
    families.gauge(
        "database_undelivered_messages",
        "Messages that are stored and were not handed to their rooms yet.",
        database.undelivered,
    );
    families.counter(
        "database_commits_total",
        "Transactions that were committed.",
        database.commits,
    );
    families.counter("database_writes_total", "Writes in them.", database.writes);
    families.counter(
        "messages_stored_total",
        "Messages that were stored.",
        database.stored,
    );
    families.counter(
        "database_write_failures_total",
        "Writes that failed.",
        database.failures,
    );
    let idle = database.idle_connections;
    let busy = database.connections.saturating_sub(idle);
    families.gauges(
        "database_connections",
        "Connections of the pool.",
        [("idle", idle), ("busy", busy)]
            .map(|(state, count)| (Some(("state", state)), f64::from(count).into())),
    );
    families.histogram(
        "database_group_writes",
        "Writes in one transaction.",
        &database.group_size,
        1.0,
    );
    families.histogram(
        "database_commit_seconds",
        "From the start of a transaction to the end of its commit.",
        &database.commit_micros,
        MICROS,
    );
    families.histogram(
        "database_read_seconds",
        "What a read takes.",
        &database.read_micros,
        MICROS,
    );
    size(families, database.size.as_ref());
}

fn size(families: &mut Families, size: Option<&SizePart>) {
    let Some(size) = size else {
        return;
    };
    families.gauge(
        "database_bytes",
        "Bytes of the tables and indexes, free space in them included; asked once a minute.",
        size.bytes,
    );
    families.gauges(
        "database_free_bytes",
        "Bytes of them that nothing uses; not of PostgreSQL.",
        size.free_bytes.map(|bytes| (None, bytes.into())),
    );
    families.gauge(
        "messages_waiting",
        "Messages that are stored and not acknowledged: counted in SQLite, estimated by the servers.",
        size.messages,
    );
    families.gauges(
        "oldest_message_seconds",
        "How long the oldest of them has been stored.",
        size.oldest_message_seconds
            .map(|seconds| (None, seconds.into())),
    );
}

fn others(families: &mut Families, status: &Status) {
    let sessions = [
        ("http", status.sessions.http),
        ("lost_socket", status.sessions.lost),
    ];
    families.gauges(
        "sessions",
        "Sessions that are kept.",
        sessions.map(|(kind, count)| (Some(("kind", kind)), count.into())),
    );
    families.counter(
        "replays_refused_total",
        "Requests and frames that had come before.",
        status.sessions.replays_refused,
    );
    let payments = &status.payments;
    let outcomes = [
        ("checked", payments.checked),
        ("refused", payments.refused),
        ("given_up", payments.given_up),
    ];
    families.counters(
        "payments_total",
        "Payments, by what became of them.",
        outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count.into())),
    );
    if let Some(push) = &status.push {
        families.gauge(
            "push_pending",
            "Notifications that wait or are under way.",
            push.pending,
        );
        let outcomes = [
            ("sent", push.sent),
            ("retried", push.retried),
            ("dead_token", push.dead_tokens),
            ("failed", push.failed),
            ("refused", push.refused),
            ("dropped", push.dropped),
        ];
        families.counters(
            "push_notifications_total",
            "Notifications, by what became of them.",
            outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count.into())),
        );
    }
    if let Some(process) = &status.process {
        // These have the names that every program's have.
        families.gauge(
            "=process_resident_memory_bytes",
            "Memory of the process.",
            process.resident_bytes,
        );
        families.counter(
            "=process_cpu_seconds_total",
            "Time of processors that the process has taken.",
            process.cpu_seconds,
        );
        families.gauge(
            "=process_threads",
            "Threads of the process.",
            process.threads,
        );
        families.gauge(
            "=process_open_fds",
            "Open files and connections of the process.",
            process.open_files,
        );
    }
}
