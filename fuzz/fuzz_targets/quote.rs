//! The query of `GET /permissions/quote`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::http::fuzzing::normal_form;
use messagebox_fuzz::{memory, requests};
use serde_json::Value;

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fuzz_target!(|query: &str| {
    let read = memory::within(query.len(), 64, || {
        normal_form("/permissions/quote", query.as_bytes())
    });
    let read = match read {
        Ok(read) => read,
        Err(error) => return requests::check_refusal(&error, query.len()),
    };
    let recipients = read["recipients"].as_array().unwrap().iter();
    let message_box = read["messageBox"].as_str().unwrap();
    let mut again = format!("messageBox={}", escaped(message_box));
    for key in recipients.map(|key| Value::as_str(key).unwrap()) {
        again += &format!("&recipient={}", escaped(key));
    }
    assert_eq!(
        normal_form("/permissions/quote", again.as_bytes()),
        Ok(read)
    );
});
