//! What admins do to the server as a whole.

use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::telemetry;

use super::bodies::{Accepted, LogLevel};
use super::{AdminState, Asked};

/// The same as SIGTERM.
pub(super) fn drain(admin: &AdminState) -> Reply {
    log::info!("an admin takes the server down");
    admin.drain.notify_one();
    Reply::ok(&Accepted {
        status: "success",
        draining: true,
    })
}

/// Sets what is logged until the server ends.
pub(super) fn log_level(asked: &Asked<'_>) -> Result<Reply, ApiError> {
    let wrong = || {
        ApiError::bad_request(
            "ERR_INVALID_LOG_LEVEL",
            "level must be a filter such as info or messagebox=debug",
        )
    };
    let filter = asked.query.first(&["level"]).ok_or_else(wrong)?;
    telemetry::set_filter(filter).map_err(|_| wrong())?;
    log::info!("an admin sets the log level to {filter:?}");
    Ok(Reply::ok(&LogLevel {
        status: "success",
        level: filter.to_owned(),
    }))
}
