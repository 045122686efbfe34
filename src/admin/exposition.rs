//! The metrics, in the text format of Prometheus: a row for each, which reads the status. Labels are words of the program: no
//! identities, rooms or addresses.

use std::collections::BTreeMap;

use prometheus::{Encoder as _, TextEncoder};

use crate::authsocket::EventCounts;
use crate::cluster::{ClusterStatus, NonceStatus};
use crate::db::{DbMeasures, DbStatus, DiskSpace, StoredTotals, TotalsOfRole};
use crate::delivery::PaymentCounts;
use crate::health::CAUSES;
use crate::metrics::RequestCounts;
use crate::model::StoredSize;
use crate::push::PushStatus;

use super::families::{Family, MICROS, Number as _, Samples, add, counter, gauge, histogram};
use super::process::ProcessUsage;
use super::status::{
    ClusterPart, Responding, RoomsAnswer, RoomsPart, ServerPart, ServerStatus, SocketsPart,
};

/// The format's media type.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// All metrics of a status, as text.
#[must_use]
pub fn exposition(status: &ServerStatus) -> Vec<u8> {
    let mut found = Vec::new();
    add(&mut found, SERVER, status);
    add(&mut found, READINESS, &status.server);
    add(&mut found, SOCKETS, &status.sockets);
    if let RoomsAnswer::Answered(rooms) = &status.rooms {
        add(&mut found, ROOMS, rooms);
    }
    add(&mut found, EVENTS, &status.events.counts);
    add(&mut found, HTTP, &status.http.counts);
    add(&mut found, DATABASE, &status.database.counts);
    add(&mut found, MEASURES, &status.database.measures);
    if let Some(size) = &status.database.size {
        add(&mut found, SIZE, size);
    }
    if let Some(totals) = &status.database.stored_totals {
        add(&mut found, TOTALS, totals);
    }
    if let Some(disk) = &status.database.disk {
        add(&mut found, DISK, disk);
    }
    add(&mut found, PAYMENTS, &status.payments);
    if let Some(push) = &status.push {
        add(&mut found, PUSH, push);
    }
    if let Some(process) = &status.process {
        add(&mut found, PROCESS, process);
    }
    if let Some(cluster) = &status.cluster {
        add(&mut found, NODES, cluster);
        add(&mut found, CLUSTER, &cluster.events);
        if let Some(nonces) = &cluster.nonces {
            add(&mut found, NONCES, nonces);
        }
    }
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&found, &mut text) {
        log::error!("cannot encode the metrics: {error}");
    }
    text
}

#[rustfmt::skip]
const SERVER: &[Family<ServerStatus>] = &[
    gauge("build_info", "Always 1; the label has the version of the program.", |status, out| out.each("version", [(status.server.version, true)])),
    gauge("uptime_seconds", "Seconds since the server started.", |status, out| out.one(status.server.uptime_seconds)),
    gauge("draining", "Whether the server is shutting down.", |status, out| out.one(status.server.draining)),
    gauge("actor_up", "Whether an actor answers in time.", |status, out| {
        out.each("actor", [
            ("rooms", matches!(status.rooms, RoomsAnswer::Answered(_))),
            ("database", status.database.executor == Responding::Answers),
            ("health", status.server.ready.is_some()),
        ]);
    }),
    counter("panics_total", "Panics since the start.", |status, out| out.one(status.panics)),
    counter("handshakes_total", "Completed handshakes, by transport.", |status, out| {
        out.each("transport", [("http", status.handshakes.http), ("socket", status.handshakes.sockets)]);
    }),
    gauge("sessions", "Sessions in memory, by kind.", |status, out| {
        out.each("kind", [("http", status.sessions.http), ("lost_socket", status.sessions.lost)]);
    }),
    counter("replays_refused_total", "Replayed requests and frames that were refused.", |status, out| out.one(status.sessions.replays_refused)),
    counter("admission_refused_total", "Refusals for lack of capacity, by resource and by reason: own_share (of an identity, an address or a socket) or all.", |status, out| nested(out, ["resource", "reason"], &status.refusals)),
];

