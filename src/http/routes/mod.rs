//! The routes of authenticated requests.

mod acknowledge_message;
mod devices;
mod list_json;
mod list_messages;
mod permissions;
pub(super) mod query;
mod quote;
mod send_message;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::ids::IdentityKey;
use crate::json_object;
use crate::json_unicode::{HALF_A_PAIR, is_unicode};
use crate::payments::MAX_PAYMENT_BYTES;

use super::admin;
use super::error::ApiError;
use super::reply::Reply;
use super::request_body::{BodyHeaders, RequestBody};
use super::state::HttpState;

pub(super) mod bodies {
    //! What the routes reply with, for their description.
    pub(in crate::http) use super::Success;
    pub(in crate::http) use super::devices::{DeviceItem, DeviceList, Registered};
    pub(in crate::http) use super::list_messages::{Item, Listed, Oversized};
    pub(in crate::http) use super::permissions::{
        OlderPermissionItem, PermissionFound, PermissionItem, PermissionList, PermissionRows,
        PermissionSet,
    };
    pub(in crate::http) use super::quote::{
        ManyQuotes, QuoteAmounts, QuoteTotals, RecipientQuote, SingleQuote,
    };
    pub(in crate::http) use super::send_message::{Sent, SentTo};
}

/// Bounds of a page of a list: messages, and bytes of the whole reply.
pub const LIST_PAGE: (i64, usize) = (list_messages::MAX_LIMIT, list_messages::MAX_PAGE_BYTES);

#[cfg(fuzzing)]
pub(super) mod normal_forms {
    //! For `fuzz/`: what each route reads.
    pub(in crate::http) use super::acknowledge_message::normal_form as acknowledge_message;
    pub(in crate::http) use super::devices::normal_form as register_device;
    pub(in crate::http) use super::list_messages::normal_form as list_messages;
    pub(in crate::http) use super::permissions::normal_form as set_permission;
    pub(in crate::http) use super::quote::normal_form as quote;
    pub(in crate::http) use super::send_message::normal_form as send_message;
}

/// Nothing more to say.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Success {
    /// Always `success`.
    status: &'static str,
}

impl Success {
    pub(in crate::http) const fn new() -> Self {
        Self { status: "success" }
    }
}

/// The routes of authenticated requests.
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

impl Route {
    /// The route of a path, and the method that it takes.
    fn of(path: &str) -> Option<(Self, &'static str)> {
        let (_, method, route) = ROUTES.iter().find(|(known, ..)| *known == path)?;
        Some((*route, method))
    }
}

/// Their paths and methods.
const ROUTES: [(&str, &str, Route); 9] = [
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

/// Bytes of a body that is no message: ids to acknowledge are the largest, with a payment and what is around both.
const MAX_OTHER_BODY: usize = acknowledge_message::MAX_BODY + MAX_PAYMENT_BYTES + MAX_SMALL_BODY;

/// Bytes that the body of a request to this path may have, whatever is in it.
pub(super) fn max_body_bytes(path: &str, state: &HttpState) -> usize {
    let path = collapse_slashes(path);
    let route = path
        .strip_prefix(&*state.routing_prefix)
        .and_then(Route::of);
    match route {
        Some((Route::SendMessage, _)) => state.limits.max_body_bytes,
        _ => state.limits.max_body_bytes.min(MAX_OTHER_BODY),
    }
}

/// The path of an authenticated route as the program has it.
pub(super) fn name(path: &str) -> Option<&'static str> {
    let found = ROUTES.iter().find(|(known, ..)| *known == path);
    found.map(|(path, ..)| *path)
}

/// Whether an authenticated route has this path, which has no routing prefix.
#[must_use]
pub fn is_route(path: &str) -> bool {
    Route::of(path).is_some()
}

/// Answers a verified request of `caller`.
pub(super) async fn respond(
    request: &HttpRequest,
    caller: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Reply {
    if let Some(reply) = admin::answer_signed(request, &caller, state).await {
        return reply;
    }
    // Behind what admins ask for: one whose own key is on no list can mend the lists.
    if let Err(refused) = state.db.identity_lists().check(&caller) {
        return ApiError::from(refused).into();
    }
    let path = collapse_slashes(request.uri().path());
    let Some(path) = path.strip_prefix(&*state.routing_prefix) else {
        return not_found();
    };
    let Some((route, method)) = Route::of(path) else {
        return not_found();
    };
    let asked = request.method().as_str();
    if asked != method {
        return ApiError::method_not_allowed(method).into();
    }
    let RequestBody { body, payment } = match read_body(request, body, state).await {
        Ok(read) => read,
        Err(error) => return error.into(),
    };
    let price = state.prices.get().of(path);
    if price == 0 {
        return answer(route, request.query_string(), caller, &body, state).await;
    }
    match payment {
        Some(payment) => {
            let (path, query) = (path.to_owned(), request.query_string().to_owned());
            let state = state.clone();
            // It goes to its end even when its client has gone: money changes hands.
            let whole = actix_web::rt::spawn(async move {
                let asked = Asked {
                    route,
                    price,
                    path,
                    query,
                };
                answer_paid(asked, &payment, caller, &body, &state).await
            });
            whole.await.unwrap_or_else(|_| {
                let description = "An internal error has occurred.";
                ApiError::internal("ERR_INTERNAL", description).into()
            })
        }
        None => payment_required(price, state).into(),
    }
}

/// Takes a body and its payment apart.
async fn read_body(
    request: &HttpRequest,
    body: &Bytes,
    state: &HttpState,
) -> Result<RequestBody, ApiError> {
    let headers = BodyHeaders::of(request)?;
    let (body, max_depth) = (body.clone(), state.limits.max_json_depth);
    off_worker(state, body.len(), move || {
        RequestBody::read(headers, &body, max_depth)
    })
    .await
}

/// Bytes of JSON that take as long to read as one identity key, whose point on the curve has to be found.
pub(super) const KEY_COST: usize = 2_048;

/// Does what takes long for a large body beside the worker.
async fn off_worker<T: Send + 'static>(
    state: &HttpState,
    bytes: usize,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    state.heavy.run(state.address(), bytes, work).await?
}

