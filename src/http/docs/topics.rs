//! Topics that the operations are grouped by, and the names that generated clients call them by.

use utoipa::openapi::HttpMethod;
use utoipa::openapi::tag::{Tag, TagBuilder};

use super::operations::{Access, Operation};

const MESSAGES: &str = "Messages";
const PERMISSIONS: &str = "Permissions and fees";
const DEVICES: &str = "Devices";
const SESSIONS: &str = "Sessions";
const SERVER: &str = "Server";
const ADMIN: &str = "Administration";

/// In the order in which a reader needs them.
const TOPICS: [(&str, &str); 6] = [
    (MESSAGES, "Send, list and acknowledge messages."),
    (
        PERMISSIONS,
        "What recipients ask of senders, and what a message costs.",
    ),
    (DEVICES, "Devices that get push notifications."),
    (
        SESSIONS,
        "The handshake that every signed request needs (BRC-103, BRC-104).",
    ),
    (SERVER, "What the server is, and whether it works."),
    (
        ADMIN,
        "For admins: by token, or signed with an admin's key.",
    ),
];

/// Path, name and topic; each path has one method.
#[rustfmt::skip]
const NAMES: &[(&str, &str, &str)] = &[
    ("/sendMessage", "sendMessage", MESSAGES),
    ("/listMessages", "listMessages", MESSAGES),
    ("/acknowledgeMessage", "acknowledgeMessage", MESSAGES),
    ("/registerDevice", "registerDevice", DEVICES),
    ("/devices", "listDevices", DEVICES),
    ("/permissions/set", "setPermission", PERMISSIONS),
    ("/permissions/get", "getPermission", PERMISSIONS),
    ("/permissions/list", "listPermissions", PERMISSIONS),
    ("/permissions/quote", "getQuote", PERMISSIONS),
    ("/.well-known/auth", "exchangeAuthMessage", SESSIONS),
    ("/info", "getInfo", SERVER),
    ("/healthz", "getHealth", SERVER),
    ("/health", "getHealthAlias", SERVER),
    ("/readyz", "getReadiness", SERVER),
    ("/ready", "getReadinessAlias", SERVER),
    ("/admin/migrate", "migrateDatabase", ADMIN),
    ("/admin/status", "getStatus", ADMIN),
    ("/admin/history", "getHistory", ADMIN),
    ("/admin/rooms", "listRooms", ADMIN),
    ("/admin/rooms/{id}", "getRoom", ADMIN),
    ("/admin/sockets", "listSockets", ADMIN),
    ("/admin/sockets/{sid}", "getSocket", ADMIN),
    ("/admin/sockets/{sid}/disconnect", "disconnectSocket", ADMIN),
    ("/admin/identities/{key}/disconnect", "disconnectIdentity", ADMIN),
    ("/admin/drain", "drainServer", ADMIN),
    ("/admin/log-level", "setLogLevel", ADMIN),
];

/// All topics, described.
pub(super) fn tags() -> Vec<Tag> {
    let tag = |(name, says): (&str, &str)| {
        let tag = TagBuilder::new().name(name);
        tag.description(Some(says)).build()
    };
    TOPICS.map(tag).to_vec()
}

/// The name and the topic of an operation.
pub(super) fn named(operation: &Operation) -> (String, &'static str) {
    let known = NAMES.iter().find(|(path, ..)| *path == operation.path);
    if let Some((_, name, topic)) = known {
        return ((*name).to_owned(), topic);
    }
    let topic = match operation.access {
        Access::Admin | Access::MigrateKey => ADMIN,
        Access::Signed => MESSAGES,
        Access::Open => SERVER,
    };
    (made_of_path(operation), topic)
}

/// `getAdminThings` for `GET /admin/things`.
fn made_of_path(operation: &Operation) -> String {
    let method = match operation.method {
        HttpMethod::Get => "get",
        _ => "post",
    };
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = method.to_owned();
    for word in words.filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::docs::operations::OPERATIONS;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_topic_that_is_described() {
        let all: Vec<_> = OPERATIONS.iter().map(named).collect();
        let distinct: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(distinct.len(), OPERATIONS.len(), "{distinct:?}");
        for (name, topic) in &all {
            let is_word = name.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_word && name.starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(TOPICS.iter().any(|(known, _)| known == topic), "{topic}");
        }
        for (path, ..) in NAMES {
            let is_there = |operation: &&Operation| operation.path == *path;
            assert_eq!(OPERATIONS.iter().filter(is_there).count(), 1, "{path}");
        }
        let drain = OPERATIONS.iter().find(|it| it.path == "/admin/log-level");
        assert_eq!(made_of_path(drain.unwrap()), "postAdminLogLevel");
    }
}