#[rustfmt::skip]
const READINESS: &[Family<ServerPart>] = &[
    gauge("ready", "Checks that the server cannot work without: 1 passes, 0 fails, and /readyz answers 503.", |server, out| {
        let (Some(ready), Some(not_ready)) = (&server.ready, &server.not_ready) else { return };
        let needed = ready.iter().filter(|check| !server.optional.contains(check));
        out.each("check", needed.map(|check| (check, true)));
        out.each("check", not_ready.iter().map(|check| (check, false)));
    }),
    gauge("degraded", "Whether the server is degraded, by cause: 1 if that cause is present, else 0.", |server, out| {
        let Some(degraded) = &server.degraded else { return };
        out.each("cause", CAUSES.map(|cause| (cause, degraded.contains(&cause))));
    }),
];

#[rustfmt::skip]
const SOCKETS: &[Family<SocketsPart>] = &[
    gauge("sockets", "Open sockets, by authentication: proven or unproven.", |sockets, out| out.each("state", [("proven", sockets.proven), ("unproven", sockets.unproven)])),
    gauge("socket_transports", "Open sockets, by transport.", |sockets, out| out.each("transport", [("websocket", sockets.websocket), ("polling", sockets.polling)])),
    gauge("sockets_max", "Maximum number of sockets.", |sockets, out| out.one(sockets.max)),
    gauge("socket_identities", "Identities with open sockets.", |sockets, out| out.one(sockets.identities)),
    gauge("connections", "Open TCP connections of addresses with limits.", |sockets, out| out.one(sockets.counted_connections)),
    counter("sockets_opened_total", "Sockets opened.", |sockets, out| out.one(sockets.opened)),
    counter("sockets_ended_total", "Sockets closed, by reason.", |sockets, out| out.each("reason", copied(&sockets.ended))),
    gauge("outbound_bytes", "Bytes in the outbound buffers of all sockets.", |sockets, out| out.one(sockets.outbound_bytes)),
    gauge("outbound_memory_bytes", "Memory of all outbound buffers in bytes; shared frames count once.", |sockets, out| out.one(sockets.outbound_memory_bytes)),
    gauge("outbound_largest_bytes", "Largest outbound buffer of any socket, in bytes.", |sockets, out| out.one(sockets.largest_outbound_bytes)),
];

#[rustfmt::skip]
const ROOMS: &[Family<RoomsPart>] = &[
    gauge("rooms", "Rooms with members that joined by joinRoom.", |rooms, out| out.one(rooms.counts.rooms)),
    gauge("room_members", "Sockets that are members of rooms.", |rooms, out| out.one(rooms.counts.members)),
    counter("room_events_total", "Events published to a room with members.", |rooms, out| out.one(rooms.counts.published)),
    counter("deliveries_total", "Events handed to members.", |rooms, out| out.one(rooms.counts.deliveries)),
    counter("lagging_members_total", "Members disconnected as slow consumers.", |rooms, out| out.one(rooms.counts.lagging)),
    counter("events_too_large_total", "Events not delivered live: too large, or in a room whose name clients cannot parse.", |rooms, out| out.one(rooms.counts.too_large)),
    gauge("rooms_answer_seconds", "Time until the room registry answered, which grows with its mailbox.", |rooms, out| out.one(rooms.answer_micros.float() / MICROS)),
];

#[rustfmt::skip]
const EVENTS: &[Family<EventCounts>] = &[
    counter("events_received_total", "Verified events from sockets, by name.", |events, out| out.each("event", events.events.get())),
    counter("events_answered_total", "Events sent in reply to another.", |events, out| out.one(events.answers.get())),
    counter("messages_acknowledged_total", "Messages from sockets that were stored and acknowledged.", |events, out| out.one(events.acks.get())),
    counter("messages_refused_total", "Messages from sockets that were refused, by reason.", |events, out| out.each("reason", events.failures.get())),
    counter("auth_frames_refused_total", "Auth messages from sockets that were refused.", |events, out| out.one(events.refused.get())),
    counter("auth_frames_held_total", "Frames from sockets that were held until the authentication completed.", |events, out| out.one(events.held.get())),
    gauge("frames_waiting", "Frames queued until the clients of their sockets can verify them.", |events, out| out.one(events.waiting.get())),
    counter("deliveries_dropped_total", "Events not delivered live because too many were queued for a slow client; lists have them.", |events, out| out.one(events.dropped.get())),
    histogram("message_answer_seconds", "Time from a message on a socket to its ack.", |events, out| out.distribution(&events.answer_time.get(), MICROS)),
];

