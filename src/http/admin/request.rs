//! A request to a route of admins: its path, its method and its query.

use actix_web::HttpRequest;

use crate::http::error::ApiError;
use crate::http::routes::query::RequestQuery;
use crate::ids::IdentityKey;

pub(super) const METRICS: &str = "/metrics";
/// Leads to the dashboard.
pub(super) const FOLDER: &str = "/admin";
/// The dashboard. It holds no data and asks for a token, so where there are admins anybody may load it.
pub(super) const DASHBOARD: &str = "/admin/";

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1_000;

/// Permissions that may be skipped.
const MAX_OFFSET: i64 = 100_000;

pub(super) struct AdminRequest<'a> {
    /// Without the routing prefix.
    pub(super) path: &'a str,
    pub(super) method: &'a str,
    query: RequestQuery,
}

impl<'a> AdminRequest<'a> {
    /// None for paths outside of the admin area.
    pub(super) fn of(request: &'a HttpRequest, prefix: &str) -> Option<Self> {
        let path = request.path();
        let path = path.strip_prefix(prefix).unwrap_or(path);
        let is_ours = path.starts_with(DASHBOARD) || [FOLDER, METRICS].contains(&path);
        is_ours.then(|| Self {
            path,
            method: request.method().as_str(),
            query: RequestQuery::parse(request.query_string()),
        })
    }

    /// A parameter of the query; none where it is blank.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.first(&[name])
    }

    /// A parameter of the query, or the empty text.
    pub(super) fn text(&self, name: &str) -> String {
        self.parameter(name).unwrap_or_default().to_owned()
    }

    /// A parameter that is an identity key.
    pub(super) fn key(&self, name: &str) -> Result<Option<IdentityKey>, ApiError> {
        self.parameter(name).map(key).transpose()
    }

    /// Whether identities are shown in full, and addresses too.
    pub(super) fn is_full(&self) -> bool {
        self.parameter("full") == Some("true")
    }

    /// Shortens identity keys unless they are shown in full.
    pub(super) fn shown(&self, text: &str) -> String {
        if self.is_full() {
            text.to_owned()
        } else {
            crate::admin::shorten(text)
        }
    }

    /// How many entries of a list are shown.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let limit =
            self.query
                .number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT, "ERR_INVALID_LIMIT")?;
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// How many entries of a list are skipped.
    pub(super) fn offset(&self) -> Result<i64, ApiError> {
        self.query
            .number("offset", 0..=MAX_OFFSET, 0, "ERR_INVALID_OFFSET")
    }
}

/// One entry more than a page: it shows whether there is another page.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Cuts a list to a page. Returns the page's last entry if more follow.
pub(super) fn cut<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let is_cut = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| is_cut)
}

/// Reads an identity key from a path or a query.
pub(super) fn key(text: &str) -> Result<IdentityKey, ApiError> {
    text.trim().parse().map_err(|_| {
        ApiError::bad_request(
            "ERR_INVALID_IDENTITY",
            "An identity is a public key in hexadecimal.",
        )
    })
}
