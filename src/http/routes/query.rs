//! Reads the query of a request.

use std::ops::RangeInclusive;

use actix_web::web;

use crate::http::error::ApiError;
use crate::ids::IdentityKey;
use crate::js_trim::{is_js_blank, js_trim};

/// The parameters of a query, in order.
pub(in crate::http) struct RequestQuery(Vec<(String, String)>);

impl RequestQuery {
    /// Reads the part behind `?`. A text that cannot be read has no parameters.
    pub(in crate::http) fn parse(text: &str) -> Self {
        let read = web::Query::<Vec<(String, String)>>::from_query(text);
        Self(read.map(web::Query::into_inner).unwrap_or_default())
    }

    /// The values of a parameter, blank ones too.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// The first value that is not blank, of a parameter under any of its names.
    pub(in crate::http) fn first(&self, names: &[&str]) -> Option<&str> {
        let mut values = names.iter().flat_map(|name| self.all(name));
        values.find(|value| !is_js_blank(value))
    }

    /// A parameter that is a whole number within bounds.
    pub(in crate::http) fn number(
        &self,
        name: &str,
        bounds: RangeInclusive<i64>,
        default: i64,
        code: &'static str,
    ) -> Result<i64, ApiError> {
        let Some(text) = self.first(&[name]) else {
            return Ok(default);
        };
        let number = text.trim().parse().ok();
        number.filter(|it| bounds.contains(it)).ok_or_else(|| {
            let (least, most) = bounds.into_inner();
            let description = format!("{name} must be a number between {least} and {most}");
            ApiError::bad_request(code, description)
        })
    }

    /// The box. Clients in use spell the parameter in two ways.
    pub(super) fn message_box(&self) -> Option<&str> {
        self.first(&["messageBox", "message_box"]).map(js_trim)
    }

    /// The sender, if the query names one.
    pub(super) fn sender(&self) -> Result<Option<IdentityKey>, ApiError> {
        self.first(&["sender"]).map(sender_key).transpose()
    }
}

/// Reads a sender's key.
pub(super) fn sender_key(text: &str) -> Result<IdentityKey, ApiError> {
    js_trim(text).parse().map_err(|_| {
        ApiError::bad_request(
            "ERR_INVALID_PUBLIC_KEY",
            "Invalid sender public key format.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_under_any_of_their_names() {
        let query = RequestQuery::parse("recipient=a&recipient=&recipient=b%20c&message_box=+x+");
        assert_eq!(query.all("recipient").collect::<Vec<_>>(), ["a", "", "b c"]);
        assert_eq!(query.message_box(), Some("x"));
        assert_eq!(RequestQuery::parse("messageBox=%20").message_box(), None);
        assert_eq!(RequestQuery::parse("").sender(), Ok(None));
        assert_eq!(
            RequestQuery::parse("sender=7").sender().unwrap_err().code,
            "ERR_INVALID_PUBLIC_KEY"
        );
        assert_eq!(RequestQuery::parse("%ff&=&&a").first(&["a"]), None);
    }
}
