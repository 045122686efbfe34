//! What admins change about the server as a whole: its log level, and whether it runs.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::telemetry;

use super::request::AdminRequest;
use super::state::AdminState;

/// The server shuts down.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Accepted {
    draining: bool,
}

/// The log filter from now on.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LogLevel {
    /// A filter such as `info` or `messagebox=debug`.
    level: String,
}

/// Shuts the server down, as SIGTERM does.
pub(super) fn drain(admin: &AdminState) -> RouteReply {
    log::info!("an admin shuts the server down");
    admin.drain.notify_one();
    RouteReply::success(&Accepted { draining: true })
}

/// Sets the log filter until the server ends.
pub(super) fn log_level(request: &AdminRequest<'_>) -> Result<RouteReply, ApiError> {
    let wrong = || {
        ApiError::bad_request(
            "ERR_INVALID_LOG_LEVEL",
            "level must be a filter such as info or messagebox=debug",
        )
    };
    let filter = request.parameter("level").ok_or_else(wrong)?;
    telemetry::set_filter(filter).map_err(|_| wrong())?;
    log::info!("an admin set the log level to {filter:?}");
    let level = filter.to_owned();
    Ok(RouteReply::success(&LogLevel { level }))
}
