//! `POST /sendMessage`: the stored message is the one that any JSON reader finds in the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox_fuzz::requests;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Some(read) = requests::read("/sendMessage", body, 24) else {
        return;
    };
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let (message, read) = (&tree["message"], &read["message"]);
    assert_eq!(
        message["messageBox"].as_str().map(str::trim),
        read["messageBox"].as_str()
    );
    assert_eq!(message["body"], read["body"]);
    let list = |value: &Value| {
        value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.clone()])
    };
    assert_eq!(list(&message["messageId"]), list(&read["messageId"]));
    let given = if message["recipients"].is_null() {
        &message["recipient"]
    } else {
        &message["recipients"]
    };
    assert_eq!(list(given).len(), list(&read["recipients"]).len());
});
