//! The routes of signed requests.

pub(super) mod acknowledge_message;
pub(super) mod devices;
#[cfg(fuzzing)]
pub mod fuzzing;
mod json_body;
mod list_json;
pub(super) mod list_messages;
pub(super) mod permissions;
pub(super) mod query;
pub(super) mod quote;
mod request_body;
pub(super) mod send_message;

use actix_web::HttpRequest;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::ids::IdentityKey;
use crate::payments::MAX_PAYMENT_BYTES;

use super::error::ApiError;
use super::reply::RouteReply;
use super::state::HttpState;
use request_body::{BodyHeaders, RequestBody};

/// Bounds of a page of a list: messages, and bytes of the whole reply.
pub const LIST_PAGE: (i64, usize) = (list_messages::MAX_LIMIT, list_messages::MAX_PAGE_BYTES);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    SendMessage,
    ListMessages,
    AcknowledgeMessage,
    RegisterDevice,
    Devices,
    SetPermission,
    GetPermission,
    ListPermissions,
    Quote,
}

/// Path and method of each route.
static ROUTES: [(&str, &str, Route); 9] = [
    ("/sendMessage", "POST", Route::SendMessage),
    ("/listMessages", "POST", Route::ListMessages),
    ("/acknowledgeMessage", "POST", Route::AcknowledgeMessage),
    ("/registerDevice", "POST", Route::RegisterDevice),
    ("/devices", "GET", Route::Devices),
    ("/permissions/set", "POST", Route::SetPermission),
    ("/permissions/get", "GET", Route::GetPermission),
    ("/permissions/list", "GET", Route::ListPermissions),
    ("/permissions/quote", "GET", Route::Quote),
];

/// The row of a path without routing prefix.
fn find(path: &str) -> Option<&'static (&'static str, &'static str, Route)> {
    ROUTES.iter().find(|(known, ..)| *known == path)
}

/// The path of a route, for counters.
pub(super) fn name(path: &str) -> Option<&'static str> {
    find(path).map(|(path, ..)| *path)
}

/// Whether a route has this path, which has no routing prefix.
#[must_use]
pub fn is_route(path: &str) -> bool {
    find(path).is_some()
}

/// Bytes of a body without a message. A list of ids to acknowledge is the largest, with a payment and their envelope.
const MAX_OTHER_BODY: usize =
    acknowledge_message::MAX_BODY + MAX_PAYMENT_BYTES + json_body::MAX_SMALL_BODY;

/// Bytes that the body of a request to this path may have.
pub(super) fn max_body_bytes(path: &str, state: &HttpState) -> usize {
    let path = collapse_slashes(path);
    let path = path.strip_prefix(&*state.routing_prefix);
    match path.and_then(find) {
        Some((_, _, Route::SendMessage)) => state.limits.max_body_bytes,
        _ => state.limits.max_body_bytes.min(MAX_OTHER_BODY),
    }
}

/// Answers a verified request of `caller`, once its price is paid.
pub(super) async fn respond(
    request: &HttpRequest,
    caller: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let path = collapse_slashes(request.uri().path());
    let path = path.strip_prefix(&*state.routing_prefix);
    let found = path.and_then(find);
    let (path, method, route) =
        *found.ok_or_else(|| ApiError::not_found("ERR_NOT_FOUND", "There is no such route."))?;
    if request.method().as_str() != method {
        return Err(ApiError::method_not_allowed(method));
    }
    let headers = BodyHeaders::of(request)?;
    let (whole, max_depth) = (body.clone(), state.limits.max_json_depth);
    let read = state.off_worker(whole.len(), move || {
        RequestBody::read(headers, &whole, max_depth)
    });
    let RequestBody { body, payment } = read.await?;
    let call = RouteCall {
        route,
        path,
        query: request.query_string().to_owned(),
        caller,
        body,
    };
    let price = state.prices.get().of(path);
    if price == 0 {
        return call.answer(state).await;
    }
    let payment = payment.ok_or_else(|| payment_required(price, state))?;
    let state = state.clone();
    // Runs to its end even if the client disconnects: money changes hands.
    let paid = async move { call.answer_paid(price, &payment, &state).await };
    let paid = actix_web::rt::spawn(paid).await;
    paid.unwrap_or_else(|_| {
        let description = "An internal error has occurred.";
        Err(ApiError::internal("ERR_INTERNAL", description))
    })
}

/// A request to a route, without its payment.
struct RouteCall {
    route: Route,
    path: &'static str,
    query: String,
    caller: IdentityKey,
    body: Bytes,
}

impl RouteCall {
    async fn answer(&self, state: &HttpState) -> Result<RouteReply, ApiError> {
        let (caller, query, body) = (self.caller, &self.query, &self.body);
        match self.route {
            Route::SendMessage => send_message::respond(caller, body, state).await,
            Route::ListMessages => list_messages::respond(caller, body, state).await,
            Route::AcknowledgeMessage => acknowledge_message::respond(caller, body, state).await,
            Route::RegisterDevice => devices::register(caller, body, state).await,
            Route::Devices => devices::list(caller, query, state).await,
            Route::SetPermission => permissions::set(caller, body, state).await,
            Route::GetPermission => permissions::get(caller, query, state).await,
            Route::ListPermissions => permissions::list(caller, query, state).await,
            Route::Quote => quote::respond(caller, query, state).await,
        }
    }

    /// Takes the price and answers. Without a success the payer keeps the payment, and may use it for another request.
    async fn answer_paid(
        &self,
        price: u64,
        payment: &[u8],
        state: &HttpState,
    ) -> Result<RouteReply, ApiError> {
        let digest = self.digest(state).await?;
        let paid = state
            .delivery
            .take_request_payment(payment, price, self.caller, &digest)
            .await?;
        match self.answer(state).await {
            Ok(mut reply) => {
                let header = ("x-bsv-payment-satoshis-paid", paid.satoshis.to_string());
                reply.headers.push(header);
                paid.settle().await;
                Ok(reply)
            }
            Err(error) => {
                paid.release().await;
                Err(error)
            }
        }
    }

    /// A hash of the call. No path and no query has a zero byte.
    async fn digest(&self, state: &HttpState) -> Result<[u8; 32], ApiError> {
        let head = [self.path.as_bytes(), self.query.as_bytes(), b""].join(&0);
        let body = self.body.clone();
        let digest = state.off_worker(body.len(), move || {
            let mut hash = Sha256::new();
            hash.update(&head);
            hash.update(&body);
            Ok(hash.finalize().into())
        });
        digest.await
    }
}

/// The failure that asks for a payment.
fn payment_required(price: u64, state: &HttpState) -> ApiError {
    match state.identity.create_nonce(rand::random()) {
        Ok(prefix) => ApiError::payment_required(price, prefix, state.identity.identity_key()),
        Err(error) => {
            log::error!("no nonce for a payment: {error}");
            let description = "The payment could not be asked for.";
            ApiError::internal("ERR_PAYMENT_INTERNAL", description)
        }
    }
}

/// Removes empty segments: a client whose host ends in `/` asks for `//path`. The signature still covers the original path.
fn collapse_slashes(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        collapsed.push('/');
        collapsed.push_str(part);
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::collapse_slashes;

    #[test]
    fn slashes_are_collapsed_for_routing() {
        let cases = [
            ("/a", "/a"),
            ("//a", "/a"),
            ("/x///a/", "/x/a"),
            ("/", ""),
            ("", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(collapse_slashes(path), expected);
        }
    }
}