#[rustfmt::skip]
const HTTP: &[Family<RequestCounts>] = &[
    counter("http_requests_total", "HTTP requests answered, by route and status class.", |http, out| {
        for ((route, status), count) in http.answered.get() {
            out.labelled(&[("route", route), ("status", status)], count);
        }
    }),
    counter("http_failures_total", "HTTP requests that failed, by error code.", |http, out| out.each("code", http.failures.get())),
    counter("connection_errors_total", "Connections that ended by an error of the client, by kind: tls (a TLS handshake on a plain port), bad_request, head_too_large, timeout, disconnected.", |http, out| out.each("kind", http.connection_errors.get())),
    histogram("http_request_seconds", "Time from a request to its answer, Engine.IO excluded.", |http, out| out.distribution(&http.time.get(), MICROS)),
    histogram("worker_delay_seconds", "Lateness of workers for a timer of 5 ms.", |http, out| out.distribution(&http.worker_delay.get(), MICROS)),
    gauge("worker_delay_max_seconds", "Longest delay of any worker since the start.", |http, out| out.one(http.worker_delay.get().max.float() / MICROS)),
    histogram("worker_busy_seconds", "CPU time that the worker itself used during such a delay: about that of its longest task.", |http, out| out.distribution(&http.worker_busy.get(), MICROS)),
    gauge("worker_busy_max_seconds", "Longest such CPU time of any worker since the start.", |http, out| out.one(http.worker_busy.get().max.float() / MICROS)),
    counter("oversized_messages_total", "Messages that a list only named because they are larger than a page; each list counts them again.", |http, out| out.one(http.oversized.get())),
];

#[rustfmt::skip]
const DATABASE: &[Family<DbStatus>] = &[
    gauge("database_queued_writes", "Queued writes.", |database, out| out.one(database.queued_writes)),
    counter("database_commits_total", "Transactions committed.", |database, out| out.one(database.commits)),
    counter("database_writes_total", "Writes in committed transactions.", |database, out| out.one(database.writes)),
    counter("messages_stored_total", "Messages stored.", |database, out| out.one(database.stored)),
    counter("database_write_failures_total", "Failed writes.", |database, out| out.one(database.failures)),
];

#[rustfmt::skip]
const MEASURES: &[Family<DbMeasures>] = &[
    gauge("database_reads", "Reads queued or in progress.", |database, out| out.one(database.reads)),
    gauge("database_undelivered_messages", "Stored messages not yet handed to their rooms.", |database, out| out.one(database.undelivered)),
    gauge("database_connections", "Connections of the pool, by state.", |database, out| {
        let (all, idle) = (database.connections, database.idle_connections);
        out.each("state", [("idle", idle), ("busy", all.saturating_sub(idle))]);
    }),
    histogram("database_group_writes", "Writes per transaction.", |database, out| out.distribution(&database.group_sizes, 1.0)),
    histogram("database_commit_seconds", "Time from the start of a transaction to the end of its commit.", |database, out| out.distribution(&database.commit_time, MICROS)),
    histogram("database_read_seconds", "Duration of a read.", |database, out| out.distribution(&database.read_time, MICROS)),
];

#[rustfmt::skip]
const SIZE: &[Family<StoredSize>] = &[
    gauge("database_bytes", "Bytes of tables and indexes, free space included; measured once a minute.", |size, out| out.one(size.bytes)),
    gauge("database_free_bytes", "Unused bytes of tables and indexes; PostgreSQL has no such figure.", |size, out| out.some(size.free_bytes)),
    gauge("messages_waiting", "Messages stored and not acknowledged: counted in SQLite, estimated by database servers.", |size, out| out.one(size.messages)),
    gauge("oldest_message_seconds", "Age of the oldest stored message.", |size, out| out.some(size.oldest_message.map(|age| age.as_secs_f64()))),
];

#[rustfmt::skip]
const TOTALS: &[Family<StoredTotals>] = &[
    gauge("stored_messages", "Stored messages, counted by recipient (inbox) and by sender.", |totals, out| roles(totals, out, |role| role.messages)),
    gauge("stored_bytes", "Bytes of stored message bodies.", |totals, out| roles(totals, out, |role| role.bytes)),
    gauge("stored_identities", "Identities with stored messages.", |totals, out| roles(totals, out, |role| role.identities)),
    gauge("stored_messages_max", "Most stored messages of one identity, as recipient (inbox) or sender.", |totals, out| roles(totals, out, |role| role.most_messages)),
    gauge("stored_bytes_max", "Most bytes of stored message bodies of one identity.", |totals, out| roles(totals, out, |role| role.most_bytes)),
    gauge("over_quota_identities", "Identities over their quota.", |totals, out| roles(totals, out, |role| role.over)),
];