async fn answer(
    route: Route,
    query: &str,
    caller: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Reply {
    let reply = match route {
        Route::SendMessage => send_message::respond(caller, body, state).await,
        Route::ListMessages => list_messages::respond(caller, body, state).await,
        Route::AcknowledgeMessage => acknowledge_message::respond(caller, body, state).await,
        Route::RegisterDevice => devices::register(caller, body, state).await,
        Route::Devices => devices::list(caller, query, state).await,
        Route::SetPermission => permissions::set(caller, body, state).await,
        Route::GetPermission => permissions::get(caller, query, state).await,
        Route::ListPermissions => permissions::list(caller, query, state).await,
        Route::Quote => quote::respond(caller, query, state).await,
    };
    reply.into()
}

/// A request that has a price.
struct Asked {
    route: Route,
    price: u64,
    path: String,
    query: String,
}

impl Asked {
    /// A hash of what is asked for. No path and no query has a zero byte.
    async fn digest(&self, body: &Bytes, state: &HttpState) -> Result<[u8; 32], ApiError> {
        let head = [self.path.as_bytes(), self.query.as_bytes(), b""].join(&0);
        let body = body.clone();
        off_worker(state, body.len(), move || {
            let mut hash = Sha256::new();
            hash.update(&head);
            hash.update(&body);
            Ok(hash.finalize().into())
        })
        .await
    }
}

/// Takes the price and answers. A payer who gets no success keeps the payment, and may pay for another request with it.
async fn answer_paid(
    asked: Asked,
    payment: &[u8],
    caller: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Reply {
    let digest = match asked.digest(body, state).await {
        Ok(digest) => digest,
        Err(error) => return error.into(),
    };
    let taken = state
        .delivery
        .take_request_payment(payment, asked.price, caller, &digest)
        .await;
    let paid = match taken {
        Ok(paid) => paid,
        Err(error) => return ApiError::from(error).into(),
    };
    let mut reply = answer(asked.route, &asked.query, caller, body, state).await;
    if reply.status.is_success() {
        let header = ("x-bsv-payment-satoshis-paid", paid.satoshis.to_string());
        reply.headers.push(header);
        paid.settle().await;
    } else {
        paid.release().await;
    }
    reply
}

/// The failure that asks for a payment.
fn payment_required(price: u64, state: &HttpState) -> ApiError {
    match state.identity.create_nonce(rand::random()) {
        Ok(prefix) => ApiError::payment_required(price, prefix, state.identity.identity_key()),
        Err(error) => {
            log::error!("a payment could not be asked for: {error}");
            let description = "The payment could not be asked for.";
            ApiError::internal("ERR_PAYMENT_INTERNAL", description)
        }
    }
}

fn not_found() -> Reply {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "ERR_NOT_FOUND",
        "There is no such route.",
    )
    .into()
}

/// A client whose host ends in `/` asks for `//path`. For routing only: what is signed is what came.
fn collapse_slashes(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        collapsed.push('/');
        collapsed.push_str(part);
    }
    collapsed
}

/// Bytes of a body that holds no message: names and numbers.
const MAX_SMALL_BODY: usize = 64 * 1024;

/// Reads a JSON body whose reading takes no more memory than itself.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| invalid_json(body))
}

/// Reads a JSON body that is small, whatever is in it: many values take more memory than their text.
fn parse_small(body: &[u8]) -> Result<Value, ApiError> {
    if body.len() > MAX_SMALL_BODY {
        return Err(ApiError::too_large(MAX_SMALL_BODY));
    }
    parse(body)
}

/// Reads the fields of the JSON object in a body; none where it is no object.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Option<T>, ApiError> {
    let whole: &RawValue = parse(body)?;
    Ok(json_object::read(whole.get()).ok())
}

fn invalid_json(body: &[u8]) -> ApiError {
    let json: Option<&RawValue> = serde_json::from_slice(body).ok();
    let description = match json {
        Some(json) if !is_unicode(json.get()) => {
            format!("The request body cannot be read: {HALF_A_PAIR}.")
        }
        _ => "The request body is not valid JSON.".to_owned(),
    };
    ApiError::bad_request("ERR_INVALID_JSON", description)
}

#[cfg(test)]
mod tests {
    use super::{collapse_slashes, parse_small};

    #[test]
    fn a_body_that_cannot_be_read_says_why() {
        for (body, expected) in [
            ("{", "not valid JSON"),
            (r#"{"a":"\ud800"}"#, "half of a surrogate pair"),
            (r#"{"a":1e999}"#, "not valid JSON"),
        ] {
            let description = parse_small(body.as_bytes()).unwrap_err().description;
            assert!(description.contains(expected), "{body}: {description}");
        }
    }

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
