//! The address of a server, and the URLs of its endpoints.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use thiserror::Error;

/// A server's address, such as `http://localhost:8080` or `https://host/api`.
///
/// A path is a prefix of the MessageBox routes only. The handshake and Socket.IO stay at the root, as in the published
/// clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Scheme and authority, without a trailing slash.
    origin: String,
    /// The path without a trailing slash. Empty if there is none.
    prefix: String,
}

/// The text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected an address such as http://localhost:8080")]
pub struct AddressError;

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| AddressError)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError);
        }
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

impl ServerAddress {
    /// The host name or IP address. IPv6 addresses have no brackets.
    #[must_use]
    pub fn host(&self) -> String {
        let url = Url::parse(&self.origin).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        bare.unwrap_or(host).to_owned()
    }

    /// The TCP port, or the default of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        let url = Url::parse(&self.origin).ok();
        let port = url.and_then(|url| url.port_or_known_default());
        port.unwrap_or_default()
    }

    /// Whether the client encrypts connections and verifies the server's TLS certificate.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The target of a MessageBox route in the request line.
    pub(super) fn target(&self, route: &str) -> String {
        format!("{}{route}", self.prefix)
    }

    /// The URL of a target at the root.
    pub(super) fn url(&self, target: &str) -> String {
        format!("{}{target}", self.origin)
    }

    /// The URL of Socket.IO over long-polling.
    pub(super) fn polling_url(&self) -> String {
        self.url("/socket.io/?EIO=4&transport=polling")
    }

    /// The URL of Socket.IO over a websocket.
    pub(super) fn websocket_url(&self) -> String {
        // `http` becomes `ws`, `https` becomes `wss`.
        let rest = self.origin.strip_prefix("http").unwrap_or_default();
        format!("ws{rest}/socket.io/?EIO=4&transport=websocket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_server_are_found_from_its_address() {
        let plain: ServerAddress = "http://localhost:8080/".parse().unwrap();
        assert_eq!(plain.to_string(), "http://localhost:8080");
        assert_eq!(
            plain.websocket_url(),
            "ws://localhost:8080/socket.io/?EIO=4&transport=websocket"
        );
        assert_eq!(plain.target("/sendMessage"), "/sendMessage");
        let prefixed: ServerAddress = "https://host/api/".parse().unwrap();
        assert_eq!(prefixed.target("/sendMessage"), "/api/sendMessage");
        assert_eq!(
            prefixed.url("/.well-known/auth"),
            "https://host/.well-known/auth"
        );
        assert_eq!(
            prefixed.polling_url(),
            "https://host/socket.io/?EIO=4&transport=polling"
        );
        assert_eq!((prefixed.host().as_str(), prefixed.port()), ("host", 443));
        assert!(prefixed.is_https() && !plain.is_https());
        let ipv6: ServerAddress = "http://[::1]:3000".parse().unwrap();
        assert_eq!((ipv6.host().as_str(), ipv6.port()), ("::1", 3000));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "localhost:8080", "ws://host", "file:///tmp", "http://"] {
            assert_eq!(text.parse::<ServerAddress>(), Err(AddressError), "{text}");
        }
    }
}
