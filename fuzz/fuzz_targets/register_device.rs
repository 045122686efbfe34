//! `POST /registerDevice`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox_fuzz::requests;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Some(read) = requests::read("/registerDevice", body, 64) else {
        return;
    };
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    assert_eq!(
        tree["fcmToken"].as_str().map(str::trim),
        read["fcmToken"].as_str()
    );
    assert_eq!(tree["platform"], read["platform"]);
    assert_eq!(tree["deviceId"].is_null(), read["deviceId"].is_null());
});
