//! The routes of authenticated requests.

mod acknowledge_message;
mod list_messages;
mod send_message;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::ids::IdentityKey;

use super::error::ApiError;
use super::reply::Reply;
use super::state::HttpState;

/// Answers a verified request of `caller`.
pub(super) async fn respond(
    request: &HttpRequest,
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Reply {
    let path = collapse_slashes(request.uri().path());
    let Some(route) = path.strip_prefix(&*state.routing_prefix) else {
        return not_found();
    };
    let reply = match (route, request.method().as_str()) {
        ("/sendMessage", "POST") => send_message::respond(caller, body, state).await,
        ("/listMessages", "POST") => list_messages::respond(caller, body, state).await,
        ("/acknowledgeMessage", "POST") => acknowledge_message::respond(caller, body, state).await,
        ("/sendMessage" | "/listMessages" | "/acknowledgeMessage", _) => Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "ERR_METHOD_NOT_ALLOWED",
            "This route takes POST requests.",
        )),
        _ => return not_found(),
    };
    reply.into()
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

/// Reads a JSON body.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| {
        ApiError::bad_request("ERR_INVALID_JSON", "The request body is not valid JSON.")
    })
}

/// A field of the JSON object in a body; none where it is missing or null, or the body is no object.
fn field(body: &[u8], name: &str) -> Result<Option<Value>, ApiError> {
    let mut whole: Value = parse(body)?;
    let field = whole.get_mut(name).map(Value::take);
    Ok(field.filter(|value| !value.is_null()))
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