#[rustfmt::skip]
const DISK: &[Family<DiskSpace>] = &[
    gauge("database_disk_free_bytes", "Free bytes on the disk of the database file.", |disk, out| out.one(disk.free_bytes)),
    gauge("database_disk_min_free_bytes", "Free bytes below which the server refuses messages.", |disk, out| out.one(disk.min_free_bytes)),
];

#[rustfmt::skip]
const PAYMENTS: &[Family<PaymentCounts>] = &[
    counter("payments_total", "Payments that passed (checked) or failed (refused) their check; given_up: passed but bought nothing, so counted twice.", |payments, out| {
        out.each("outcome", [("checked", payments.checked.get()), ("refused", payments.refused.get()), ("given_up", payments.given_up.get())]);
    }),
];

#[rustfmt::skip]
const PUSH: &[Family<PushStatus>] = &[
    gauge("push_pending", "Push notifications queued or in flight.", |push, out| out.one(push.pending)),
    counter("push_notifications_total", "Push notifications, by outcome.", |push, out| {
        out.each("outcome", [("sent", push.sent), ("retried", push.retried), ("dead_token", push.dead_tokens), ("failed", push.failed), ("refused", push.refused), ("dropped", push.dropped)]);
    }),
];

#[rustfmt::skip]
const PROCESS: &[Family<ProcessUsage>] = &[
    gauge("process_resident_memory_bytes", "Resident memory of the process.", |process, out| out.one(process.resident_bytes)),
    counter("process_cpu_seconds_total", "CPU time of the process.", |process, out| out.one(process.cpu_seconds)),
    gauge("process_threads", "Threads of the process.", |process, out| out.one(process.threads)),
    gauge("process_open_fds", "Open files and connections of the process.", |process, out| out.one(process.open_files)),
];

#[rustfmt::skip]
const NODES: &[Family<ClusterPart>] = &[
    gauge("cluster_connected", "Whether Redis answers, by use.", |cluster, out| {
        out.each("kind", [("events", cluster.events.connected)]);
        out.each("kind", cluster.nonces.map(|nonces| ("nonces", nonces.connected)));
    }),
    gauge("cluster_peers", "Other nodes of the last 10 minutes, by state: present or silent.", |cluster, out| {
        let present = cluster.peers.iter().filter(|peer| peer.present).count();
        out.each("state", [("present", present), ("silent", cluster.peers.len() - present)]);
    }),
];

#[rustfmt::skip]
const CLUSTER: &[Family<ClusterStatus>] = &[
    counter("cluster_reconnects_total", "Reconnections to Redis for events.", |events, out| out.one(events.reconnects)),
    counter("cluster_events_total", "Room events between nodes, by outcome.", |events, out| {
        out.each("outcome", [
            ("published", events.published),
            ("received", events.received),
            ("delivered", events.delivered),
            ("refused", events.refused),
            ("dropped", events.dropped),
            ("lost", events.lost),
            ("caught_up", events.caught_up),
        ]);
    }),
];

#[rustfmt::skip]
const NONCES: &[Family<NonceStatus>] = &[
    counter("cluster_nonces_total", "Nonces of requests, by Redis's answer.", |nonces, out| {
        out.each("outcome", [("checked", nonces.checked), ("repeated", nonces.repeated), ("unchecked", nonces.unchecked), ("forgotten", nonces.forgotten)]);
    }),
    gauge("cluster_nonces_waiting", "Nonces queued until Redis answers again.", |nonces, out| out.one(nonces.waiting)),
];

fn copied<'a>(
    counts: &'a BTreeMap<&'static str, u64>,
) -> impl Iterator<Item = (&'static str, u64)> + 'a {
    counts.iter().map(|(word, count)| (*word, *count))
}

fn nested(
    out: &mut Samples,
    [first, second]: [&'static str; 2],
    counts: &BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
) {
    for (one, counts) in counts {
        for (other, count) in counts {
            out.labelled(&[(first, one), (second, other)], *count);
        }
    }
}

fn roles(totals: &StoredTotals, out: &mut Samples, value: fn(&TotalsOfRole) -> i64) {
    let (inbox, sender) = (value(&totals.inboxes), value(&totals.senders));
    out.each("role", [("inbox", inbox), ("sender", sender)]);
}
