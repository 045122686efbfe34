//! What the `OpenAPI` document says of one route.

use utoipa::openapi::HttpMethod;
use utoipa::openapi::tag::{Tag, TagBuilder};

use super::schemas::SchemaOf;
use super::shared_failures::FailureRow;

/// Topics that group the routes.
pub(super) const MESSAGES: &str = "Messages";
pub(super) const PERMISSIONS: &str = "Permissions and fees";
pub(super) const DEVICES: &str = "Devices";
pub(super) const SESSIONS: &str = "Sessions";
pub(super) const SERVER: &str = "Server";
pub(super) const ADMIN: &str = "Administration";

/// In the order in which a reader needs them.
#[rustfmt::skip]
const TOPICS: [(&str, &str); 6] = [
    (MESSAGES, "Send, list and acknowledge messages."),
    (PERMISSIONS, "What recipients charge senders, and what a message costs."),
    (DEVICES, "Devices that receive push notifications."),
    (SESSIONS, "The handshake that every signed request needs (BRC-103, BRC-104)."),
    (SERVER, "What the server is, and whether it works."),
    (ADMIN, "For admins: by token, or signed with an admin's key."),
];

/// All topics with their descriptions.
pub(super) fn tags() -> Vec<Tag> {
    let tag = |(name, description): (&str, &str)| {
        let tag = TagBuilder::new().name(name);
        tag.description(Some(description)).build()
    };
    TOPICS.map(tag).to_vec()
}

/// Who may use a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteAccess {
    /// Anybody who signs requests (BRC-104).
    Signed,
    /// Callers with the operator's key.
    MigrateKey,
    /// Admins: by token, by signature, or from the server's machine.
    Admin,
    Open,
}

/// A parameter of a query: its name, whether it is required, and its description.
pub(super) type Parameter = (&'static str, bool, &'static str);

/// A route. Each path has one method.
pub(super) struct RouteDoc {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    /// The name of the function in generated clients.
    pub(super) name: &'static str,
    pub(super) topic: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: RouteAccess,
    pub(super) body: Option<SchemaOf>,
    pub(super) parameters: &'static [Parameter],
    pub(super) reply: SchemaOf,
    pub(super) failures: &'static [FailureRow],
}

impl RouteDoc {
    pub(super) const fn new(
        method: HttpMethod,
        path: &'static str,
        name: &'static str,
        topic: &'static str,
        reply: SchemaOf,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            name,
            topic,
            summary,
            access: RouteAccess::Signed,
            body: None,
            parameters: &[],
            reply,
            failures: &[],
        }
    }

    pub(super) const fn access(mut self, access: RouteAccess) -> Self {
        self.access = access;
        self
    }

    pub(super) const fn body(mut self, body: SchemaOf) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) const fn query(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    pub(super) const fn fails(mut self, failures: &'static [FailureRow]) -> Self {
        self.failures = failures;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::docs::{admin_operations, operations};
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_topic_that_is_described() {
        let all = || operations::ROUTES.iter().chain(admin_operations::ROUTES);
        let distinct: BTreeSet<&str> = all().map(|route| route.name).collect();
        let paths: BTreeSet<&str> = all().map(|route| route.path).collect();
        assert_eq!(distinct.len(), all().count(), "{distinct:?}");
        assert_eq!(paths.len(), all().count(), "{paths:?}");
        for RouteDoc { name, topic, .. } in all() {
            let is_word = name.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_word && name.starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(TOPICS.iter().any(|(known, _)| known == topic), "{topic}");
        }
    }
}
