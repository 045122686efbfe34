//! Reading a request's query.

use actix_web::web;

use crate::http::error::ApiError;
use crate::ids::IdentityKey;
use crate::js_trim::{is_js_blank, js_trim};

/// The parameters of a query, in their order.
pub(in crate::http) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind `?`.
    pub(in crate::http) fn parse(text: &str) -> Self {
        // Any text is a query of some kind; what cannot be read has no parameters.
        let read = web::Query::<Vec<(String, String)>>::from_query(text);
        Self(read.map(web::Query::into_inner).unwrap_or_default())
    }

    /// The values of a parameter, blank ones too.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter under any of its names; none where it is blank.
    pub(in crate::http) fn first(&self, names: &[&str]) -> Option<&str> {
        let mut values = names.iter().flat_map(|name| self.all(name));
        values.find(|value| !is_js_blank(value))
    }

    /// The box: clients in use spell the parameter in two ways.
    pub(super) fn message_box(&self) -> Option<&str> {
        self.first(&["messageBox", "message_box"]).map(js_trim)
    }

    /// The sender whom it is about, if it names one.
    pub(super) fn sender(&self) -> Result<Option<IdentityKey>, ApiError> {
        self.first(&["sender"]).map(sender_key).transpose()
    }
}

/// Reads a sender's key.
pub(super) fn sender_key(text: &str) -> Result<IdentityKey, ApiError> {
    let invalid = |_| {
        ApiError::bad_request(
            "ERR_INVALID_PUBLIC_KEY",
            "Invalid sender public key format.",
        )
    };
    js_trim(text).parse().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_under_any_of_their_names() {
        let query = Query::parse("recipient=a&recipient=&recipient=b%20c&message_box=+x+");
        assert_eq!(query.all("recipient").collect::<Vec<_>>(), ["a", "", "b c"]);
        assert_eq!(query.message_box(), Some("x"));
        assert_eq!(Query::parse("messageBox=%20").message_box(), None);
        assert_eq!(Query::parse("").sender(), Ok(None));
        assert_eq!(
            Query::parse("sender=7").sender().unwrap_err().code,
            "ERR_INVALID_PUBLIC_KEY"
        );
        assert_eq!(Query::parse("%ff&=&&a").first(&["a"]), None);
    }
}
