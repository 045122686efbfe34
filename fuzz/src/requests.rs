//! Checks that hold for the bodies of all routes.

use messagebox::http::{ApiError, fuzzing::normal_form};
use serde_json::Value;

use crate::memory;

/// Reads a body in bounded memory. The request that it finds must read the same again.
pub fn read(route: &str, body: &[u8], times: usize) -> Option<Value> {
    match memory::within(body.len(), times, || normal_form(route, body)) {
        Ok(read) => {
            let text = read.to_string();
            // The request misses a body that no tree can hold.
            if route != "/sendMessage" || !read["message"]["body"].is_null() {
                assert_eq!(normal_form(route, text.as_bytes()).as_ref(), Ok(&read));
            }
            Some(read)
        }
        Err(error) => {
            check_refusal(&error, body.len());
            None
        }
    }
}

/// A refusal has a code, blames the client, and repeats little of the input.
pub fn check_refusal(error: &ApiError, length: usize) {
    assert!(
        error.code.starts_with("ERR_") && error.status.is_client_error(),
        "{error:?}"
    );
    assert!(error.description.len() <= 1_024 + length, "{error:?}");
}
