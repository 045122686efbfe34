//! Engine.IO v4: packets, payloads, handshake, heartbeat, upgrade and outbox, without I/O.
