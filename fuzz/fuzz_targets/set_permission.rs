//! `POST /permissions/set`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox_fuzz::requests;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Some(read) = requests::read("/permissions/set", body, 64) else {
        return;
    };
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    assert_eq!(
        tree["messageBox"].as_str().map(str::trim),
        read["messageBox"].as_str()
    );
    assert_eq!(tree["recipientFee"].as_f64(), read["recipientFee"].as_f64());
    assert!((-1..=i64::from(i32::MAX)).contains(&read["recipientFee"].as_i64().unwrap()));
    assert_eq!(
        tree["sender"].is_null(),
        read["sender"].is_null(),
        "never for everybody by mistake"
    );
});
