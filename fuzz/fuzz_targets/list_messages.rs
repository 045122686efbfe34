//! `POST /listMessages`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox_fuzz::requests;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Some(read) = requests::read("/listMessages", body, 64) else {
        return;
    };
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    assert_eq!(tree["messageBox"], read["messageBox"]);
});
