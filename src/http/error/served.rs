//! How it is said that the operator does not serve an identity.

use actix_web::http::StatusCode;

use crate::model::NotServed;

use super::ApiError;

impl From<NotServed> for ApiError {
    fn from(refused: NotServed) -> Self {
        let code = match refused {
            NotServed::Blocked => "ERR_IDENTITY_BLOCKED",
            NotServed::NotAllowed => "ERR_IDENTITY_NOT_ALLOWED",
        };
        Self::new(StatusCode::FORBIDDEN, code, format!("{refused}."))
    }
}
